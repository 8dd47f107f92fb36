// When a busy thread of a server reads the clock: the upkeep is due by time.
#pragma once

#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/server/upkeep.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Decides after which calls a busy thread reads the clock. Such a thread never wakes from sleep, so nothing else
/// reminds it of the upkeep; reading the clock after every short call costs too much. Belongs to one thread at a time.
class ClockLooks {
 public:
  /// To be asked after each call. `may_have_taken_long`: there is a sign that it has.
  [[nodiscard]] bool are_due(bool may_have_taken_long) noexcept { return ++calls_ >= apart_ || may_have_taken_long; }

  /// Where there was no sign (a caller that never sleeps, an answer that is given later), the time between two looks
  /// tells that calls have become long, or short again.
  void looked(Clock::time_point now) noexcept {
    const Clock::duration passed = now - last_;
    if (passed > Upkeep::interval)
      apart_ = 1;
    else if (passed < Upkeep::interval / 2 && apart_ < most_apart)
      apart_ *= 2;
    calls_ = 0;
    last_ = now;
  }

 private:
  static constexpr std::uint32_t most_apart = 64;

  std::uint32_t calls_ = 0;  // since the last look
  std::uint32_t apart_ = 1;
  Clock::time_point last_{};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
