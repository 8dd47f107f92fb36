// EXPECT: a handler must be callable as Reply.const Request&
#include <shared_channel/shared_channel.hpp>

struct Ask {
  [[nodiscard]] int sum() const { return a + b; }
  int a, b;
};

void use(shared_channel::SharedChannel<Ask, int>::Server& server) { (void)server.start(&Ask::sum); }
