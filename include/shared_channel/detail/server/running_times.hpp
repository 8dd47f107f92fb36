// How long the calls in a server's slots have been running. Reading the clock for each of them would cost a tenth of a
// short call. So a call began when its caller states, or else when somebody first asked.
#pragma once

#include <cstdint>
#include <mutex>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Thread-safe.
class RunningTimes {
 public:
  /// Of the calls that run now, the one that has done so for longest. `count` slots there are in all.
  template <class Slots>
  nanoseconds longest(const Slots& server_slots, std::uint32_t count) {
    const std::lock_guard lock(mutex_);
    if (seen_.get() == nullptr) seen_ = UniquePtr<Seen[]>(count);
    const Clock::time_point now = Clock::now();
    Clock::time_point first = now;
    server_slots.for_each_running([&](std::uint32_t index, std::uint32_t sequence, Clock::time_point stated) {
      Seen& seen = seen_[index];
      if (!seen.is_any || seen.sequence != sequence) seen = {true, sequence, now};
      if (seen.at < first) first = seen.at;
      if (stated >= began_ && stated < first) first = stated;  // what cannot be is not believed
    });
    return now - first;
  }

 private:
  struct Seen {
    bool is_any = false;
    std::uint32_t sequence = 0;
    Clock::time_point at{};
  };

  const Clock::time_point began_ = Clock::now();
  std::mutex mutex_;
  UniquePtr<Seen[]> seen_;  // one per slot, since somebody first asked
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
