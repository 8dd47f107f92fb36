// Server::wait(): until a server that was begun with start() has ended, and why it did.
#include "support/catch.hpp"

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#ifdef __linux__
#include <pthread.h>
#include <sys/mman.h>
#endif

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/fake_platform.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

namespace wait_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using Catch::Matchers::Contains;

namespace {

template <class Server>
auto waiting(Server& server) {
  return std::async(std::launch::async, [&server] { return server.wait(amply); });
}

}  // namespace

TEST_CASE("wait: it lasts until stop(), and until the running handlers have returned") {
  GatedChannel channel(2);
  auto ended = waiting(channel.server);
  auto call = channel.client.call_async(nap(0, 7), amply);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  channel.server.stop();
  CHECK(ended.wait_for(50ms) == std::future_status::timeout);
  channel.gate.open();
  CHECK_FALSE(error_of(ended.get()));
  CHECK(call.get().value().id == 7);
  CHECK_FALSE(error_of(channel.server.wait()));  // and again
}

TEST_CASE("wait: no longer than its timeout, which it tells") {
  GatedChannel channel;
  const Stopwatch watch;
  const auto ended = channel.server.wait(30ms);
  CHECK(watch.elapsed() >= 30ms);
  REQUIRE(error_of(ended) == Errc::timed_out);
  CHECK_THAT(ended.error().message(), Contains("waited 30 ms"));
  CHECK(error_of(channel.server.wait(0s)) == Errc::timed_out);
  CHECK(error_of(channel.server.wait(-1s)) == Errc::timed_out);
  CHECK(channel.client.call(echo(1), amply));
}

TEST_CASE("wait: several threads see the end of a server with several") {
  const auto name = unique_name("wait");
  ServerOptions options;
  options.threads = 3;
  Channel::Server server(name, options);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  auto one = waiting(server), other = waiting(server);
  server.stop();
  CHECK_FALSE(error_of(one.get()));
  CHECK_FALSE(error_of(other.get()));
}

TEST_CASE("wait: not where nobody could end it") {
  const auto name = unique_name("wait");
  Channel::Server server(name);
  CHECK(error_of(server.wait()) == Errc::invalid_argument);  // nothing was begun
  std::atomic<bool> is_refused{false};
  server
      .start([&](const Ask& ask) {
        is_refused = error_of(server.wait()) == Errc::would_deadlock;
        return Answer{ask.id, 0};
      })
      .value();
  CHECK(Channel::Client(name).call(echo(1), amply));
  CHECK(is_refused);
}

TEST_CASE("wait: of a server that was moved") {
  Channel::Server server(unique_name("wait"));
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  Channel::Server moved(std::move(server));
  CHECK(error_of(server.wait()) == Errc::invalid_argument);
  CHECK(error_of(moved.wait(0s)) == Errc::timed_out);
}

TEST_CASE("wait: raw servers have it too") {
  const auto name = unique_name("wait");
  RawServer server(name, {fixed_message(8), fixed_message(8)});
  server.start(echo_bytes).value();
  CHECK(error_of(server.wait(0s)) == Errc::timed_out);
  auto ended = waiting(server);
  server.stop();
  CHECK_FALSE(error_of(ended.get()));
}

TEST_CASE("wait: a server whose memory lost its name has ended by itself, and says so") {
  const fake::World world;
  ServerOptions options;
  options.threads = 2;
  options.wait = WaitPolicy::sleep();
  fake::Channel::Server server("server", options);
  const fake::Objects objects("server");
  server.start([](const fake::Ask& ask) { return fake::Answer{ask.id}; }).value();
  auto ended = waiting(server);
  fake::kernel().remove(objects.names().server_page(objects.generation()));
  const auto end = ended.get();
  REQUIRE(error_of(end) == Errc::server_stopped);
  CHECK_THAT(end.error().message(), Contains("'server'") && Contains("removed this channel's files"));
}

#ifdef __linux__

TEST_CASE("wait: somebody removes a live server's files") {
  const auto name = unique_name("wait");
  std::optional<Channel::Server> server(std::in_place, name);
  server->start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  const auto names = detail::Names::make(name, Scope::session).value();
  const std::uint64_t number = detail::platform::ServerLease::current_generation(names).value().generation;
  REQUIRE(::shm_unlink(('/' + names.segment(number)).c_str()) == 0);
  const auto end = server->wait(amply);
  REQUIRE(error_of(end) == Errc::server_stopped);
  CHECK_THAT(end.error().message(), Contains("removed this channel's files"));
  server.reset();
  server.emplace(name);
  server->start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("wait: a server whose handlers ended all its threads says so") {
  const auto name = unique_name("wait");
  ServerOptions options;
  options.threads = 2;
  Channel::Server server(name, options);
  server
      .start([](const Ask&) {
        pthread_exit(nullptr);
        return Answer{};
      })
      .value();
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(1), amply)) == Errc::handler_failed);
  CHECK(error_of(server.wait(0s)) == Errc::timed_out);  // one is left
  CHECK(error_of(client.call(echo(2), amply)) == Errc::handler_failed);
  const auto end = server.wait(amply);
  REQUIRE(error_of(end) == Errc::server_stopped);
  CHECK_THAT(end.error().message(), Contains("handlers ended the threads"));
}

#endif

}  // namespace wait_test
