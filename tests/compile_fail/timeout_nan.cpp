// EXPECT: could not convert|cannot convert|no viable conversion|no known conversion|no matching
#include <shared_channel/shared_channel.hpp>

#include <limits>

void use(shared_channel::SharedChannel<int>::Client& client) {
  (void)client.wait_for_server(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
}
