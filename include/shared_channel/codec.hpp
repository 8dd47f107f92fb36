// How values of variable length become bytes and back.
//
// Specialise Codec<T> for a type of your own (a Protocol Buffers message, say):
//
//     template <> struct shared_channel::Codec<Mine> {
//       static std::size_t size(const Mine&);                        // bytes that encode() will write
//       static void encode(const Mine&, std::span<std::byte>);       // exactly that many
//       static std::optional<Mine> decode(std::span<const std::byte>);  // nullopt if malformed
//     };
//
// Built in, and composing with each other: trivially copyable types, std::string, std::vector, std::array,
// std::pair, std::tuple, std::optional, std::variant, and aggregates of up to 8 members of these (std::array for
// arrays, no base classes, no references). A type may contain itself through a vector; a value may have parts within
// parts 200 deep, of which those of one type within each other may take 64 KiB (sizeof).
//
// Format. A trivially copyable value is its bytes; it is flat. A string or vector of flat values is their bytes; its
// length is the frame's. In anything composed, each part that is not flat is preceded by its length (32 bits, the
// machine's byte order). An optional is one byte, 0 or 1, and the value; a variant its index (32 bits) and the value.
// Vectors of other things are their parts one after another.
//
// Optionals and variants are never flat: a decoder must see their tags, because a tag that is out of range would be
// undefined behaviour in std::visit. Inside a trivially copyable struct nobody can see them, nor its enums and
// bools: what a hostile peer put there reaches the handler.
#pragma once

#include <shared_channel/detail/message/builtin_codecs.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// The codec of a message type: specialise it for your own, or use what is built in.
template <class T>
struct Codec : detail::BuiltinCodec<T> {};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
