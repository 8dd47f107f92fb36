// Threads that a program ends while they serve.
#include "support/catch.hpp"

#ifdef __linux__

#include <shared_channel/shared_channel.hpp>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace ended_thread_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Answer leave_at_seven(const Ask& ask) {
  if (ask.id == 7) pthread_exit(nullptr);
  return {ask.id, 0};
}

}  // namespace

TEST_CASE("ended thread: pthread_exit() in a handler fails its call, and another thread serves on") {
  const auto name = unique_name("ended");
  ServerOptions options;
  options.threads = 2;
  Channel::Server server(name, options);
  server.start(leave_at_seven).value();
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(7), amply)) == Errc::handler_failed);
  CHECK(client.call(echo(1), amply).value().id == 1);
}

TEST_CASE("ended thread: the server stops with the last thread that served") {
  const auto name = unique_name("ended");
  Channel::Server server(name);
  server.start(leave_at_seven).value();
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(7), amply)) == Errc::handler_failed);
  CHECK(error_of(client.call(echo(1), amply)) == Errc::server_stopped);
}

TEST_CASE("ended thread: pthread_exit() in a handler of serve_one() leaves a server that serves on") {
  const auto name = unique_name("ended");
  Channel::Server server(name);
  pthread_t thread{};
  const auto serve = [](void* argument) -> void* {
    static_cast<void>(static_cast<Channel::Server*>(argument)->serve_one(leave_at_seven, amply));
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, nullptr, serve, &server) == 0);
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(7), amply)) == Errc::handler_failed);
  pthread_join(thread, nullptr);
  auto call = client.call_async(echo(1), amply);
  CHECK(server.serve_one(leave_at_seven, amply).value());
  CHECK(call.get().value().id == 1);
}

TEST_CASE("ended thread: pthread_cancel() in a handler of serve() leaves a server that can be destroyed") {
  const auto name = unique_name("ended");
  std::optional<Channel::Server> server(std::in_place, name);
  static std::atomic<bool> is_handling;
  is_handling = false;
  pthread_t thread{};
  const auto serve = [](void* argument) -> void* {
    static_cast<void>(static_cast<Channel::Server*>(argument)->serve([](const Ask& ask) {
      is_handling = true;
      for (;;) ::usleep(1000);
      return Answer{ask.id, 0};
    }));
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, nullptr, serve, &*server) == 0);
  std::optional<Errc> told;
  std::thread caller([&] { told = error_of(Channel::Client(name).call(echo(1), amply)); });
  while (!is_handling) std::this_thread::yield();
  pthread_cancel(thread);
  void* value = nullptr;
  pthread_join(thread, &value);
  CHECK(value == PTHREAD_CANCELED);
  caller.join();
  CHECK(told == Errc::handler_failed);
  server.reset();
}

}  // namespace ended_thread_test

#endif
