// EXPECT: could not convert|cannot convert|no viable conversion|no known conversion|no matching
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<int>::Client& client) {
  (void)client.call(1, std::chrono::duration<double>(0.5));
}
