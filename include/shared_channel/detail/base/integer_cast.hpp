// A cast between integer types that are the same type on some systems: static_cast would be warned of as useless there.
#pragma once

#include <concepts>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <std::integral To, std::integral From>
constexpr To integer_cast(From value) noexcept {
  if constexpr (std::same_as<To, From>) {
    return value;
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
