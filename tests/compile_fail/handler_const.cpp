// EXPECT: a handler must be callable as Reply.const Request&
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<int>::Server& server) {
  const auto handler = [calls = 0](const int& request) mutable { return request + ++calls; };
  (void)server.serve(handler);
}
