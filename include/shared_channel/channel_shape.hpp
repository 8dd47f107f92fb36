// What travels on a channel, as a value that is known at run time.
#pragma once

#include <cstdint>
#include <string>

#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// One of the two messages of a channel. As it is made: any bytes, up to 64 KiB.
struct MessageShape {
  /// Bytes: exactly so many, or of a message that varies in length at most so many. 1 to max_message_bytes.
  std::uint32_t size = 64 * 1024;
  /// A power of two, 1 to 4096. Without meaning for a message that varies in length: 16.
  std::uint32_t align = 16;
  bool is_variable = true;
  /// The type in the words of description.hpp, e.g. `{i32 f64[3]}`. Empty, of a server: `bytes`, or
  /// `opaque(size,align)`. Empty, of a client: whatever the server says.
  std::string description = {};

  friend bool operator==(const MessageShape&, const MessageShape&) = default;
};

/// What a RawServer is given, and what a RawClient finds or insists on.
struct ChannelShape {
  MessageShape request = {};
  MessageShape reply = {};

  friend bool operator==(const ChannelShape&, const ChannelShape&) = default;
};

namespace detail {

/// For the user, of what a program was compiled for or a server says.
inline ChannelShape channel_shape(const Contract& contract) {
  const Shape& shape = contract.shape;
  return {{shape.request_size, shape.request_align, has_variable_request(shape.framing), contract.request},
          {shape.reply_size, shape.reply_align, has_variable_reply(shape.framing), contract.reply}};
}

}  // namespace detail

/// The shape of a typed channel. Of a message that varies in length `size` is 0: how long it may get is the server's
/// to say.
template <class Request, class Reply = Request>
ChannelShape channel_shape_of() {
  return detail::channel_shape(detail::contract_of<Request, Reply>());
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
