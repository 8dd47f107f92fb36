// Tells the processor that this is a spin loop: it saves power, and the other side's store arrives sooner.
#pragma once

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace shared_channel::detail {

// GCC and Clang know the instruction without <emmintrin.h>, which costs more to include than all the rest of the protocol.
inline void pause() noexcept {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(_MSC_VER)
  __yield();
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

}  // namespace shared_channel::detail
