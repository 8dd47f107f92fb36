// A client's process ends without a word: what it held is repaired, and nobody else is harmed.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/seen.hpp"
#include "support/time.hpp"

namespace client_killed_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Answer answer(const Ask& ask) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ask.milliseconds));
  return {ask.id, 0};
}

ServerOptions one_slot() {
  ServerOptions options;
  options.max_calls = 1;
  return options;
}

Process holder_of_a_slot(const std::string& name) {
  Process holder = peer("hold", name);
  REQUIRE(holder.read_line() == "holding");
  return holder;
}

}  // namespace

TEST_CASE("client killed: the slot that it held is used again") {
  const auto name = unique_name("client-killed");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    Process holder = holder_of_a_slot(name);
    CHECK(error_of(client.call(echo(round), 20ms)) == Errc::busy);
    holder.kill();
    CHECK(client.call(echo(round), amply).value().id == round);
  }
}

TEST_CASE("client killed: a caller that waits for the slot gets it at once") {
  const auto name = unique_name("client-killed");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start(answer)));
  Process holder = holder_of_a_slot(name);
  std::optional<std::uint64_t> got;
  std::thread waiting([&] {
    if (const auto reply = Channel::Client(name).call(echo(4), amply)) got = reply->id;
  });
  REQUIRE(slot_is_awaited(name));
  const Stopwatch watch;
  holder.kill();
  waiting.join();
  CHECK(watch.elapsed() < promptly);
  CHECK(got == 4);
}

TEST_CASE("client killed: while it waits for its answer the server goes on") {
  const auto name = unique_name("client-killed");
  Process server = peer("serve", name, "2", "2");
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  Process caller = peer("hang", name);
  REQUIRE(server.read_line() == "taken");
  caller.kill();
  for (std::uint64_t id = 2; id <= 50; ++id) REQUIRE(client.call(echo(id), amply).value().id == id);
}

TEST_CASE("client killed: with its request not taken the request never runs") {
  const auto name = unique_name("client-killed");
  Channel::Server server(name, one_slot());
  {
    Process caller = peer("call", name, "1", "77");
    REQUIRE(eventually([&] { return server.stats().waiting == 1; }));
    caller.kill();
    caller.wait();
  }
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(1), 100ms)) == Errc::timed_out);  // takes the slot over
  CHECK_FALSE(server.serve_one(answer, 0ns).value());
}

TEST_CASE("client killed: the head of the queue may die in it") {
  const auto name = unique_name("client-killed");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start(answer)));
  Process holder = holder_of_a_slot(name);
  Process head = peer("call", name, "1", "1");
  REQUIRE(slot_is_awaited(name));
  Process behind = peer("call", name, "1", "2");
  REQUIRE(is_seen(name, [](const ChannelInfo& seen) { return seen.clients == 3; }));
  CHECK_THROWS(behind.read_line(50ms));
  head.kill();
  head.wait();
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(3), 50ms)) == Errc::busy);
  holder.write_line("go");
  CHECK(holder.read_line() == "ok");
  CHECK(behind.read_line() == "ok");
  CHECK(client.call(echo(4), amply).value().id == 4);
}

TEST_CASE("client killed: all slots held by the dead are used again") {
  const auto name = unique_name("client-killed");
  ServerOptions options;
  options.max_calls = 3;
  Channel::Server server(name, options);
  CHECK_FALSE(error_of(server.start(answer)));
  std::vector<Process> holders;
  for (int i = 0; i < 3; ++i) holders.push_back(holder_of_a_slot(name));
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(1), 20ms)) == Errc::busy);
  for (auto& holder : holders) holder.kill();
  for (std::uint64_t id = 1; id <= 20; ++id) REQUIRE(client.call(nap(1, id), amply).value().id == id);
}

TEST_CASE("client killed: a suspended one keeps its slot") {
  const auto name = unique_name("client-killed");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start(answer)));
  Process holder = holder_of_a_slot(name);
  holder.suspend();
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(1), 200ms)) == Errc::busy);
  holder.resume();
  holder.write_line("go");
  CHECK(holder.read_line() == "ok");
  CHECK(client.call(echo(2), amply).value().id == 2);
}

}  // namespace client_killed_test
