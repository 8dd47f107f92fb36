// Spinning before sleeping, as long as it pays.
#pragma once

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <emmintrin.h>
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM))
#include <intrin.h>
#endif

#include <atomic>
#include <cstdint>
#include <thread>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Tells the processor that this is a spin loop: it saves power, and the other side's store arrives sooner.
inline void pause() noexcept {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM))
  __yield();
#elif defined(__x86_64__) || defined(__i386__)
  asm volatile("pause");
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

/// Reading the clock takes twenty nanoseconds, a poll a few: the clock is read only every so many polls.
inline constexpr unsigned polls_per_clock = 64;

/// Polls `ready` for two microseconds or so. True if ready.
template <class Ready>
bool spin_briefly(Ready&& ready) noexcept {
  for (unsigned poll = 0; poll < polls_per_clock; ++poll) {
    if (ready()) return true;
    pause();
  }
  return false;
}

/// Polls `ready` until it is true, or `budget` or the deadline has passed, but briefly at least. True if ready.
template <class Ready>
bool spin(Ready&& ready, nanoseconds budget, Deadline& deadline) noexcept {
  const Clock::time_point limit = deadline.within(budget).at();
  do {
    if (spin_briefly(ready)) return true;
  } while (Clock::now() < limit);
  return ready();
}

/// Learns when to look first. A look takes the cache line away from the peer that is about to write there, so a first
/// look that comes too early costs more than one that comes late. The first look therefore waits as long as recent
/// answers took: a bit less after each answer that was there, clearly more after each that came soon after the look.
/// The time is counted in iterations of an empty loop, which need no clock; how long one takes does not matter. Threads
/// may share one.
class FirstLook {
 public:
  /// Waits, looks once, and learns from success. After failure comes arrived_late() or did_not_arrive().
  template <class Ready>
  bool succeeds(Ready&& ready) noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed);
    for (std::uint32_t iteration = 0; iteration < iterations; ++iteration)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!ready()) return false;
    if (iterations > 0) iterations_.store(iterations - 1, std::memory_order_relaxed);
    return true;
  }

  void arrived_late() noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed) + later;
    iterations_.store(iterations < most ? iterations : most, std::memory_order_relaxed);
  }

  /// The peer has something else to do.
  void did_not_arrive() noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed);
    if (iterations > 0) iterations_.store(iterations / 2, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t later = 8;
  static constexpr std::uint32_t most = 1000;  // a quarter of a microsecond or so

  std::atomic<std::uint32_t> iterations_{0};
};

/// How often a thread yields for the others' sake, in calls.
struct YieldTerms {
  std::uint32_t shortest;      // between two yields, where others want the core
  nanoseconds strangers_turn;  // a yield that takes longer was a stranger's time slice
  std::uint32_t growth;        // of the interval after such a one
  std::uint32_t longest;       // then
};
inline constexpr YieldTerms server_yields{32, std::chrono::microseconds(200), 128, 4096};
inline constexpr YieldTerms caller_yields{128, std::chrono::milliseconds(1), 2, 65536};

/// Who always finds what it waits for at once never lets others have its core: a busy server, whose callers on that
/// core would get one answer per time slice while others get thousands; a caller that the server answers at once, while
/// callers beside it wait for their turn. So every so many calls they yield the core, and more rarely where nobody
/// wants it, or a stranger does. Threads may share one.
class FairYield {
 public:
  FairYield(WaitPolicy policy, const YieldTerms& terms) noexcept
      : terms_(terms), is_due_at_all_(policy.spin != (nanoseconds::max)()), interval_(terms.shortest) {}

  void after_call() noexcept {
    const std::uint32_t calls = calls_.load(std::memory_order_relaxed) + 1;
    calls_.store(calls, std::memory_order_relaxed);
    if (calls >= interval_.load(std::memory_order_relaxed)) [[unlikely]]
      yield();
  }

 private:
  static constexpr std::uint32_t longest = 4096;                          // where nobody wants the core
  static constexpr nanoseconds switching = std::chrono::microseconds(2);  // to another thread and back takes longer

  void yield() noexcept {
    calls_.store(0, std::memory_order_relaxed);
    if (!is_due_at_all_) return;
    const Clock::time_point before = Clock::now();
    std::this_thread::yield();
    interval_.store(interval_after(Clock::now() - before), std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint32_t interval_after(nanoseconds away) const noexcept {
    const std::uint32_t interval = interval_.load(std::memory_order_relaxed);
    if (away > terms_.strangers_turn) return up_to(terms_.longest, interval * terms_.growth);
    return away > switching ? terms_.shortest : up_to(longest, interval * 2);
  }
  static std::uint32_t up_to(std::uint32_t most, std::uint32_t interval) noexcept {
    return interval < most ? interval : most;
  }

  const YieldTerms terms_;
  const bool is_due_at_all_;
  std::atomic<std::uint32_t> interval_;
  std::atomic<std::uint32_t> calls_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
