// EXPECT: a message type must have at least one byte|zero-sized array|C2466|C2503
#include <shared_channel/shared_channel.hpp>

struct Message {
  int values[0];
};

void use() { (void)shared_channel::SharedChannel<Message>::Client::create("name"); }
