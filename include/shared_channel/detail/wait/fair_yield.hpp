// Yielding the core for the sake of others that want it.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/wait/spin.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// How often a thread yields for the others' sake. Intervals are counted in calls.
struct YieldTerms {
  std::uint32_t shortest;        // the interval where others of ours want the core
  nanoseconds strangers_slice;   // a yield that took longer went to a stranger, for a time slice
  std::uint32_t growth;          // the interval becomes so many times as long after that
  std::uint32_t longest;         // and at most so long
  std::uint32_t crowds_longest;  // in a crowd, where it may have gone to others of ours: they are to have turns too
};
inline constexpr YieldTerms server_yields{32, std::chrono::microseconds(200), 128, 4096, 4096};
inline constexpr YieldTerms caller_yields{128, std::chrono::milliseconds(1), 2, 65536, 512};

/// A thread that always finds at once what it waits for never lets others have its core. Callers on the core of a busy
/// server would get one reply per time slice while others get thousands; callers beside one that the server answers at
/// once would wait for a slice. So such threads yield the core every so many calls, and more rarely where nobody wants
/// it, or a stranger does. Threads may share one.
template <class Time>
class BasicFairYield {
 public:
  BasicFairYield(WaitPolicy policy, const YieldTerms& terms) noexcept
      : terms_(terms), is_due_at_all_(policy.spin != (nanoseconds::max)()), interval_(terms.shortest) {}

  void after_call() noexcept {
    after_call([] { return false; });
  }
  /// `is_crowded` says whether others have many calls in flight; asked where a yield took long.
  template <class Crowded>
  void after_call(Crowded&& is_crowded) noexcept {
    const std::uint32_t calls = calls_.load(std::memory_order_relaxed) + 1;
    calls_.store(calls, std::memory_order_relaxed);
    if (calls >= interval_.load(std::memory_order_relaxed)) [[unlikely]]
      yield(is_crowded);
  }

 private:
  static constexpr std::uint32_t longest = 4096;  // where nobody wants the core

  template <class Crowded>
  void yield(Crowded& is_crowded) noexcept {
    calls_.store(0, std::memory_order_relaxed);
    if (!is_due_at_all_) return;
    const Clock::time_point before = Time::now();
    Time::yield();
    interval_.store(interval_after(Time::now() - before, is_crowded), std::memory_order_relaxed);
  }

  template <class Crowded>
  [[nodiscard]] std::uint32_t interval_after(nanoseconds away, Crowded& is_crowded) const noexcept {
    const std::uint32_t interval = interval_.load(std::memory_order_relaxed);
    if (away > terms_.strangers_slice)
      return up_to(is_crowded() ? terms_.crowds_longest : terms_.longest, interval * terms_.growth);
    return away > brief_spin ? terms_.shortest : up_to(longest, interval * 2);
  }
  static std::uint32_t up_to(std::uint32_t most, std::uint32_t interval) noexcept {
    return interval < most ? interval : most;
  }

  const YieldTerms terms_;
  const bool is_due_at_all_;
  std::atomic<std::uint32_t> interval_;
  std::atomic<std::uint32_t> calls_{0};
};
using FairYield = BasicFairYield<SpinTime>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
