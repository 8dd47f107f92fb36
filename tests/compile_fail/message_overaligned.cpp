// EXPECT: a message type must not be aligned to more than a page
#include <shared_channel/shared_channel.hpp>

struct alignas(8192) Message {
  int value;
};

void use() { (void)shared_channel::SharedChannel<Message>::Client::create("name"); }
