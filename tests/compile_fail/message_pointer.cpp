// EXPECT: a message type must not be a pointer
#include <shared_channel/shared_channel.hpp>

void use() { (void)shared_channel::SharedChannel<int*>::Client::create("name"); }
