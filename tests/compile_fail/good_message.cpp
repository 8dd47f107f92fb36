// COMPILES
#include <shared_channel/shared_channel.hpp>

struct Message {
  int value;
};

void use(shared_channel::SharedChannel<Message>::Server& server) {
  (void)server.start([](const Message& message) { return message; });
  (void)server.start([](Message message) { return message; });
  (void)server.start([](const Message& message, Message& reply) { reply = message; });
  (void)server.start([](Message& message) { ++message.value; });
}
