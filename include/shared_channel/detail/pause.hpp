// Tells the processor that this is a spin loop: it saves power, and the other side's store arrives sooner.
#pragma once

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#include <emmintrin.h>
#elif defined(_M_ARM64) || defined(_M_ARM)
#include <intrin.h>
#endif

namespace shared_channel::detail {

inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
  _mm_pause();
#elif defined(_M_ARM64) || defined(_M_ARM)
  __yield();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

}  // namespace shared_channel::detail
