// Waiting without the kernel.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bench {

inline void pause() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Condition>
void spin_until(Condition&& condition) noexcept {
  while (!condition()) pause();
}

}  // namespace bench
