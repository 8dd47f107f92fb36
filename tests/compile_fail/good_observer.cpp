// COMPILES
#include <shared_channel/shared_channel.hpp>

struct Question {
  int value;
};

template <>
struct shared_channel::ObserverOf<Question> {
  static void server_done(const CallRecord&) {}
};

void ask(shared_channel::SharedChannel<Question>::Client& client) { static_cast<void>(client.call({1})); }
void serve(shared_channel::SharedChannel<Question>::Server& server) {
  static_cast<void>(server.serve([](const Question& question) { return question; }));
}
