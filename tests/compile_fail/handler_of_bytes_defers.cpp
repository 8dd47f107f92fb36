// EXPECT: for Bytes as std::size_t
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<shared_channel::Bytes>::Server& server) {
  (void)server.start([](std::span<const std::byte>, shared_channel::Responder<shared_channel::Bytes>) {});
}
