// EXPECT: a message type must not be const or volatile
#include <shared_channel/shared_channel.hpp>

void use() { (void)shared_channel::SharedChannel<int, volatile int>::Server::create("name"); }
