// When a call was made, and for how long its caller waits: as the caller says it, in the slot.
#pragma once

#include <cstdint>
#include <limits>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Another process's words, which are not trusted.
struct StatedTimes {
  static constexpr std::int64_t never = (std::numeric_limits<std::int64_t>::max)();

  explicit StatedTimes(const Slot& slot) noexcept
      : deadline(static_cast<std::int64_t>(slot.deadline.load(std::memory_order_relaxed))),
        timeout(static_cast<std::int64_t>(slot.timeout.load(std::memory_order_relaxed))) {}

  /// Whether they tell when the call was made: both are known, finite, and can be.
  [[nodiscard]] bool are_whole() const noexcept {
    return deadline > 0 && deadline != never && timeout >= 0 && timeout <= deadline;
  }
  /// Zero if they do not.
  [[nodiscard]] Clock::time_point made_at() const noexcept {
    return are_whole() ? Clock::time_point(nanoseconds(deadline - timeout)) : Clock::time_point{};
  }

  /// When the caller stops waiting, for the call's handler. A deadline not yet stated belongs to a call that was posted
  /// this instant. None is later than the timeout from now on. No client states a negative one; it becomes 0, because
  /// subtracting the clock from it could overflow.
  [[nodiscard]] Clock::time_point deadline_by_now() const noexcept {
    const Clock::time_point latest = Deadline(nanoseconds(timeout)).at();
    const Clock::time_point stated(nanoseconds(deadline > 0 ? deadline : 0));
    return deadline == 0 || stated > latest ? latest : stated;
  }

  std::int64_t deadline;  // in ns of the caller's steady clock; 0: not yet known
  std::int64_t timeout;   // in ns
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
