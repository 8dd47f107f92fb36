// The time, as finely and cheaply as the processor tells it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace bench {

// The processor's own counter: the same in every process and cheaper than any call. One tick is well below a
// nanosecond, but a virtual machine may advance it in steps (10 ns is common), hence the batches in measure.hpp.
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

inline double seconds_now() noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Clock {
  double ns_per_tick = 1;
  double cost_ns = 0;  // of one reading
  double step_ns = 0;  // smallest difference seen

  static Clock calibrate() {
    Clock clock;
    const double started = seconds_now();
    const std::uint64_t first = ticks();
    while (seconds_now() - started < 0.05) {
    }
    clock.ns_per_tick = (seconds_now() - started) * 1e9 / static_cast<double>(ticks() - first);

    constexpr unsigned readings = 20000;
    std::uint64_t step = ~std::uint64_t{0};
    const std::uint64_t begin = ticks();
    std::uint64_t previous = begin;
    for (unsigned i = 0; i < readings; ++i) {
      const std::uint64_t now = ticks();
      if (now > previous + 1) step = std::min(step, now - previous);
      previous = now;
    }
    clock.cost_ns = static_cast<double>(previous - begin) / readings * clock.ns_per_tick;
    clock.step_ns = static_cast<double>(step) * clock.ns_per_tick;
    return clock;
  }

  std::uint64_t to_ticks(double seconds) const { return static_cast<std::uint64_t>(seconds * 1e9 / ns_per_tick); }
  double to_ns(double count) const { return count * ns_per_tick; }
};

}  // namespace bench
