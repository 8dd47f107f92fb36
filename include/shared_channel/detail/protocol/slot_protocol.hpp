// A slot's life: every word, who may write it, and each memory ordering with its partner. No system call and no
// clock: the same code runs between processes and in the explorer.
//
// Five words of a slot are its life. Each has one writer at any moment, and that is most of the argument. (layout.hpp
// lists the other fields; order.hpp explains `place` and `before`.)
//
//   owner     0 = free, else the lease number of the client that holds the slot.
//   last      done(s): nothing of call s or an earlier one is pending (the slot is settled, see below), and the next
//             call is s + 1. Else idle: nobody knows. Written by the owner only.
//   request   sequence and phase, written by the owner only: idle, posted(s), withdrawn(s),
//             plus the waiter bit: "I sleep; wake me".
//   reply     sequence and phase, written by the server only: done(s), failed(s), refused(s), ...
//   taken     sequence and phase, written by the server only: taken(s), or idle(s) if it let go again.
//
// The life of call s. Left the client, right the server's worker, which holds the slot's lock (in the server's private
// memory) from before T1 until after F2.
//
//   claim     owner: 0 -> me                     (compare and swap)
//             write the request's bytes; last = idle
//   P1 post   request = posted(s)      ------>   S   sees posted(s), s not concluded yet
//                                                T1  taken = taken(s)
//                                                T2  request still posted(s)?   no: taken = idle(s), let go
//                                                    run the handler, write the reply's bytes
//   await     reply == ...(s)?         <------   F1  reply = done(s)
//             read the reply's bytes             F2  request: wake the waiter? was it withdrawn?
//   release   last = done(s); owner = 0
//
// A caller that gives up (deadline, dead server):
//
//   W1 request = withdrawn(s)
//   W2 taken == taken(s)?     no: withdrawn. No handler saw it, and none will.
//   W3 reply == ...(s)?      yes: answered after all.
//                             no: abandoned. Release the slot and leave.
//
// A caller that gives up because the server stops has time, and is told exactly what became of its call:
//
//   W1, W2, W3, and if a worker has marked the call:
//   W4 request = posted(s)                              after its own T2 failed, the worker
//   W5 taken == taken(s)?                               T3 taken = idle(s)
//        yes: wait for the answer, it will come.        T4 request posted(s) again?  yes: back to T1
//        no: the worker let go. Begin again at W1.
//
// Why "withdrawn" is certain. W1, W2 and T1, T2 are sequentially consistent. If W2 does not see T1, then W2 precedes
// T1 in their one total order, so W1 precedes T2, and the worker sees the withdrawal and lets go. (If both see each
// other at a deadline, the caller looks a moment longer: a worker between T1 and T2 decides within nanoseconds. A
// worker that is stopped there leaves the caller with "may have executed": the honest side to err on.)
//
// Why a stop is exact. W4, W5 and T3, T4 are sequentially consistent. If W5 sees taken(s), the worker either
// passed T2, and answers; or its T3 comes after W5, so that T4 comes after W4, finds the call posted again, and takes
// it. Either way the answer comes, and the caller may sleep until then: A1 and F2 are as ever, and an F2 that read
// the withdrawal comes before W4, hence F1 before A2. If W5 does not see taken(s), the worker let go and executed
// nothing. So without deaths and deadlines every call ends in its answer or in "not executed".
//
// Why an abandoned slot is not reused under its worker. A new owner first *settles* the slot:
// with request = withdrawn(s) it is usable only if taken is not taken(s), or the reply is concluded(s). While a worker
// executes s, taken(s) stands and the reply is older, so everyone keeps off until F1. A worker that settling did not
// see (T1 comes after it) finds at T2 a word other than posted(s), and touches nothing but `taken`. Hence a worker
// writes reply and bytes only between a T2 that saw posted(s) and F1, and in that time no client can post, because no
// client can settle. So the reply words of one slot are written in the order of its calls, and a caller accepts only
// its own sequence number.
//
// Why `last` may stand for all that. It is done(s) only after an owner saw call s concluded, or settled the slot after
// it, and before the next post, which is numbered from it. Only the taker of a free slot may skip settling because of
// it, after (7). A client that recovers a dead owner's slot does not believe it, and settles. It saves two loads on the
// line that the server polls: the caller's first touch of that line is then its writing.
//
// Why no worker of a live server is needed to free a slot: freeing is the owner's store, settling the next owner's
// look. The server never writes `owner`, the client never writes `reply` or `taken`.
//
// Why the slots of the dead come back without robbing the living. Only callers that found no free slot recover:
// SlotClaim. `recover` needs the kernel's word that the owner's whole process is gone, so that no instruction of it can
// still write. One compare-and-swap makes a live client the
// owner, whose own death would be seen to alike; from there it is an ordinary withdrawal and settling. An owner that
// died before P1 left the words of the call before, which are settled. A dead server needs no repair: its generation
// ends with it. Straggling threads of a dying server obey T2 like any other.
//
// Why the sleeper is woken. To sleep, the caller sets the waiter bit (A1) and looks at the reply again (A2); the worker
// publishes the reply (F1) and looks at the bit (F2). Sequentially consistent, so one of them sees the other;
// and the kernel does not let the caller sleep on a reply word that has changed since A2.
//
// Why so and not with one state word moved by compare-and-swap from both sides: marking the call as taken would pull
// the message's line away from the caller that polls it, in the middle of the call. `taken` lies on a line that
// only the server touches until somebody gives up.
//
// Orderings beyond sequential consistency, each naming its partner:
//   (1) post publishes the request's bytes: release (within seq_cst), pairs with the acquire load (2) in S and T2.
//   (3) F1 publishes the reply's bytes: release (within seq_cst), pairs with (4), the caller's acquire load of reply.
//   (5) settling loads reply and taken with acquire, pairs with F1 and T2's letting go: what the worker wrote comes
//       before what the next owner writes.
//   (6) releasing the owner is a release (within seq_cst, for the doorbell), pairs with (7), the acquire of
//       the next claim or recovery: our last read comes before their first write.
//
// Nothing here is trusted: a word is loaded once and compared whole; what matches nothing is damage.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/protocol/slot_state.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

// ---- the client's side ------------------------------------------------------------------------------

/// What became of a call that its caller gave up.
enum class Withdrawal {
  withdrawn,  ///< No handler saw the request and none will.
  abandoned,  ///< A worker may be executing it. The slot is to be released and left alone.
  answered,   ///< The answer came first and is there to be read.
};

/// W2 and W3; once more after a withdrawal that met a worker, which may have decided meanwhile.
template <class Slot>
Withdrawal look_again(const Slot& slot, std::uint32_t sequence) noexcept {
  if (!load_taken(slot).is(Phase::taken, sequence)) return Withdrawal::withdrawn;              // W2
  return load_reply(slot).concludes(sequence) ? Withdrawal::answered : Withdrawal::abandoned;  // W3
}

/// Gives up the call `sequence`, which this owner (or the dead one before it) posted.
template <class Slot>
Withdrawal withdraw(Slot& slot, std::uint32_t sequence) noexcept {
  SHARED_CHANNEL_TEST_POINT(client_gives_up);
  slot.request.store(State(sequence, Phase::withdrawn).word(), std::memory_order_seq_cst);  // W1
  SHARED_CHANNEL_TEST_POINT(client_withdrew);
  return look_again(slot, sequence);
}

/// What became of a call that its caller gave up because the server stops.
enum class StopOutcome {
  withdrawn,  ///< No handler saw the request and none will.
  served,     ///< A worker has the call, or has answered it: the answer is to be waited for.
  again,      ///< A worker had marked the call and let go of it: try again.
};

/// Gives up the call `sequence` unless a worker has it.
template <class Slot>
StopOutcome withdraw_unless_taken(Slot& slot, std::uint32_t sequence) noexcept {
  switch (withdraw(slot, sequence)) {
    case Withdrawal::withdrawn:
      return StopOutcome::withdrawn;
    case Withdrawal::answered:
      return StopOutcome::served;
    case Withdrawal::abandoned:
      break;
  }
  slot.request.store(State(sequence, Phase::posted).word(), std::memory_order_seq_cst);  // W4
  SHARED_CHANNEL_TEST_POINT(client_posted_again);
  return load_taken(slot).is(Phase::taken, sequence) ? StopOutcome::served : StopOutcome::again;  // W5
}

/// Gives the slot back. The caller then tells the one that waits for a slot.
template <class Slot>
void release(Slot& slot) noexcept {
  slot.owner.store(0, std::memory_order_seq_cst);  // (6)
}

/// Whether a worker executes a call here, as far as the words tell. Among correct peers that is the request's call; the
/// request's number is not asked for, since a stray word there must not hide a worker.
template <class Slot>
bool is_executing(const Slot& slot) noexcept {
  const State taken = load_taken(slot);
  return taken.phase() == Phase::taken && !load_reply(slot).concludes(taken.sequence());
}

/// Whether a slot with this request word may be used by its next owner as it is.
template <class Slot>
bool is_settled(const Slot& slot, State request) noexcept {
  if (is_executing(slot)) return false;
  return request.phase() != Phase::posted || load_reply(slot).concludes(request.sequence());
}

/// How an attempt to become a slot's owner ended.
enum class Claim {
  claimed,     ///< The slot is the caller's to use.
  occupied,    ///< Somebody else holds it, or a worker has not finished with it.
  given_back,  ///< The caller held it for a moment, found a worker in it and released it: see doorbell.hpp.
};

/// Whether the last owner left word that there is nothing to settle.
template <class Slot>
bool was_left_settled(const Slot& slot) noexcept {
  return State(slot.last.load(std::memory_order_relaxed)).phase() == Phase::done;
}

/// Leaves that word: call `sequence` was answered, or the slot was settled after it. Before post() or release().
template <class Slot>
void leave_settled(Slot& slot, std::uint32_t sequence) noexcept {
  slot.last.store(State(sequence, Phase::done).word(), std::memory_order_relaxed);
}

/// Becomes the owner in place of `before` (0: nobody).
template <class Slot>
bool take_ownership(Slot& slot, std::uint32_t before, std::uint32_t me) noexcept {
  const bool is_mine = slot.owner.compare_exchange_strong(before, me, std::memory_order_acquire,  // (7)
                                                          std::memory_order_relaxed);
  if (is_mine) SHARED_CHANNEL_TEST_POINT(client_claimed);
  return is_mine;
}

/// Ends what an earlier owner left pending in a slot that is now ours, or gives the slot back.
template <class Slot>
Claim settle(Slot& slot) noexcept {
  const State request = load_request(slot);
  // A posted call is a dead owner's, or a stray word's: then a worker may execute another one.
  if (is_settled(slot, request) ||
      (request.phase() == Phase::posted && withdraw(slot, request.sequence()) != Withdrawal::abandoned &&
       !is_executing(slot))) {
    leave_settled(slot, request.sequence());
    return Claim::claimed;
  }
  release(slot);
  return Claim::given_back;
}

/// Takes a free slot for client `me`.
template <class Slot>
Claim claim(Slot& slot, std::uint32_t me) noexcept {
  if (slot.owner.load(std::memory_order_relaxed) != 0) return Claim::occupied;
  if (!was_left_settled(slot)) {
    const State request = load_request(slot);
    if (request.phase() == Phase::withdrawn && !is_settled(slot, request)) return Claim::occupied;
  }
  if (!take_ownership(slot, 0, me)) return Claim::occupied;
  return was_left_settled(slot) ? Claim::claimed : settle(slot);
}

/// Recovers a slot of client `dead`, of whom the kernel said that it is gone.
template <class Slot>
Claim recover(Slot& slot, std::uint32_t dead, std::uint32_t me) noexcept {
  return take_ownership(slot, dead, me) ? settle(slot) : Claim::occupied;
}

/// A call that was posted.
struct Posted {
  std::uint32_t sequence;
  bool follows_concluded;  ///< The call before it in this slot was concluded, not given up.
};

/// Publishes the request that the owner has written.
template <class Slot>
Posted post(Slot& slot) noexcept {
  std::uint32_t sequence = State::after(State(slot.last.load(std::memory_order_relaxed)).sequence());
  slot.last.store(State(0, Phase::idle).word(), std::memory_order_relaxed);
  // Never so among correct peers; among others, a stale reply must not pass for ours, nor the late one to a call that
  // a stray `last` has hidden.
  const State reply = load_reply(slot);
  const State request(slot.request.load(std::memory_order_relaxed));
  if (reply.concludes(sequence) || request.sequence() == sequence) sequence = State::after(sequence);
  slot.request.store(State(sequence, Phase::posted).word(), std::memory_order_seq_cst);  // P1, (1)
  SHARED_CHANNEL_TEST_POINT(client_posted);
  return {sequence, State::after(reply.sequence()) == sequence};
}

/// Announces that the caller is about to sleep (A1) and looks at the reply again (A2): if that does not conclude the
/// call, it is the word to sleep on.
template <class Slot>
State announce_waiter(Slot& slot, std::uint32_t sequence) noexcept {
  slot.request.store(State(sequence, Phase::posted).with_waiter().word(), std::memory_order_seq_cst);  // A1
  SHARED_CHANNEL_TEST_POINT(client_announced_waiter);
  return load_reply(slot);  // A2
}

// ---- the server's side ------------------------------------------------------------------------------

/// The server's private record of one slot. No other process can write it.
template <class Flag, class Number>
struct BasicSlotLock {
  Flag busy{0};         ///< a worker of ours is at this slot
  Number concluded{0};  ///< sequence of the last call executed or refused: no call is executed twice

  /// Keeps the workers apart, whatever anybody writes into shared memory.
  bool try_lock() noexcept { return !is_locked() && busy.exchange(1, std::memory_order_acquire) == 0; }
  void unlock() noexcept { busy.store(0, std::memory_order_release); }
  /// Sequentially consistent, with the fence that a responder's thread makes after unlock() and before it looks for
  /// the slot's next call: a worker that finds the slot locked and then sleeps has announced that before this load.
  /// Had it read a stale `busy` from before the unlock() (acquire allows that), both could miss the call.
  [[nodiscard]] bool is_locked() const noexcept { return busy.load(std::memory_order_seq_cst) != 0; }
};
using SlotLock = BasicSlotLock<std::atomic<std::uint32_t>, std::atomic<std::uint32_t>>;

/// S: whether `request`, as just loaded, asks for something.
template <class SlotLock>
bool is_waiting(const SlotLock& lock, State request) noexcept {
  return request.phase() == Phase::posted && request.sequence() != lock.concluded.load(std::memory_order_relaxed);
}

/// Takes back T1's word that a worker executes call `sequence`, in a slot that the caller has locked.
template <class Slot>
void let_go(Slot& slot, std::uint32_t sequence) noexcept {
  slot.taken.store(State(sequence, Phase::idle).word(), std::memory_order_seq_cst);
}

/// How an attempt to take a call ended.
enum class Take {
  taken,    ///< The worker holds the slot until finish().
  nothing,  ///< Nothing waits any more.
  let_go,   ///< It was withdrawn in that very moment; its caller may have left a slot that became free only now. The
            ///< worker must load the request once more (T4) before it unlocks the slot: it may be posted again.
};

/// Takes the call that `request` asks for. The worker locks the slot first and loads `request` afterwards. An older
/// `request` could make T1 undo the mark of a later call, which another worker has executed meanwhile.
template <class Slot, class SlotLock>
Take take(Slot& slot, const SlotLock& lock, State request) noexcept {
  if (!is_waiting(lock, request)) return Take::nothing;
  const std::uint32_t sequence = request.sequence();
  SHARED_CHANNEL_TEST_POINT(server_takes);
  slot.taken.store(State(sequence, Phase::taken).word(), std::memory_order_seq_cst);  // T1
  SHARED_CHANNEL_TEST_POINT(server_marked_taken);
  if (load_request(slot).is(Phase::posted, sequence)) return Take::taken;  // T2, (2)
  SHARED_CHANNEL_TEST_POINT(server_lets_go);
  let_go(slot, sequence);  // T3
  return Take::let_go;
}

/// What a worker owes after it finished a call.
enum class Finish {
  nothing,          ///< The caller sees the answer by itself.
  wake,             ///< The caller sleeps: ring its Done signal.
  tell_slot_freed,  ///< The caller had left: the slot has become free, and callers may wait for one.
};

/// Ends the call with `answer` (done, failed, ...), the reply's bytes being written.
template <class Slot, class SlotLock>
Finish finish(Slot& slot, SlotLock& lock, std::uint32_t sequence, Phase answer) noexcept {
  lock.concluded.store(sequence, std::memory_order_release);  // for O2: see order.hpp
  SHARED_CHANNEL_TEST_POINT(server_concludes);
  slot.reply.store(State(sequence, answer).word(), std::memory_order_seq_cst);  // F1, (3)
  SHARED_CHANNEL_TEST_POINT(server_replied);
  const State request = load_request(slot);  // F2
  if (request.phase() == Phase::withdrawn) return Finish::tell_slot_freed;
  return request.has_waiter() ? Finish::wake : Finish::nothing;
}

/// Whether the slot claims that a worker executes a call which its caller gave up. If no worker has the slot's lock,
/// that is damage by a broken or hostile peer, and let_go() frees the slot.
template <class Slot>
bool looks_executing(const Slot& slot, State request) noexcept {
  return request.phase() != Phase::posted && is_executing(slot);
}

/// Whether another call stands in the slot than the one that a worker is about to conclude there. Nobody can post it
/// before F1, unless the slot's words were damaged while the worker executed: then the bytes of the worker's reply may
/// lie over that call's request, which must not be executed.
inline bool is_posted_over(std::uint32_t sequence, State request) noexcept {
  return request.phase() == Phase::posted && request.sequence() != sequence;
}

/// Whether the slot asks for the very call that was concluded last, although the reply that concluded it is gone. With
/// the slot locked, that is damage as well: no worker would ever take that call, and its caller would wait for nothing.
template <class Slot, class SlotLock>
bool has_lost_reply(const Slot& slot, const SlotLock& lock, State request) noexcept {
  return request.is(Phase::posted, lock.concluded.load(std::memory_order_relaxed)) &&
         !load_reply(slot).concludes(request.sequence());
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
