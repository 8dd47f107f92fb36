// Tells the processor that this is a spin loop: it saves power, and the other side's store arrives sooner.
#pragma once

#if defined(_M_X64) || defined(_M_IX86)
#include <emmintrin.h>
#elif defined(_M_ARM64) || defined(_M_ARM)
#include <intrin.h>
#endif

namespace shared_channel::detail {

// By its name where the compiler takes one: <emmintrin.h> costs more to include than protocol.hpp.
inline void pause() noexcept {
#if defined(_M_X64) || defined(_M_IX86)
  _mm_pause();
#elif defined(_M_ARM64) || defined(_M_ARM)
  __yield();
#elif defined(__x86_64__) || defined(__i386__)
  asm volatile("pause");
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

}  // namespace shared_channel::detail
