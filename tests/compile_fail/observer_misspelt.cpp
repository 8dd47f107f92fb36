// EXPECT: static void client_done
#include <shared_channel/shared_channel.hpp>

struct Question {
  int value;
};

template <>
struct shared_channel::ObserverOf<Question> {
  static void on_client_done(const CallRecord&) {}
};

void ask(shared_channel::SharedChannel<Question>::Client& client) { static_cast<void>(client.call({1})); }
