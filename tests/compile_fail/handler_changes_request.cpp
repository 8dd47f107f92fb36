// EXPECT: a handler must be callable as Reply
#include <shared_channel/shared_channel.hpp>

#include <stop_token>

void use(shared_channel::SharedChannel<int>::Server& server) {
  (void)server.serve([](int& value) { return value; }, std::stop_token());
}
