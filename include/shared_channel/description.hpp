// The description of a type: a text that is the same from every compiler and for every word size, such as
// `{i32 f64[3] string}`.
//
//     bool char i8 u8 i16 u16 i32 u32 i64 u64 f32 f64   scalars; an enumeration is its underlying type
//     T[n]                     std::array and C arrays
//     {A B ...}                aggregates: trivially copyable ones lie in messages as in memory, others travel in parts
//     (A B ...)                std::pair and std::tuple, which travel in parts; so do aggregates of trivially copyable
//                              members that are none themselves, as they have a destructor
//     string  vector<T>  optional<T>  variant<A B ...>  bytes
//     opaque(size,align)       what cannot be taken apart: private members, base classes, unions, more than 32 members,
//                              and what does not lie by natural alignment: bit-fields, packed and spread-out members
//     opaque                   a type with a Codec of its own, where it travels as a part
//     ^n                       the type that encloses this place n levels further out: a type that contains itself
//     ...#name                 followed by the type's `static constexpr std::string_view schema`
#pragma once

#include <string_view>

#include <shared_channel/detail/message/describe.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// The description of a message type, made at compile time.
template <class T>
constexpr std::string_view description_of() noexcept {
  return {detail::description<T>.data(), detail::description<T>.size()};
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
