// How serving begins and ends.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/footprint.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/seen.hpp"
#include "support/time.hpp"

namespace stop_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Answer answer(const Ask& ask) { return {ask.id, 0}; }

std::future<std::optional<Errc>> serve_elsewhere(Channel::Server& server) {
  return std::async(std::launch::async, [&] { return error_of(server.serve(answer)); });
}

bool is_over(std::future<std::optional<Errc>>& serving) {
  return serving.wait_for(promptly) == std::future_status::ready;
}

}  // namespace

TEST_CASE("stop: from another thread") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  auto serving = serve_elsewhere(server);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server.stop();
  REQUIRE(is_over(serving));
  CHECK_FALSE(serving.get());
}

TEST_CASE("stop: it ends every thread that serves") {
  const auto name = unique_name("stop");
  ServerOptions options;
  options.threads = 4;
  Channel::Server server(name, options);
  auto serving = serve_elsewhere(server);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server.stop();
  CHECK(is_over(serving));
}

TEST_CASE("stop: from a handler whose caller still has its answer") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  auto serving = std::async(std::launch::async, [&] {
    return error_of(server.serve([&](const Ask& ask) {
      server.stop();
      return answer(ask);
    }));
  });
  Channel::Client client(name);
  CHECK(client.call(echo(7), amply).value().id == 7);
  CHECK(is_over(serving));
  CHECK(error_of(client.call(echo(8), amply)) == Errc::server_stopped);
}

TEST_CASE("stop: from a handler that takes its time, whose caller was still waking the server") {
  // The wake-up may give the caller's core to the server: then the handler stops it before the caller has looked.
  ServerOptions options;
  options.wait = WaitPolicy::sleep();
  for (int round = 0; round < 50; ++round) {
    const auto name = unique_name("stop");
    Channel::Server server(name, options);
    CHECK_FALSE(error_of(server.start([&](const Ask& ask) {
      server.stop();
      std::this_thread::sleep_for(1ms);
      return answer(ask);
    })));
    Channel::Client client(name);
    REQUIRE_FALSE(error_of(client.wait_for_server(amply)));
    REQUIRE(server_sleeps(name));
    REQUIRE(error_of(client.call(echo(7), amply)) == std::nullopt);
  }
}

TEST_CASE("stop: by a stop token") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  std::stop_source source;
  auto serving = std::async(std::launch::async, [&] { return error_of(server.serve(answer, source.get_token())); });
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  source.request_stop();
  REQUIRE(is_over(serving));
  CHECK_FALSE(serving.get());
}

TEST_CASE("stop: by a jthread's own token") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  std::jthread serving([&](std::stop_token token) { (void)server.serve(answer, token); });
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  serving = {};
  CHECK(error_of(Channel::Client(name).call(echo(2), amply)) == Errc::server_stopped);
}

TEST_CASE("stop: by a token that was asked before") {
  Channel::Server server(unique_name("stop"));
  std::stop_source source;
  source.request_stop();
  CHECK_FALSE(error_of(server.serve(answer, source.get_token())));
}

TEST_CASE("stop: a token that outlives the serving does not touch the server") {
  std::stop_source source;
  {
    Channel::Server server(unique_name("stop"));
    server.stop();
    CHECK_FALSE(error_of(server.serve(answer, source.get_token())));
  }
  source.request_stop();
}

TEST_CASE("stop: a token that is asked while the server is destroyed does not touch what is gone") {
  // The sanitizers see what goes wrong here.
  for (int round = 0; round < 20; ++round) {
    const auto name = unique_name("stop");
    auto server = std::make_unique<Channel::Server>(name);
    std::stop_source source;
    std::promise<void> inside;
    std::jthread serving([&, served = server.get()] {
      (void)served->serve(
          [&](const Ask& ask) {
            inside.set_value();
            return answer(ask);
          },
          source.get_token());
    });
    CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
    inside.get_future().wait();
    std::jthread asking([&] { source.request_stop(); });
    server.reset();
  }
}

TEST_CASE("stop: any number of times and from many threads") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  server.stop();
  server.stop();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { server.stop(); });
  threads.clear();
  CHECK_FALSE(error_of(server.serve(answer)));
}

TEST_CASE("stop: serving after it returns at once") {
  Channel::Server server(unique_name("stop"));
  server.stop();
  const Stopwatch watch;
  CHECK_FALSE(error_of(server.serve(answer)));
  CHECK_FALSE(server.serve_one(answer, amply).value());
  CHECK(error_of(server.start(answer)) == Errc::server_stopped);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("stop: it ends a serve_one that waits") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  auto waiting = std::async(std::launch::async, [&] { return server.serve_one(answer, amply).value(); });
  REQUIRE(server_sleeps(name));
  const Stopwatch watch;
  server.stop();
  CHECK_FALSE(waiting.get());
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("stop: a caller in the queue learns of it at once") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(1), amply); });
  REQUIRE(eventually([&] { return server.stats().waiting == 1; }));
  const Stopwatch watch;
  server.stop();
  const auto reply = asked.get();
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(reply) == Errc::server_stopped);
  CHECK(reply.error().not_executed());
}

TEST_CASE("stop: callers that wait for a slot learn of it while the last handler still runs") {
  const auto name = unique_name("stop");
  ServerOptions options;
  options.max_calls = 1;
  Channel::Server server(name, options);
  std::promise<void> inside;
  std::promise<void> go_on;
  CHECK_FALSE(error_of(server.start([&](const Ask& ask) {
    inside.set_value();
    go_on.get_future().wait();
    return answer(ask);
  })));
  Channel::Client client(name);
  auto running = std::async(std::launch::async, [&] { return client.call(echo(1), amply); });
  inside.get_future().wait();
  std::vector<std::future<std::optional<Errc>>> waiting;
  for (std::uint64_t id = 2; id < 5; ++id) {
    waiting.push_back(std::async(std::launch::async, [&, id] { return error_of(client.call(echo(id), amply)); }));
  }
  REQUIRE(slot_is_awaited(name));
  const Stopwatch watch;
  server.stop();
  for (auto& one : waiting) CHECK(one.get() == Errc::server_stopped);
  CHECK(error_of(client.call(echo(5), amply)) == Errc::server_stopped);
  CHECK(error_of(client.call(echo(6), 0ns)) == Errc::server_stopped);
  CHECK(watch.elapsed() < promptly);
  go_on.set_value();
  CHECK(running.get().value().id == 1);
}

TEST_CASE("stop: a running handler finishes and its caller has the answer") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  std::promise<void> inside;
  std::promise<void> go_on;
  CHECK_FALSE(error_of(server.start([&](const Ask& ask) {
    inside.set_value();
    go_on.get_future().wait();
    return answer(ask);
  })));
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(6), amply); });
  inside.get_future().wait();
  server.stop();
  go_on.set_value();
  CHECK(asked.get().value().id == 6);
}

TEST_CASE("stop: it travels between processes") {
  const auto name = unique_name("stop");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  server.write_line("stop");
  REQUIRE(server.read_line() == "stop");
  const auto reply = client.call(echo(2), amply);
  REQUIRE(error_of(reply) == Errc::server_stopped);
  CHECK(reply.error().not_executed());
}

TEST_CASE("stop: a server's end leaves nothing behind") {
  const auto name = unique_name("stop");
  { Channel::Server warm_up(unique_name("stop")); }
  const Footprint before(name);
  for (int round = 0; round < 5; ++round) {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start(answer)));
    CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  }
  CHECK(eventually([&] { return Footprint(name) == before; }));
  CHECK(Footprint(name) == before);
}

TEST_CASE("stop: clients of a server that is destroyed learn that it is gone") {
  const auto name = unique_name("stop");
  Channel::Client client(name);
  {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start(answer)));
    CHECK(client.call(echo(1), amply).value().id == 1);
    CHECK(client.connected());
  }
  CHECK_FALSE(client.connected());
  const auto reply = client.call(echo(2), amply);
  CHECK((error_of(reply) == Errc::server_stopped || error_of(reply) == Errc::no_server));
  CHECK(reply.error().not_executed());
}

TEST_CASE("stop: destroying the server ends a serve in another thread") {
  const auto name = unique_name("stop");
  auto server = std::make_unique<Channel::Server>(name);
  auto serving = serve_elsewhere(*server);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server->stop();
  REQUIRE(is_over(serving));
  server.reset();
  CHECK(shm_entries("shared_channel." + name).empty());
}

}  // namespace stop_test
