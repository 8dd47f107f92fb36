// The server's process ends without a word.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <future>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace server_killed_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

using Asked = std::future<Result<Answer>>;

Asked ask(Channel::Client& client, const Ask& what) {
  return std::async(std::launch::async, [&client, what] { return client.call(what, amply); });
}

bool is_waiting(Asked& asked) { return asked.wait_for(50ms) == std::future_status::timeout; }

Process serving(const std::string& name, const char* slots = "16") {
  Process server = peer("serve", name, slots);
  REQUIRE(server.read_line() == "ready");
  return server;
}

}  // namespace

TEST_CASE("server killed: the caller whose handler ran learns it at once") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  Channel::Client client(name);
  auto asked = ask(client, hang);
  REQUIRE(server.read_line() == "taken");
  const Stopwatch watch;
  server.kill();
  const auto answer = asked.get();
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(answer) == Errc::server_died);
  CHECK_FALSE(answer.error().not_executed());
  CHECK_FALSE(client.connected());
}

TEST_CASE("server killed: the caller whose request was not taken may safely retry") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  Channel::Client client(name);
  auto taken = ask(client, hang);
  REQUIRE(server.read_line() == "taken");
  auto waiting = ask(client, echo(1));
  CHECK(is_waiting(waiting));
  server.kill();
  const auto answer = waiting.get();
  REQUIRE(error_of(answer) == Errc::server_died);
  CHECK(answer.error().not_executed());
  CHECK_FALSE(taken.get().error().not_executed());
}

TEST_CASE("server killed: the caller that waits for a slot learns it at once") {
  const auto name = unique_name("killed");
  Process server = serving(name, "1");
  Channel::Client client(name);
  auto taken = ask(client, hang);
  REQUIRE(server.read_line() == "taken");
  auto first = ask(client, echo(1));
  auto second = ask(client, echo(2));
  CHECK((is_waiting(first) && is_waiting(second)));
  const Stopwatch watch;
  server.kill();
  for (auto* waiting : {&first, &second}) {
    const auto answer = waiting->get();
    CHECK(error_of(answer) == Errc::server_died);
    CHECK(answer.error().not_executed());
  }
  CHECK(watch.elapsed() < promptly);
  CHECK(error_of(taken.get()) == Errc::server_died);
}

TEST_CASE("server killed: every waiting process learns it") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  std::vector<Process> callers;
  for (int i = 0; i < 8; ++i) callers.push_back(peer("hang", name));
  for (auto& caller : callers) REQUIRE(caller.read_line() == "asking");
  REQUIRE(server.read_line() == "taken");
  const faults::LiveSegment segment(name);
  REQUIRE(eventually([&] { return segment.header().high_water == callers.size(); }));  // all have a slot
  const Stopwatch watch;
  server.kill();
  int unsafe = 0;
  for (auto& caller : callers) {
    const auto outcome = caller.read_line();
    CHECK((outcome == "server_died unsafe" || outcome == "server_died safe"));
    unsafe += outcome == "server_died unsafe";
  }
  CHECK(unsafe == 1);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("server killed: every waiting policy learns it") {
  for (const WaitPolicy policy : {WaitPolicy::sleep(), WaitPolicy::spin_only(), WaitPolicy{}, WaitPolicy{amply}}) {
    const auto name = unique_name("killed");
    Process server = serving(name);
    ClientOptions options;
    options.wait = policy;
    Channel::Client client(name, options);
    auto asked = ask(client, hang);
    REQUIRE(server.read_line() == "taken");
    const Stopwatch watch;
    server.kill();
    CHECK(error_of(asked.get()) == Errc::server_died);
    CHECK(watch.elapsed() < promptly);
  }
}

TEST_CASE("server killed: a handler that leaves the process counts as death") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  Channel::Client client(name);
  const Stopwatch watch;
  const auto answer = client.call(leave, amply);
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(answer) == Errc::server_died);
  CHECK_FALSE(answer.error().not_executed());
}

TEST_CASE("server killed: while idle the next call fails at once") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  server.kill();
  server.wait();
  CHECK_FALSE(client.connected());
  const Stopwatch watch;
  const auto answer = client.call(echo(2), amply);
  CHECK(watch.elapsed() < promptly);
  CHECK((error_of(answer) == Errc::server_died || error_of(answer) == Errc::no_server));
  CHECK(answer.error().not_executed());
  CHECK(error_of(client.call(echo(3), amply)) == Errc::no_server);
}

TEST_CASE("server killed: the same client calls the server that follows") {
  const auto name = unique_name("killed");
  Channel::Client client(name);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    Process server = serving(name);
    CHECK(client.call(echo(round), amply).value().id == round);
    auto asked = ask(client, hang);
    REQUIRE(server.read_line() == "taken");
    server.kill();
    CHECK(error_of(asked.get()) == Errc::server_died);
  }
}

TEST_CASE("server killed: a request that was not taken goes on to the server that follows") {
  const auto name = unique_name("killed");
  ClientOptions patient;
  patient.wait_for_server = true;
  Channel::Client client(name, patient);
  Process first = serving(name);
  auto taken = ask(client, hang);
  REQUIRE(first.read_line() == "taken");
  auto waiting = ask(client, echo(5));
  CHECK(is_waiting(waiting));
  first.kill();
  first.wait();
  const Process second = serving(name);
  const auto answer = waiting.get();
  REQUIRE(answer);
  CHECK(answer->id == 5);
  CHECK(answer->runs == 1);
  CHECK(error_of(taken.get()) == Errc::server_died);
}

TEST_CASE("server killed: its requests do not run in the server that follows") {
  const auto name = unique_name("killed");
  Process first = serving(name, "2");
  Channel::Client client(name);
  auto taken = ask(client, hang);
  REQUIRE(first.read_line() == "taken");
  auto waiting = ask(client, echo(1));
  CHECK(is_waiting(waiting));
  first.kill();
  CHECK(error_of(waiting.get()) == Errc::server_died);
  CHECK(error_of(taken.get()) == Errc::server_died);
  Process second = serving(name, "2");
  CHECK(client.call(echo(2), amply).value().runs == 1);
}

TEST_CASE("server killed: what it left is taken over and then removed") {
  const auto name = unique_name("killed");
  for (int round = 0; round < 3; ++round) {
    Process server = serving(name);
    server.kill();
    server.wait();
  }
  {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start([](const Ask& what) { return Answer{what.id, 0}; })));
    CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("server killed: one that nobody has reaped yet is dead all the same") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  server.kill();
  const Stopwatch watch;
  while (client.connected()) REQUIRE(watch.elapsed() < promptly);
  Process next = serving(name);
  CHECK(client.call(echo(2), amply).value().runs == 1);
}

TEST_CASE("server killed: a suspended one is not dead") {
  const auto name = unique_name("killed");
  Process server = serving(name);
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  server.suspend();
  CHECK(client.connected());
  CHECK(error_of(client.call(echo(2), 50ms)) == Errc::timed_out);
  CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
  server.resume();
  CHECK(client.call(echo(3), amply).value().id == 3);
}

}  // namespace server_killed_test
