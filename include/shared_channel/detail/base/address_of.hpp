// The address of an object whose type may overload unary `&`: std::addressof without <memory> (compile time).
#pragma once

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class T>
T* address_of(T& object) noexcept {
  return reinterpret_cast<T*>(&const_cast<char&>(reinterpret_cast<const volatile char&>(object)));
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
