// EXPECT: fill must be callable as std::size_t fill.std::span<std::byte>.
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<shared_channel::Bytes>::Client& client) {
  (void)client.call_in_place([](std::span<std::byte>) {}, [](std::span<const std::byte>) {});
}
