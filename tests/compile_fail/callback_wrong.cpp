// EXPECT: must be callable as done.Result<Reply>
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<int>::Client& client) {
  (void)client.call_async(1, std::chrono::seconds(1), [](const char*) {});
}
