// EXPECT: a message type must not be a reference
#include <shared_channel/shared_channel.hpp>

void use() { (void)shared_channel::SharedChannel<int&>::Client::create("name"); }
