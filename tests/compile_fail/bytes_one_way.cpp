// EXPECT: Bytes goes both ways or neither
#include <shared_channel/shared_channel.hpp>

void use() { (void)shared_channel::SharedChannel<shared_channel::Bytes, int>::Client::create("name"); }
