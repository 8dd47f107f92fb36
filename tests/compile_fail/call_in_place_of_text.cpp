// EXPECT: call_in_place is for messages of fixed size, and for Bytes
#include <shared_channel/shared_channel.hpp>

#include <string>

void use(shared_channel::SharedChannel<std::string>::Client& client) {
  (void)client.call_in_place([](std::string&) {}, [](const std::string&) {});
}
