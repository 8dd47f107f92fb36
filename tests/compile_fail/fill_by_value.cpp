// EXPECT: fill must be callable as fill.Request&
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<int>::Client& client) {
  (void)client.call_in_place([](int request) { request = 1; }, [](const int&) {});
}
