// A program's own loop over the native handles of servers.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

#ifdef _WIN32
#include "windows.hpp"
#else
#include <poll.h>
#endif

namespace test_support {

#ifdef _WIN32
using LoopHandle = void*;
inline constexpr std::chrono::milliseconds no_end{-1};

// Whether one of them is signalled within the time.
template <std::size_t count>
bool any_signalled(const std::array<LoopHandle, count>& handles, std::chrono::milliseconds time) {
  const DWORD limit = time == no_end ? INFINITE : static_cast<DWORD>(time.count());
  return ::MsgWaitForMultipleObjects(static_cast<DWORD>(count), handles.data(), FALSE, limit, QS_ALLINPUT) < count;
}
#else
using LoopHandle = int;
inline constexpr std::chrono::milliseconds no_end{-1};

template <std::size_t count>
bool any_signalled(const std::array<LoopHandle, count>& handles, std::chrono::milliseconds time) {
  std::array<pollfd, count> entries{};
  for (std::size_t i = 0; i < count; ++i) entries[i] = {handles[i], POLLIN, 0};
  return ::poll(entries.data(), static_cast<nfds_t>(count), static_cast<int>(time.count())) > 0;
}
#endif

}  // namespace test_support
