// What spinning is made of.
#pragma once

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <emmintrin.h>
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM))
#include <intrin.h>
#endif

#include <thread>

#include <shared_channel/detail/base/deadline.hpp>
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

/// The clock and the yield of a thread that waits. Tests have others.
struct SpinTime {
  static Clock::time_point now() noexcept { return Clock::now(); }
  static void yield() noexcept { std::this_thread::yield(); }
};

/// Reading the clock takes twenty nanoseconds, a poll a few: the clock is read only every so many polls.
inline constexpr unsigned polls_per_clock = 64;

/// About what a brief spin takes. A yield that took longer let another thread run.
inline constexpr nanoseconds brief_spin = std::chrono::microseconds(2);

/// Polls `ready` for `brief_spin` or so. True if ready.
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

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
