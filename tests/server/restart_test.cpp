// A server that comes back is found by clients that never noticed more than an error, if that.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace restart_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

struct Numbered {
  Answer operator()(const Ask& ask) const { return {ask.id, number}; }
  std::uint64_t number;
};

}  // namespace

TEST_CASE("restart: a client carries on with the next server") {
  const auto name = unique_name("restart");
  Channel::Client client(name);
  for (std::uint64_t number = 1; number <= 5; ++number) {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start(Numbered{number})));
    CHECK(client.call(echo(number), amply).value().runs == number);
  }
}

TEST_CASE("restart: a client that calls in between is told and carries on") {
  const auto name = unique_name("restart");
  Channel::Client client(name);
  auto server = std::make_unique<Channel::Server>(name);
  CHECK_FALSE(error_of(server->start(Numbered{1})));
  CHECK(client.call(echo(1), amply).value().runs == 1);
  server.reset();
  CHECK(client.call(echo(2), amply).error().not_executed());
  CHECK(error_of(client.call(echo(3), amply)) == Errc::no_server);
  server = std::make_unique<Channel::Server>(name);
  CHECK_FALSE(error_of(server->start(Numbered{2})));
  CHECK(client.call(echo(4), amply).value().runs == 2);
}

TEST_CASE("restart: a request that was not taken goes to the next server within the same call") {
  const auto name = unique_name("restart");
  ClientOptions patient;
  patient.wait_for_server = true;
  Channel::Client client(name, patient);
  auto server = std::make_unique<Channel::Server>(name);
  std::atomic<int> filled{0};
  std::uint64_t answered_by = 0;
  const auto fill = [&](Ask& ask) {
    ++filled;
    ask = echo(1);
  };
  auto asked = std::async(std::launch::async, [&] {
    return error_of(client.call_in_place(
        fill, [&](const Answer& answer) { answered_by = answer.runs; }, amply));
  });
  while (filled == 0) std::this_thread::yield();
  server.reset();
  server = std::make_unique<Channel::Server>(name);
  CHECK_FALSE(error_of(server->start(Numbered{2})));
  CHECK_FALSE(asked.get());
  CHECK(answered_by == 2);
  CHECK(filled == 2);
}

TEST_CASE("restart: the next server may have other options") {
  const auto name = unique_name("restart");
  Channel::Client client(name);
  for (const unsigned slots : {1u, 100u, 2u}) {
    ServerOptions options;
    options.max_calls = slots;
    Channel::Server server(name, options);
    CHECK_FALSE(error_of(server.start(Numbered{slots})));
    CHECK(client.call(echo(slots), amply).value().runs == slots);
  }
}

TEST_CASE("restart: the next server may have other messages") {
  const auto name = unique_name("restart");
  Channel::Client client(name);
  SharedChannel<int>::Client other(name);
  {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start(Numbered{1})));
    CHECK(client.call(echo(1), amply).value().runs == 1);
  }
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start([](int value) { return value; })));
  CHECK(error_of(client.call(echo(2), amply)) == Errc::layout_mismatch);
  CHECK(other.call(3, amply).value() == 3);
}

TEST_CASE("restart: all threads of a client carry on") {
  const auto name = unique_name("restart");
  Channel::Client client(name);
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> latest{0};
  std::vector<std::jthread> callers;
  for (std::uint64_t caller = 1; caller <= 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (std::uint64_t id = caller << 32; !over; ++id) {
        const auto answer = client.call(echo(id), amply);
        if (answer && answer->id != id) ++wrong;
        if (!answer && !answer.error().not_executed()) ++wrong;
        if (answer && answer->runs > latest) latest = answer->runs;
      }
    });
  }
  for (std::uint64_t number = 1; number <= 10; ++number) {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start(Numbered{number})));
    const Stopwatch watch;
    while (latest < number && watch.elapsed() < promptly) std::this_thread::yield();
    CHECK(latest == number);
  }
  over = true;
  callers.clear();
  CHECK(wrong == 0);
}

TEST_CASE("restart: a second server is refused while the first lives") {
  const auto name = unique_name("restart");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(Numbered{1})));
  CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
  CHECK(error_of(SharedChannel<int>::Server::create(name)) == Errc::name_in_use);
  CHECK(peer("serve", name).read_line() == "name_in_use");
  CHECK(Channel::Client(name).call(echo(1), amply).value().runs == 1);
}

TEST_CASE("restart: a server that has stopped keeps its name until its end") {
  const auto name = unique_name("restart");
  Channel::Server server(name);
  server.stop();
  CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
  server = Channel::Server(unique_name("restart"));
  CHECK_FALSE(error_of(Channel::Server::create(name)));
}

TEST_CASE("restart: another process's server is refused and then followed") {
  const auto name = unique_name("restart");
  Process first = peer("serve", name);
  REQUIRE(first.read_line() == "ready");
  CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
  first.close_input();
  CHECK(first.wait() == ExitStatus{0, false});
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("restart: names that begin alike are different channels") {
  const auto name = unique_name("restart");
  Channel::Server first(name);
  Channel::Server second(name + ".0123456789abcdef");
  Channel::Server third(name + "x");
  CHECK_FALSE(error_of(first.start(Numbered{1})));
  CHECK_FALSE(error_of(second.start(Numbered{2})));
  CHECK_FALSE(error_of(third.start(Numbered{3})));
  CHECK(Channel::Client(name).call(echo(1), amply).value().runs == 1);
  CHECK(Channel::Client(name + ".0123456789abcdef").call(echo(1), amply).value().runs == 2);
  CHECK(Channel::Client(name + "x").call(echo(1), amply).value().runs == 3);
}

}  // namespace restart_test
