// EXPECT: a message type must be trivially copyable
#include <shared_channel/shared_channel.hpp>

class Message {
 public:
  explicit Message(int value) : value_(value) {}
  Message(const Message& other) : value_(other.value_) {}

 private:
  int value_;
};

void use() { (void)shared_channel::SharedChannel<Message>::Client::create("name"); }
