// EXPECT: a handler must be callable as Reply.const Request&
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<int>::Server& server) {
  (void)server.start([](const int&, const int&) {});
}
