#pragma once

#include <shared_channel/shared_channel.hpp>

struct Question {
  int value;
};
struct Answer {
  int value;
};
using Channel = shared_channel::SharedChannel<Question, Answer>;

// One call to a server in this process in each form, without exceptions; true when the answers are right.
inline bool round_trip(const char* name) {
  auto server = Channel::Server::create(name);
  if (!server || !server->start([](const Question& question) { return Answer{question.value + 1}; })) return false;
  auto client = Channel::Client::create(name);
  if (!client) return false;
  const auto answer = client->call({41}, std::chrono::seconds(10));
  auto pending = client->call_async({42}, std::chrono::seconds(10));
  const bool sent =
      client->call_async({43}, std::chrono::seconds(10), [](shared_channel::Result<Answer>) {}).has_value();
  const auto later = pending.get();
  return answer && answer->value == 42 && sent && later && later->value == 43;
}
