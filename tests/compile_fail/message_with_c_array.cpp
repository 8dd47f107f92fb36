// EXPECT: or have a shared_channel::Codec
#include <shared_channel/shared_channel.hpp>

#include <string>

struct Message {
  std::string name;
  int values[3];
};

void use() { (void)shared_channel::SharedChannel<Message>::Client::create("name"); }
