// The server's side of the slots, with a lock for each: takes the calls that wait there and ends those it took. Never
// waits. slot_protocol.hpp has the argument.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Everything is thread-safe: the taker of a call has its slot's lock until leave().
template <class Platform>
class ServerSlots {
  using Generation = detail::Generation<Platform>;

 public:
  explicit ServerSlots(Generation& generation)
      : generation_(generation), locks_(UniquePtr<SlotLock[]>(generation.slot_array().count())) {}

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

  /// True if a posted call has no worker at its slot.
  [[nodiscard]] bool has_posted() const noexcept {
    const std::uint32_t used = used_slots();
    for (std::uint32_t index = 0; index < used; ++index) {
      if (!locks_[index].is_locked() && is_posted(index)) return true;
    }
    return false;
  }
  /// Whether a call waits in this slot, with or without a worker at it.
  [[nodiscard]] bool is_posted(std::uint32_t index) const noexcept {
    return is_waiting(locks_[index], load_request(slot_array()[index]));
  }

  /// Answers everything that was posted and not taken with "the server stopped".
  void refuse_all() noexcept {
    for (std::uint32_t index = 0; index < slot_array().count(); ++index) {
      if (const TakenCall call = examine(index)) leave(call, Phase::refused);
    }
  }

  /// Leaves the text that the caller's error will carry, cut to the room there is.
  Phase fail(TakenCall call, std::string_view text, std::uint32_t cause) noexcept {
    const std::size_t length = text.size() < text_capacity ? text.size() : text_capacity;
    Slot& slot = *call.slot;
    std::memcpy(slot.text, text.data(), length);
    slot.length.store(static_cast<std::uint32_t>(length), std::memory_order_relaxed);
    slot.cause.store(cause, std::memory_order_relaxed);
    return Phase::failed;
  }

  /// Ends the call and unlocks its slot.
  void leave(TakenCall call, Phase outcome) noexcept {
    conclude(call, outcome);
    SHARED_CHANNEL_TEST_POINT(server_unlocks_slot);
    locks_[call.index].unlock();
  }

  /// Whether the caller still waits for the answer.
  [[nodiscard]] bool is_wanted(TakenCall call) const noexcept {
    const Slot& slot = *call.slot;
    const bool is_answered = locks_[call.index].concluded.load(std::memory_order_relaxed) == call.sequence;
    return !is_answered && load_request(slot).is(Phase::posted, call.sequence) &&
           generation_.leases().is_held(slot.owner.load(std::memory_order_relaxed));
  }

  /// The caller that waits for a slot may look again.
  void tell_slot_freed() noexcept { generation_.slot_freed().tell(); }

  /// Slots found in a state that no correct peer leaves, and reset.
  [[nodiscard]] std::uint64_t damaged() const noexcept { return damaged_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] const SlotArray& slot_array() const noexcept { return generation_.slot_array(); }

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
      if (const TakenCall call = examine(index)) {
        cursor_.store(index + 1, std::memory_order_relaxed);
        return call;
      }
      ++index;
    }
    return {};
  }

  /// Takes the call that waits in a slot, if one does.
  TakenCall examine(std::uint32_t index) noexcept {
    Slot& slot = slot_array()[index];
    SlotLock& lock = locks_[index];
    if (const State seen = load_request(slot); !is_waiting(lock, seen)) {
      if (looks_executing(slot, seen) || has_lost_reply(slot, lock, seen)) repair(index, seen);
      return {};
    }
    if (!lock.try_lock()) return {};
    SHARED_CHANNEL_TEST_POINT(server_locked_slot);
    Take outcome{};
    bool has_let_go = false;
    do {
      const State request = load_request(slot);  // T4, if it has let go
      outcome = take(slot, lock, request);
      if (outcome == Take::taken) [[likely]]
        return {&slot, index, request.sequence()};
      has_let_go = has_let_go || outcome == Take::let_go;
    } while (outcome == Take::let_go);
    if (has_let_go) tell_slot_freed();
    lock.unlock();
    return {};
  }

  /// Ends the call of a slot that looks damaged, if no worker has its lock and it still looks so.
  void repair(std::uint32_t index, State request) noexcept {
    Slot& slot = slot_array()[index];
    SlotLock& lock = locks_[index];
    if (!lock.try_lock()) return;
    const bool is_executing = looks_executing(slot, request);
    const bool has_lost = has_lost_reply(slot, lock, request);
    if (is_executing) let_go(slot, request.sequence());
    if (has_lost) conclude({&slot, index, request.sequence()}, Phase::damaged);
    lock.unlock();
    if (is_executing) tell_slot_freed();
    if (is_executing || has_lost) damaged_.fetch_add(1, std::memory_order_relaxed);
  }

  void conclude(TakenCall call, Phase outcome) noexcept {
    switch (finish(*call.slot, locks_[call.index], call.sequence, outcome)) {
      case Finish::nothing:
        break;
      case Finish::wake:
        generation_.done(call.index).ring();
        break;
      case Finish::tell_slot_freed:
        tell_slot_freed();
        break;
    }
  }

  Generation& generation_;
  UniquePtr<SlotLock[]> locks_;
  std::atomic<std::uint32_t> cursor_{0};  // where the next scan begins
  std::atomic<std::uint64_t> damaged_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
