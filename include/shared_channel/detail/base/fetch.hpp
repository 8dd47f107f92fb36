// Asking for a cache line before it is needed, so that several lines move between the cores at the same time.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_IX86))
#include <intrin.h>
#endif

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Begins to fetch the line with the right to write there, and does not wait for it. Where there is no instruction for
/// that, nothing happens.
inline void fetch_for_writing([[maybe_unused]] const void* line) noexcept {
#if defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_IX86))
  _m_prefetchw(line);
#elif defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#elif defined(__aarch64__)
  asm volatile("prfm pstl1keep, %0" : : "Q"(*static_cast<const char*>(line)));
#endif
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
