// A DLL with servers and clients that have threads, and that end when the DLL is unloaded, when a thread of the program
// ends, or with the process: each time in DllMain.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "support/messages.hpp"
#include "support/windows.hpp"

namespace {

using namespace std::chrono_literals;
using test_support::Channel;

std::string name() {
  char text[256] = {};
  GetEnvironmentVariableA("SHARED_CHANNEL_DLL_NAME", text, sizeof text);
  return text;
}

test_support::Answer answer(const test_support::Ask& ask) { return {ask.id, 0}; }

std::optional<Channel::Server> server;
std::optional<Channel::Client> client;

int call_back(Channel::Client& caller) {
  std::promise<bool> answered;
  const auto begun =
      caller.call_async(test_support::echo(7), 60s, [&](const auto& reply) { answered.set_value(reply.has_value()); });
  return begun && answered.get_future().get() ? 1 : 0;
}

bool calls_at_end = false;

// Goes before the server and the client, and after their threads where the process ends.
struct LastWords {
  ~LastWords() {
    if (calls_at_end) static_cast<void>(client->call(test_support::echo(7), 60s));
  }
} last_words;

}  // namespace

/// A server with threads of its own, and a client with one for its callbacks; both stay.
extern "C" __declspec(dllexport) int start() {
  server.emplace(name());
  if (!server->start(answer)) return 0;
  client.emplace(name());
  return call_back(*client);
}

/// The same; and the client calls once more when the process ends.
extern "C" __declspec(dllexport) int call_at_end() {
  calls_at_end = start() == 1;
  return calls_at_end ? 1 : 0;
}

/// A server that a thread serves on and on.
extern "C" __declspec(dllexport) int serve() {
  server.emplace(name());
  std::thread([] { static_cast<void>(server->serve(answer)); }).detach();
  client.emplace(name());
  return client->call(test_support::echo(7), 60s) ? 1 : 0;
}

/// A client that the calling thread takes along when it ends; `wait`: only after the callback.
extern "C" __declspec(dllexport) int call_in_thread(int wait) {
  thread_local Channel::Client own(name());
  if (wait != 0) return call_back(own);
  return own.call_async(test_support::echo(7), 60s, [](const auto&) {}) ? 1 : 0;
}
