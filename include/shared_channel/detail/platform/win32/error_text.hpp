// GetLastError() in words. Not by std::system_category(): its text is in the ANSI code page, and some libraries take
// the number for an errno.
#pragma once

#include <string>
#include <system_error>

#include <shared_channel/detail/platform/win32/windows.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

inline std::string message_of(int native) {
  wchar_t wide[512];
  DWORD length = ::FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr,
                                  static_cast<DWORD>(native), 0, wide, static_cast<DWORD>(std::size(wide)), nullptr);
  while (length > 0 && (wide[length - 1] <= L' ' || wide[length - 1] == L'.')) --length;  // "\r\n", and its full stop
  char text[3 * std::size(wide)];  // UTF-8 has at most three bytes for each unit of UTF-16
  const int bytes = length == 0 ? 0
                                : ::WideCharToMultiByte(CP_UTF8, 0, wide, static_cast<int>(length), text,
                                                        static_cast<int>(sizeof text), nullptr, nullptr);
  return bytes > 0 ? std::string(text, static_cast<std::size_t>(bytes)) : std::string("unknown");
}

inline int native_of(const std::error_code& code) noexcept {
  if (code.category() == std::system_category()) return code.value();
  if (code == std::errc::resource_unavailable_try_again) return ERROR_MAX_THRDS_REACHED;
  if (code == std::errc::not_enough_memory) return ERROR_NOT_ENOUGH_MEMORY;
  return 0;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
