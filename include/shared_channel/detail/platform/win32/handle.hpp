// Kernel handles.
#pragma once

#include <utility>

#include <shared_channel/detail/platform/win32/windows.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Owns a kernel handle. Null: none.
class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE value) noexcept : value_(value) {}
  Handle(Handle&& other) noexcept
      : value_(std::exchange(other.value_, nullptr)), is_kept_(std::exchange(other.is_kept_, false)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(value_, other.value_);
    std::swap(is_kept_, other.is_kept_);
    return *this;
  }
  ~Handle() {
    if (value_ == nullptr) return;
    if (is_kept_) ::SetHandleInformation(value_, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    ::CloseHandle(value_);
  }

  /// Protects the handle from a CloseHandle that is not ours. A promise rests on every handle that an object of these
  /// files keeps: closed by a stray CloseHandle of the program, a lease would be free and its slot another client's.
  /// Leaves GetLastError() alone.
  [[nodiscard]] Handle kept() && noexcept {
    const DWORD error = ::GetLastError();
    is_kept_ = value_ != nullptr &&
               ::SetHandleInformation(value_, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE) != 0;
    ::SetLastError(error);
    return std::move(*this);
  }

  [[nodiscard]] HANDLE get() const noexcept { return value_; }
  explicit operator bool() const noexcept { return value_ != nullptr; }

 private:
  HANDLE value_ = nullptr;
  bool is_kept_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
