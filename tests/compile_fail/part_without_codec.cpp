// EXPECT: every part of a message must be trivially copyable and no pointer or view, or have a shared_channel::Codec
#include <shared_channel/shared_channel.hpp>

#include <map>
#include <string>

struct Message {
  std::string name;
  std::map<int, int> values;
};

void use(shared_channel::SharedChannel<Message>::Client& client) { (void)client.call({}); }
