// EXPECT: read must be callable as read.const Reply&
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<int>::Client& client) {
  (void)client.call_in_place([](int& value) { value = 1; }, [](const char*) {});
}
