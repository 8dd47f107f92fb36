// start(), serve() and serve_one(): who answers, and who may.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <future>
#include <thread>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace serve_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

static Answer answer(const Ask& ask) { return {ask.id, 0}; }

TEST_CASE("serve: on the calling thread") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  std::thread::id handled_by;
  std::thread serving([&] {
    (void)server.serve([&](const Ask& ask) {
      handled_by = std::this_thread::get_id();
      return answer(ask);
    });
  });
  const auto serves = serving.get_id();
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server.stop();
  serving.join();
  CHECK(handled_by == serves);
}

TEST_CASE("serve: start answers in the background") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  const Stopwatch watch;
  CHECK_FALSE(error_of(server.start(answer)));
  CHECK(watch.elapsed() < promptly);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("serve: start outlives the thread that called it") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  std::thread([&] { (void)server.start(answer); }).join();
  Channel::Client client(name);
  for (std::uint64_t id = 1; id <= 10; ++id) REQUIRE(client.call(echo(id), amply).value().id == id);
}

TEST_CASE("serve: a server outlives the thread that made it") {
  const auto name = unique_name("serve");
  std::optional<Channel::Server> server;
  std::thread([&] { server.emplace(name); }).join();
  CHECK_FALSE(error_of(server->start(answer)));
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  std::thread([&] { server.reset(); }).join();
  CHECK_FALSE(client.connected());
}

TEST_CASE("serve: serve_one answers one call and no more") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  CHECK_FALSE(server.serve_one(answer, 0ns).value());
  auto first = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(1), amply); });
  CHECK(server.serve_one(answer, amply).value());
  CHECK(first.get().value().id == 1);
  CHECK_FALSE(server.serve_one(answer, 0ns).value());

  auto second = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(2), amply); });
  CHECK(server.serve_one(answer, (std::chrono::nanoseconds::max)()).value());
  CHECK(second.get().value().id == 2);
}

TEST_CASE("serve: serve_one finds the call of a client that waits already") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(1), amply); });
  const Stopwatch watch;
  while (!server.serve_one(answer, 0ns).value()) REQUIRE(watch.elapsed() < promptly);
  CHECK(asked.get().value().id == 1);
}

TEST_CASE("serve: serve_one in a loop serves many callers") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  auto asked = std::async(std::launch::async, [&] {
    Channel::Client client(name);
    std::uint64_t right = 0;
    for (std::uint64_t id = 0; id < 100; ++id) right += client.call(echo(id), amply).value().id == id;
    return right;
  });
  for (int calls = 0; calls < 100;) calls += server.serve_one(answer, 10ms).value();
  CHECK(asked.get() == 100);
}

TEST_CASE("serve: serve_one and serve may follow each other") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  CHECK_FALSE(server.serve_one(answer, 0ns).value());
  std::jthread serving([&] { (void)server.serve(answer); });
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server.stop();
}

TEST_CASE("serve: a server that serves already refuses to do so twice") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  CHECK(error_of(server.start(answer)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(answer)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(answer, std::stop_token())) == Errc::invalid_argument);
  CHECK(error_of(server.serve_one(answer, 0ns)) == Errc::invalid_argument);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("serve: a stopped server has nothing to serve, whoever served it") {
  Channel::Server server(unique_name("serve"));
  const auto answer = [](const Ask& ask) { return Answer{ask.id, 1}; };
  server.start(answer).value();
  CHECK(error_of(server.serve(answer)) == Errc::invalid_argument);
  server.stop();
  CHECK(server.wait(promptly));
  CHECK(server.serve(answer));
  CHECK(server.serve_one(answer, amply).value() == false);
  CHECK(error_of(server.start(answer)) == Errc::server_stopped);
}

TEST_CASE("serve: two threads may not serve one server") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  auto serving = std::async(std::launch::async, [&] { return error_of(server.serve(answer)); });
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  CHECK(error_of(server.serve(answer)) == Errc::invalid_argument);
  CHECK(error_of(server.start(answer)) == Errc::invalid_argument);
  CHECK(error_of(server.serve_one(answer, 0ns)) == Errc::invalid_argument);
  CHECK(client.call(echo(2), amply).value().id == 2);
  server.stop();
  CHECK_FALSE(serving.get());
}

TEST_CASE("serve: a handler may not serve its own server") {
  const auto name = unique_name("serve");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start([&](const Ask& ask) {
    return Answer{ask.id, error_of(server.serve_one(answer, 0ns)) == Errc::invalid_argument ? 1u : 0u};
  })));
  CHECK(Channel::Client(name).call(echo(1), amply).value().runs == 1);
}

}  // namespace serve_test
