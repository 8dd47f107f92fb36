// The server's side of the slots, with a lock for each: takes the calls that wait there and ends those it took. Never
// waits. slot_protocol.hpp and order.hpp have the argument.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/protocol/stated_times.hpp>
#include <shared_channel/detail/server/counters.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/next_slot.hpp>
#include <shared_channel/detail/server/taken_call.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Everything is thread-safe: the taker of a call has its slot's lock until end_and_unlock().
template <class Platform>
class ServerSlots {
  using Generation = detail::Generation<Platform>;

 public:
  explicit ServerSlots(Generation& generation)
      : generation_(generation), records_(UniquePtr<SlotRecord[]>(generation.slot_array().count())) {}

  /// A call that waits in any slot that was ever used.
  TakenCall take_any() noexcept {
    const std::uint32_t used = used_slots();
    return scan(used, used);
  }
  /// The same, but skips the slot that was answered last: polling its cache line would slow the caller that is about to
  /// write it.
  TakenCall take_another() noexcept {
    const std::uint32_t used = used_slots();
    return scan(used, used > 0 ? used - 1 : 0);
  }
  /// A call that waits on the way from the last one's slot to where the next one is expected: callers of other slots
  /// have their turn.
  TakenCall take_expected() noexcept {
    const std::uint32_t used = used_slots();
    const std::uint32_t expected = next_slot_.index();
    if (expected >= used) return take_another();
    const std::uint32_t cursor = cursor_.load(std::memory_order_relaxed);
    const std::uint32_t from = cursor < used ? cursor : 0;
    return scan(used, (expected >= from ? expected - from : used - from + expected) + 1);
  }
  /// A call that waits where the next one is expected, or in a slot whose last one was not in flight.
  TakenCall take_expected_or_plain() noexcept {
    const std::uint32_t used = used_slots();
    const std::uint32_t expected = next_slot_.index();
    for (std::uint32_t index = 0; index < used; ++index) {
      if (index != expected && records_[index].was_in_flight.load(std::memory_order_relaxed)) continue;
      if (const TakenCall call = examine(index, Respect::order)) return found(index, call);
    }
    return {};
  }
  /// Learns from the call that was taken last; to be called before the next one is looked for. Answers how many looks
  /// at the expected slot are worthwhile before take_any().
  std::uint32_t learn() noexcept { return next_slot_.learn(records_); }
  /// take_any() after so many.
  TakenCall take_unexpected() noexcept {
    const std::uint32_t expected = next_slot_.index();
    const TakenCall call = take_any();
    if (call && call.index != expected) next_slot_.was_wrong();
    return call;
  }

  /// True if a posted call has no worker at its slot.
  [[nodiscard]] bool has_posted() const noexcept {
    const std::uint32_t used = used_slots();
    for (std::uint32_t index = 0; index < used; ++index) {
      if (!records_[index].is_locked() && is_posted(index)) return true;
    }
    return false;
  }
  /// The same, and sees to damage as a worker does that looks for calls.
  [[nodiscard]] bool has_work() noexcept {
    const std::uint32_t used = used_slots();
    for (std::uint32_t index = 0; index < used; ++index) repair_if_damaged(index);
    return has_posted();
  }
  /// Whether a call waits in this slot, with or without a worker at it.
  [[nodiscard]] bool is_posted(std::uint32_t index) const noexcept {
    return is_waiting(records_[index], load_request(slot_array()[index]));
  }

  /// Answers everything that was posted and not taken with "the server stopped".
  void refuse_all() noexcept;

  /// Leaves the text that the caller's error will carry, cut to the room there is.
  Phase write_failure(TakenCall call, std::string_view text, std::uint32_t passed_on) noexcept {
    const std::size_t length = text.size() < text_capacity ? text.size() : text_capacity;
    Slot& slot = *call.slot;
    std::memcpy(slot.text, text.data(), length);
    slot.length.store(static_cast<std::uint32_t>(length), std::memory_order_relaxed);
    slot.passed_on.store(passed_on, std::memory_order_relaxed);
    return Phase::failed;
  }

  /// Ends the call and unlocks its slot. True: its caller was asleep, or has given up.
  bool end_and_unlock(TakenCall call, Phase outcome) noexcept {
    const bool took_long = publish_end(call, outcome);
    SHARED_CHANNEL_TEST_POINT(server_unlocks_slot);
    records_[call.index].unlock();
    return took_long;
  }

  /// For a thread that has unlocked a slot and may not look at all slots again, as a worker does before it sleeps or
  /// ends. While it held the lock, a worker, stop() or the loop's thread may have passed over the call that waited
  /// there, maybe for the last time. After this fence either they look there once more, or this thread sees that call,
  /// or that the server stops: it looks for both next.
  static void fence_after_unlocking() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }

  /// Whether the caller still waits for the answer.
  [[nodiscard]] bool is_wanted(TakenCall call) const noexcept {
    const Slot& slot = *call.slot;
    const bool is_answered = records_[call.index].concluded.load(std::memory_order_relaxed) == call.sequence;
    if (is_answered) return false;
    const State request = load_request(slot);
    if (request.is(Phase::withdrawn, call.sequence)) return may_post_again(slot);
    return request.is(Phase::posted, call.sequence) && is_owner_there(slot);
  }

  /// The caller that waits for a slot may look again.
  void tell_slot_freed() noexcept { generation_.slot_freed().ring_if_awaited(); }

  /// What has become of all calls, and of those in the slots now; but not for how long.
  [[nodiscard]] ServerStats stats() const noexcept;

  /// Calls `use` with the index and sequence number of each running call, and when it was made; zero if its caller does
  /// not say so.
  template <class Use>
  void for_each_running(Use&& use) const {
    const std::uint32_t used = used_slots();
    for (std::uint32_t index = 0; index < used; ++index) {
      const SlotView slot = view(index);
      if (slot.is_running) use(index, slot.running, StatedTimes(slot_array()[index]).made_at());
    }
  }

  /// Slots found in a state that no correct peer leaves, and reset.
  [[nodiscard]] std::uint64_t damaged() const noexcept { return counters_.damaged(); }

 private:
  [[nodiscard]] bool is_owner_there(const Slot& slot) const noexcept {
    const std::uint32_t owner = slot.owner.load(std::memory_order_seq_cst);
    return owner != 0 && generation_.leases().is_held(owner);
  }
  /// Whether the caller, which has withdrawn its call, may be between W1 and W4: it has seen that the server stops, and
  /// goes on waiting if a worker has its call.
  [[nodiscard]] bool may_post_again(const Slot& slot) const noexcept {
    return generation_.page().service.load(std::memory_order_seq_cst) != service_open && is_owner_there(slot);
  }

  [[nodiscard]] const SlotArray& slot_array() const noexcept { return generation_.slot_array(); }

  /// A slot as stats() sees it.
  struct SlotView {
    bool is_running = false;
    bool is_waiting = false;
    std::uint32_t running = 0;    // the call
    std::uint32_t withdrawn = 0;  // calls that were given up since the last one that was concluded
  };
  [[nodiscard]] SlotView view(std::uint32_t index) const noexcept {
    const SlotRecord& record = records_[index];
    const Slot& slot = slot_array()[index];
    SlotView view;
    const std::uint32_t before = record.concluded.load(std::memory_order_seq_cst);
    const State request = load_request(slot);
    const State taken = load_taken(slot);  // later: a call that was given up after it was taken is not withdrawn
    view.is_running = record.is_locked() && taken.phase() == Phase::taken && taken.sequence() != before;
    view.is_waiting = !view.is_running && is_waiting(record, request);
    if (record.concluded.load(std::memory_order_seq_cst) != before) return {};  // it ends just now, or the next begins
    view.running = taken.sequence();
    if (view.is_running)
      view.withdrawn = Counters::between(before, view.running);
    else if (view.is_waiting)
      view.withdrawn = Counters::between(before, request.sequence());
    else if (request.phase() == Phase::withdrawn)
      view.withdrawn = Counters::between(before, State::after(request.sequence()));
    return view;
  }

  [[nodiscard]] std::uint32_t used_slots() const noexcept {
    const std::uint32_t stated = generation_.header().high_water.load(std::memory_order_acquire);
    return stated < slot_array().count() ? stated : slot_array().count();
  }

  /// One look at `count` of the `used` slots, from where the last look ended: all callers are served in turn. `used`
  /// was loaded once: if it grew between the count and the look, a slot could be left out that S3 has to see.
  TakenCall scan(std::uint32_t used, std::uint32_t count) noexcept {
    std::uint32_t index = cursor_.load(std::memory_order_relaxed);
    for (std::uint32_t looked = 0; looked < count; ++looked) {
      if (index >= used) index = 0;
      if (const TakenCall call = examine(index, Respect::order)) return found(index, call);
      ++index;
    }
    return {};
  }

  TakenCall found(std::uint32_t index, TakenCall call) noexcept {
    cursor_.store(index + 1, std::memory_order_relaxed);
    next_slot_.taken(call.index, before_in(*call.slot).is_in_flight());
    return call;
  }

  enum class Respect { order, nothing };

  /// Takes the call that waits in a slot, if one does; in order, or the one that goes before it.
  TakenCall examine(std::uint32_t index, Respect respect) noexcept {
    Slot& slot = slot_array()[index];
    SlotLock& lock = records_[index];
    if (const State seen = load_request(slot); !is_waiting(lock, seen)) {
      if (!lock_and_repair(index, seen)) return {};
    } else if (!lock.try_lock()) {
      return {};
    }
    SHARED_CHANNEL_TEST_POINT(server_locked_slot);
    // Each round takes a caller that withdraws, and one that does so at a stop posts again. More come only from a
    // client that is broken or hostile, which must not hold the worker, nor a stop.
    constexpr unsigned most_rounds = 1000;
    unsigned rounds = 0;
    Take outcome{};
    bool has_let_go = false;
    do {
      const State request = load_request(slot);  // T4, if it has let go
      if (respect == Respect::order) {
        if (before_in(slot).is_in_flight()) {
          if (has_let_go) tell_slot_freed();
          return take_first(index);
        }
        if (is_refusing()) break;
      }
      outcome = take(slot, lock, request);
      if (outcome == Take::taken) [[likely]]
        return {&slot, index, request.sequence()};
      has_let_go = has_let_go || outcome == Take::let_go;
    } while (outcome == Take::let_go && ++rounds < most_rounds);
    if (has_let_go) tell_slot_freed();
    lock.unlock();
    if (rounds == most_rounds) counters_.count_damaged();
    return {};
  }

  void repair_if_damaged(std::uint32_t index) noexcept {
    if (lock_and_repair(index, load_request(slot_array()[index]))) records_[index].unlock();
  }

  /// Repairs a slot that looks damaged, unless a worker has its lock. True: now we have it. A slot of correct peers
  /// looks damaged too, while a worker ends its call or lets go of it. By the time that we have the lock, a call may
  /// wait there, and a worker that met our lock has passed it over, perhaps in its last round of refusals. So a thread
  /// that takes calls must look for one before it gives the lock back.
  bool lock_and_repair(std::uint32_t index, State seen) noexcept {
    const Slot& slot = slot_array()[index];
    SlotLock& lock = records_[index];
    if (!looks_executing(slot, seen) && !has_lost_reply(slot, lock, seen)) return false;
    if (!lock.try_lock()) return false;
    repair(index, seen);
    return true;
  }

  /// The rest of examine() for a call with a place, in a slot that is locked. Goes to an earlier call, and back if that
  /// one was given up in the meantime: nobody else would look at the later one before all workers sleep.
  ///
  /// Places that contradict each other lead in circles, which must not hold the worker: then it takes the call that it
  /// is at. Those of correct peers lead to the first call in one step, or two if a slot changed under the look.
  TakenCall take_first(const std::uint32_t later) noexcept;

  /// O1 and O2: the slot of the first waiting call of this slot's thread; this slot is locked.
  [[nodiscard]] std::uint32_t first_of_thread(std::uint32_t index) const noexcept {
    const Before before = before_in(slot_array()[index]);
    const bool is_first = !before.may_follow_others() || (before.is_known() && before.index() < slot_array().count() &&
                                                          was_concluded(records_[before.index()], before));
    if (is_first) [[likely]]
      return index;
    std::uint32_t first = index;
    Place place = place_in(slot_array()[index]);
    const std::uint32_t used = used_slots();
    for (std::uint32_t other = 0; other < used; ++other) {
      if (other != first && goes_before(slot_array()[other], records_[other], slot_array()[first], place))
        first = other;
    }
    return first;
  }

  /// No call is to run that was made after stop() returned, nor one before which another was refused. Loaded after the
  /// request, and after O2, which may have seen that other one taken; a worker that turns away refuses the call before
  /// it leaves.
  [[nodiscard]] bool is_refusing() const noexcept { return refusing_.load(std::memory_order_seq_cst); }

  /// Ends the call of a slot that looked damaged and is locked now, if it still looks so.
  void repair(std::uint32_t index, State request) noexcept;

  bool publish_end(TakenCall call, Phase outcome) noexcept {
    SlotRecord& record = records_[call.index];
    const std::uint32_t before = record.concluded.load(std::memory_order_relaxed);
    const State request = load_request(*call.slot);
    const Finish owed = finish(*call.slot, record, call.sequence, outcome);
    // A worker's next look finds that call without a reply, and ends it as damaged.
    if (is_posted_over(call.sequence, request)) [[unlikely]]
      record.concluded.store(request.sequence(), std::memory_order_release);
    const bool is_abandoned = owed == Finish::tell_slot_freed && !may_post_again(*call.slot);
    counters_.count(record, outcome, is_abandoned, before, call.sequence);
    if (owed == Finish::wake) generation_.done(call.index).ring();
    if (owed == Finish::tell_slot_freed) tell_slot_freed();
    return owed != Finish::nothing;
  }

  Generation& generation_;
  UniquePtr<SlotRecord[]> records_;
  std::atomic<std::uint32_t> cursor_{0};  // where the next scan begins
  NextSlot next_slot_;
  Counters counters_;
  std::atomic<bool> refusing_{false};
};

template <class Platform>
void ServerSlots<Platform>::refuse_all() noexcept {
  refusing_.store(true, std::memory_order_seq_cst);
  for (std::uint32_t index = 0; index < slot_array().count(); ++index) {
    if (const TakenCall call = examine(index, Respect::nothing)) end_and_unlock(call, Phase::refused);
  }
}

template <class Platform>
ServerStats ServerSlots<Platform>::stats() const noexcept {
  ServerStats stats = counters_.rare();
  const std::uint32_t used = used_slots();
  for (std::uint32_t index = 0; index < used; ++index) {
    stats.done += records_[index].done.load(std::memory_order_relaxed);
    const SlotView slot = view(index);
    stats.running += slot.is_running ? 1 : 0;
    stats.waiting += slot.is_waiting ? 1 : 0;
    stats.withdrawn += slot.withdrawn;
  }
  stats.withdrawn = counters_.most_withdrawn(stats.withdrawn);
  return stats;
}

template <class Platform>
TakenCall ServerSlots<Platform>::take_first(const std::uint32_t later) noexcept {
  constexpr unsigned most_steps = 256, most_in_a_row = 8;
  std::uint32_t index = later;
  unsigned in_a_row = 0;
  for (unsigned steps = most_steps; steps > 0; --steps) {
    Slot& slot = slot_array()[index];
    const State request = load_request(slot);  // before O1, and T4 if it has let go
    std::uint32_t next = in_a_row++ < most_in_a_row ? first_of_thread(index) : index;
    if (next == index) {
      if (is_refusing()) break;
      const Take outcome = take(slot, records_[index], request);
      if (outcome == Take::taken) return {&slot, index, request.sequence()};
      if (outcome == Take::let_go) {
        tell_slot_freed();
        continue;
      }
      if (index == later) break;
      next = later;
      in_a_row = 0;
    }
    records_[index].unlock();
    std::atomic_thread_fence(std::memory_order_seq_cst);  // see order.hpp
    if (!records_[next].try_lock()) return {};
    index = next;
  }
  records_[index].unlock();
  return {};
}

template <class Platform>
void ServerSlots<Platform>::repair(std::uint32_t index, State request) noexcept {
  Slot& slot = slot_array()[index];
  const bool is_executing = looks_executing(slot, request);
  const bool has_lost = has_lost_reply(slot, records_[index], request);
  if (is_executing) let_go(slot, request.sequence());
  if (has_lost) publish_end({&slot, index, request.sequence()}, Phase::damaged);
  if (is_executing) tell_slot_freed();
  if (is_executing || has_lost) counters_.count_damaged();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
