// The two ends of a channel, named by the messages that travel on it.
#pragma once

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// A named channel on one machine: one server process answers a Request with a Reply, any number of client processes
/// ask. With one type, that type travels both ways.
///
/// A message is a trivially copyable type of 1 byte to 1 GiB, aligned to at most 4096, or any type that has a Codec
/// (codec.hpp), of up to ServerOptions::max_request_bytes and max_reply_bytes. A trivially copyable one must not hold
/// pointers (which cannot be checked here), and must be laid out alike in every program that uses the channel:
/// fixed-width integers make that true across 32 and 64 bits. At attach the descriptions of the types are compared
/// (description.hpp), to which `static constexpr std::string_view schema` in a type adds a name.
template <class Request, class Reply = Request>
class SharedChannel {
 public:
  class Server;  // server.hpp
  class Client;  // client.hpp
};

/// Names a channel of plain bytes: SharedChannel<Bytes>. Its clients use call_in_place with
/// `std::size_t fill(std::span<std::byte>)`, which returns how many bytes it wrote, and `read(std::span<const
/// std::byte>)`; its handlers are `std::size_t(std::span<const std::byte> request, std::span<std::byte> reply)`. The
/// spans that are written lie in shared memory: up to ServerOptions::max_request_bytes and max_reply_bytes. Those that
/// are read do if they have more than 4096 bytes; shorter ones are private copies.
struct Bytes;

class RawClient;  // raw_client.hpp
class RawServer;  // raw_server.hpp

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
