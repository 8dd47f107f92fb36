// The order of one thread's calls: a worker takes them as they were posted, whichever slots they lie in.
//
// A call that was posted while others of its thread might be in flight has a place: which of the owner's threads asks,
// and a number that grows from call to call of that thread. To compare places is to look at every slot, and takes each
// line away from a caller that is about to write there. So the call also says, beside `request`, which call its thread
// posted before it: if that one was concluded, which the server knows from its own memory, nothing else of the thread
// waits, and nothing is compared. A call that had nothing of its thread before it in flight says so. `place` lies
// beside `owner`, on a line that the caller writes before and after each call, and is looked at only where places are
// compared.
//
// Both words are the owner's: written before P1 and left alone until the call was answered or given up.
//
//     thread that posts X, then Y          worker that found Y and holds its slot's lock
//     P1  of X                             O1  read what Y says of the call before it
//     P1  of Y                             O2  was it concluded? If it was not, or Y does not say: in any other slot,
//                                              a call X of the same owner and thread, with a lower number, that waits
//                                              and is not taken?
//                                                yes: unlock Y's slot, and go for X in the same way
//                                                no:  T1 of Y
//
// Why T1 of X precedes T1 of Y. The worker saw Y posted, so P1 of X happens before O2, and so does X's raise of the
// high-water mark. From then on X's words say that it waits until it is taken or given up: its place is not rewritten
// before. So if O2 finds no X, T1 of X has been made, or X will never run. (A call withdrawn at a stop may be posted
// again, by the same post(): the thread has posted nothing after it.) Nothing that goes before Y can appear later: it
// would have been posted before Y. If O2 takes something for X that is not, because its slot's words were changing, the
// worker sees that under that slot's lock, where it begins anew.
//
// Why the call before Y is enough, once it was concluded. Let B be that call. B was taken in order, so when T1 of B was
// made, nothing that its thread had posted before B waited. Between B and Y the thread posted nothing else that can
// wait: a plain call has ended when the next one is posted. If B was not executed but refused, so are the calls after
// it; the worker looks for that after O2, and reads `concluded` with acquire, which the release in finish() pairs with.
//
// Why it is B that was concluded. Y names B by its slot and the low bits of its sequence number s. It does so only if
// the call before B in that slot had been concluded when B was posted: then the slot's `concluded` is s - 1 from there
// on, and s as soon as B is concluded. If B is given up it becomes s + 1 or more, and Y is compared. For it to have the
// same low bits again the server must take half a million calls from that slot while Y waits, and it looks at all slots
// in turn.
//
// What else Y may say: that nothing of its thread was in flight (`first`), or, if its thread has lost count (another
// one has the same number, by chance), that it cannot tell (`unknown`).
//
// Why nobody waits forever. A worker that turned away from Y went for X, and failed only because
//   - another worker took X. That one has made T1 of X and then looks whether somebody sleeps while calls wait (R2, in
//     Dispatcher::pass_ring_on()). If it sees nobody, S1 of the worker that turned away comes after T1 of X, and its
//     last look S3 finds X taken and Y free.
//   - another worker has the lock of X, to look or to finish the call before. Workers look at every slot again before
//     they sleep, and a responder's thread looks at that slot and rings.
// In both cases the other one's last look must find Y unlocked. So a fence stands between the unlock of Y and the try
// at X: X was still locked after it, so the fence that the other one makes before its last look is the later of the
// two. If X was given up, the worker finds that under the lock of X and goes back to Y.
//
// What a damaged word can do. Only calls of one owner are ever compared, and a worker follows a bounded number of
// places: false ones cost their owner its order, and the server a few looks.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Where a call stands among those of its thread; 0: it is alone. Two threads may have the same number, and then one
/// order between them.
class Place {
 public:
  static constexpr unsigned number_bits = 26;
  static constexpr std::uint32_t most_threads = (std::uint32_t{1} << (32 - number_bits)) - 1;

  constexpr Place() = default;
  constexpr explicit Place(std::uint32_t word) noexcept : word_(word) {}
  /// `thread`: 1 to most_threads. `number` grows, and may wrap around.
  constexpr Place(std::uint32_t thread, std::uint32_t number) noexcept
      : word_(thread << number_bits | (number & number_mask)) {}

  [[nodiscard]] constexpr std::uint32_t word() const noexcept { return word_; }
  [[nodiscard]] constexpr bool is_alone() const noexcept { return word_ >> number_bits == 0; }
  [[nodiscard]] constexpr bool is_of_thread_of(Place other) const noexcept {
    return word_ >> number_bits == other.word_ >> number_bits;
  }
  /// For places of one thread. A call waits while its thread posts fewer than half as many as there are numbers.
  [[nodiscard]] constexpr bool precedes(Place other) const noexcept {
    return ((word_ - other.word_) & number_mask) > number_mask / 2;
  }

 private:
  static constexpr std::uint32_t number_mask = (std::uint32_t{1} << number_bits) - 1;

  std::uint32_t word_ = 0;
};

/// What a call says of the one that its thread posted before it. 0: nothing, it is not in flight.
class Before {
 public:
  static constexpr unsigned sequence_bits = 19;
  static_assert(max_slots <= 1u << (31 - sequence_bits), "a slot's index and a flag fit beside the sequence number");

  constexpr Before() = default;
  constexpr explicit Before(std::uint32_t word) noexcept : word_(word) {}
  constexpr Before(std::uint32_t index, std::uint32_t sequence) noexcept
      : word_(is_call | index << sequence_bits | (sequence & sequence_mask)) {}
  static constexpr Before first() noexcept { return Before(1); }
  static constexpr Before unknown() noexcept { return Before(2); }

  [[nodiscard]] constexpr std::uint32_t word() const noexcept { return word_; }
  [[nodiscard]] constexpr bool is_in_flight() const noexcept { return word_ != 0; }
  /// Whether calls of its thread may wait that go before it.
  [[nodiscard]] constexpr bool may_follow_others() const noexcept { return word_ > 1; }
  [[nodiscard]] constexpr bool is_known() const noexcept { return (word_ & is_call) != 0; }
  /// If known.
  [[nodiscard]] constexpr std::uint32_t index() const noexcept { return (word_ & ~is_call) >> sequence_bits; }
  [[nodiscard]] constexpr bool is_sequence(std::uint32_t sequence) const noexcept {
    return ((word_ ^ sequence) & sequence_mask) == 0;
  }

  friend constexpr bool operator==(Before, Before) = default;

 private:
  static constexpr std::uint32_t is_call = std::uint32_t{1} << 31;
  static constexpr std::uint32_t sequence_mask = (std::uint32_t{1} << sequence_bits) - 1;

  std::uint32_t word_ = 0;
};

/// Both: what a caller says of a call's turn.
struct Turn {
  Place place;
  Before before;
};

/// The owner's, before post().
template <class Slot>
void put_in_order(Slot& slot, const Turn& turn) noexcept {
  slot.place.store(turn.place.word(), std::memory_order_relaxed);
  slot.before.store(turn.before.word(), std::memory_order_relaxed);
}

/// Relaxed, like the reads below: P1 has released what is read.
template <class Slot>
Place place_in(const Slot& slot) noexcept {
  return Place(slot.place.load(std::memory_order_relaxed));
}

/// O1.
template <class Slot>
Before before_in(const Slot& slot) noexcept {
  return Before(slot.before.load(std::memory_order_relaxed));
}

/// O2 without a look at other slots: whether the call that `before` names was the last to be concluded in its slot,
/// which has this lock.
template <class SlotLock>
bool was_concluded(const SlotLock& lock, Before before) noexcept {
  return before.is_sequence(lock.concluded.load(std::memory_order_acquire));
}

/// O2 for one other slot: whether a call waits there that goes before the one in `slot`, of which `mine` is the place.
/// If so, `mine` becomes that one's place.
template <class Slot, class SlotLock>
bool goes_before(const Slot& other, const SlotLock& lock, const Slot& slot, Place& mine) noexcept {
  const State request = load_request(other);
  if (!is_waiting(lock, request)) return false;
  const Place its = place_in(other);
  if (!its.is_of_thread_of(mine) || !its.precedes(mine)) return false;
  if (other.owner.load(std::memory_order_relaxed) != slot.owner.load(std::memory_order_relaxed)) return false;
  if (load_taken(other).is(Phase::taken, request.sequence())) return false;
  mine = its;
  return true;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
