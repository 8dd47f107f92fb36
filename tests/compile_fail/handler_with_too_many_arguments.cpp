// EXPECT: a handler must be callable as Reply
#include <shared_channel/shared_channel.hpp>

#include <chrono>

void use(shared_channel::SharedChannel<int>::Server& server) {
  (void)server.serve_one([](const int&, int&, int&) {}, std::chrono::seconds(1));
}
