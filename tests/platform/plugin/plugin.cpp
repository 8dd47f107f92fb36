// A plugin with a server and a client of static storage, and threads of theirs.
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "support/messages.hpp"

namespace {

using test_support::Channel;
using test_support::echo;
using namespace std::chrono_literals;

std::optional<Channel::Server> server;
std::optional<Channel::Client> client;
std::atomic<bool> is_called_back{false};

}  // namespace

/// 0 once a call was answered and a callback has come.
extern "C" __attribute__((visibility("default"))) int begin(const char* name) {
  server.emplace(name);
  server->start([](const test_support::Ask& ask) { return test_support::Answer{ask.id, 0}; }).value();
  client.emplace(name);
  if (client->call(echo(1), 20s).value().id != 1) return 1;
  client->call_async(echo(2), 20s, [](const auto& reply) { is_called_back = reply.has_value(); }).value();
  for (int wait = 0; wait < 20'000 && !is_called_back; ++wait) std::this_thread::sleep_for(1ms);
  return is_called_back ? 0 : 2;
}

extern "C" __attribute__((visibility("default"))) void end() {
  client.reset();
  server.reset();
}
