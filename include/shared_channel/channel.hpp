// The two ends of a channel, named by the messages that travel on it.
#pragma once

namespace shared_channel {

/// A named channel on one machine: one server process answers a Request with a Reply, any number of client
/// processes ask. With one type it is the recipe's struct that goes in and comes out.
///
/// Messages are trivially copyable types of 1 byte to 1 GiB, aligned to at most 4096. They must not hold
/// pointers (which cannot be checked here), and must be laid out alike in every program that uses the
/// channel: fixed-width integers make that true across 32 and 64 bits. A `static constexpr std::uint64_t
/// schema_id` in the type is compared too, where given.
template <class Request, class Reply = Request>
class SharedChannel {
 public:
  class Server;  // server.hpp
  class Client;  // client.hpp
};

}  // namespace shared_channel
