// What can be asked of a callable before it is called.
#pragma once

#include <cstddef>
#include <type_traits>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Whether a callable can be empty (function pointer, std::function), and is.
template <class Handler>
bool is_empty(const Handler& handler) noexcept {
  if constexpr (std::is_pointer_v<Handler> ||
                (std::is_constructible_v<Handler, std::nullptr_t> && std::is_constructible_v<bool, const Handler&>)) {
    return !static_cast<bool>(handler);
  } else {
    return false;
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
