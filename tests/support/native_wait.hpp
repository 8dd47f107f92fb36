// Waiting for the native handle of a call, as a program's own loop does.
#pragma once

#include <chrono>

#ifdef _WIN32
#include "windows.hpp"
#else
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>
#endif

namespace test_support {

// Whether a PendingCall's native handle is signalled within the time.
#ifdef _WIN32
inline bool is_signalled(void* handle, std::chrono::milliseconds time) {
  return ::WaitForSingleObject(handle, static_cast<DWORD>(time.count())) == WAIT_OBJECT_0;
}
// As a loop with windows waits.
inline bool ends_event_loop(void* handle, std::chrono::milliseconds time) {
  return ::MsgWaitForMultipleObjects(1, &handle, FALSE, static_cast<DWORD>(time.count()), QS_ALLINPUT) == WAIT_OBJECT_0;
}
#else
inline bool is_signalled(int handle, std::chrono::milliseconds time) {
  pollfd entry{handle, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(time.count())) == 1 && (entry.revents & POLLIN) != 0;
}
// As a loop over many descriptors waits.
inline bool ends_event_loop(int handle, std::chrono::milliseconds time) {
  const int loop = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  const bool ended = ::epoll_ctl(loop, EPOLL_CTL_ADD, handle, &event) == 0 &&
                     ::epoll_wait(loop, &event, 1, static_cast<int>(time.count())) == 1;
  ::close(loop);
  return ended;
}
#endif

}  // namespace test_support
