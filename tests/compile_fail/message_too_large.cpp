// EXPECT: a message type must not exceed 1 GiB
#include <shared_channel/shared_channel.hpp>

struct Message {
  char bytes[(1 << 30) + 1];
};

void use() { (void)shared_channel::SharedChannel<Message>::Client::create("name"); }
