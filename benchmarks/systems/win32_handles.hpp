#pragma once

#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bench {

[[noreturn]] inline void fail(const char* what) {
  throw std::system_error(static_cast<int>(GetLastError()), std::system_category(), what);
}

class Handle {
 public:
  Handle(HANDLE handle, const char* what) : handle_(handle) {
    if (handle == nullptr || handle == INVALID_HANDLE_VALUE) fail(what);
  }
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (handle_ != nullptr) CloseHandle(handle_);
  }
  operator HANDLE() const { return handle_; }

 private:
  HANDLE handle_;
};

inline std::string object_name(std::string_view channel, const char* part) {
  return "Local\\" + std::string(channel) + part;
}

// Both sides may come first; either finds the other's event.
inline Handle auto_reset_event(std::string_view channel, const char* part) {
  return Handle(CreateEventA(nullptr, FALSE, FALSE, object_name(channel, part).c_str()), "CreateEvent");
}

}  // namespace bench
