// An object's address, whatever its type makes of unary `&`: std::addressof without <memory> (compile time).
#pragma once

namespace shared_channel::detail {

template <class T>
T* address_of(T& object) noexcept {
  return reinterpret_cast<T*>(&const_cast<char&>(reinterpret_cast<const volatile char&>(object)));
}

}  // namespace shared_channel::detail
