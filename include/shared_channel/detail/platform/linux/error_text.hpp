// errno in words.
#pragma once

#include <string>
#include <system_error>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

inline std::string message_of(int native) { return std::system_category().message(native); }

inline int native_of(const std::error_code& code) noexcept { return code.value(); }

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
