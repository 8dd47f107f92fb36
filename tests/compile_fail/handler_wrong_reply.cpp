// EXPECT: a handler must be callable as Reply
#include <shared_channel/shared_channel.hpp>

#include <string>

void use(shared_channel::SharedChannel<int>::Server& server) {
  (void)server.start([](const int&) { return std::string(); });
}
