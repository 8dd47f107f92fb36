// EXPECT: put arrays into a struct
#include <shared_channel/shared_channel.hpp>

void use() { (void)shared_channel::SharedChannel<int[4]>::Client::create("name"); }
