// EXPECT: a message type must be an object type|cannot form a reference to 'void'|forming reference to void
#include <shared_channel/shared_channel.hpp>

void use() { (void)shared_channel::SharedChannel<int, void>::Server::create("name"); }
