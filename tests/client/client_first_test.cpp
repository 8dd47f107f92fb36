// A client may be there before its server.
#include "support/catch.hpp"

#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#ifdef __linux__
#include <fstream>
#endif
#include <future>
#include <thread>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/footprint.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace client_first_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

ClientOptions patient() {
  ClientOptions options;
  options.wait_for_server = true;
  return options;
}

Answer answer(const Ask& ask) { return {ask.id, 0}; }

// What a killed server leaves whose messages are Ask and Answer.
void leave_remains(const std::string& name) {
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  server.kill();
  server.wait();
}

int twice(int value) { return 2 * value; }

}  // namespace

TEST_CASE("client first: a call without a server fails at once") {
  const auto name = unique_name("first");
  Channel::Client client(name);
  const Stopwatch watch;
  const auto reply = client.call(echo(1), amply);
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(reply) == Errc::no_server);
  CHECK(reply.error().not_executed());
  CHECK_THAT(reply.error().message(), Catch::Matchers::Contains(name));
  CHECK(error_of(client.call_in_place([](Ask&) {}, [](const Answer&) {}, amply)) == Errc::no_server);
  CHECK_FALSE(client.connected());
}

TEST_CASE("client first: neither client nor call make a system object") {
  const auto name = unique_name("first");
  (void)Channel::Client(name).call(echo(1), 0ns);
  const Footprint before(name);
  Channel::Client client(name);
  for (int i = 0; i < 10; ++i) (void)client.call(echo(1), 0ns);
  CHECK(Footprint(name) == before);
}

TEST_CASE("client first: a later call finds the server by itself") {
  const auto name = unique_name("first");
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(1), amply)) == Errc::no_server);
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  CHECK(client.call(echo(2), amply).value().id == 2);
  CHECK(client.connected());
}

TEST_CASE("client first: with wait_for_server a call waits for it") {
  const auto name = unique_name("first");
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name, patient()).call(echo(3), amply); });
  CHECK(asked.wait_for(100ms) == std::future_status::timeout);
  const Stopwatch watch;
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  CHECK(asked.get().value().id == 3);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("client first: with wait_for_server a call ends at its deadline") {
  Channel::Client client(unique_name("first"), patient());
  const Stopwatch watch;
  CHECK(error_of(client.call(echo(3), 50ms)) == Errc::no_server);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(watch.elapsed() < promptly);
  CHECK(error_of(client.call(echo(3), 0ns)) == Errc::no_server);
}

TEST_CASE("client first: wait_for_server returns when the server is there") {
  const auto name = unique_name("first");
  Channel::Client client(name);
  auto waited = std::async(std::launch::async, [&] { return client.wait_for_server(amply); });
  CHECK(waited.wait_for(100ms) == std::future_status::timeout);
  Channel::Server server(name);
  CHECK_FALSE(error_of(waited.get()));
  CHECK(client.connected());
  CHECK_FALSE(error_of(client.wait_for_server(0ns)));
}

TEST_CASE("client first: wait_for_server ends at its deadline") {
  Channel::Client client(unique_name("first"));
  const Stopwatch watch;
  CHECK(error_of(client.wait_for_server(50ms)) == Errc::no_server);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(error_of(client.wait_for_server(0ns)) == Errc::no_server);
  CHECK(error_of(client.wait_for_server(-1h)) == Errc::no_server);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("client first: a process waits for a server in another") {
  const auto name = unique_name("first");
  Process client = peer("call", name, "10", "1");
  std::this_thread::sleep_for(50ms);  // nobody can see that it waits; if it came later, it would be answered as well
  Process server = peer("serve", name);
  CHECK(client.read_line() == "ok");
}

TEST_CASE("client first: what a killed server of other messages left is no server") {
  const auto name = unique_name("first");
  leave_remains(name);
  SharedChannel<int>::Client client(name);
  CHECK(error_of(client.call(1, amply)) == Errc::no_server);
  const Stopwatch watch;
  CHECK(error_of(client.wait_for_server(300ms)) == Errc::no_server);
  CHECK(watch.elapsed() >= 300ms);
  CHECK(error_of(RawClient(name).shape(10ms)) == Errc::no_server);
  auto asked =
      std::async(std::launch::async, [&] { return SharedChannel<int>::Client(name, patient()).call(3, amply); });
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start(twice)));
  CHECK_FALSE(error_of(client.wait_for_server(amply)));
  CHECK(client.call(1, amply).value() == 2);
  CHECK(asked.get().value() == 6);
}

TEST_CASE("client first: a server of other messages that has stopped is waited out") {
  GatedChannel channel;
  auto running = channel.client.call_async(nap(0), amply);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  SharedChannel<int>::Client client(channel.name);
  CHECK(error_of(client.wait_for_server(amply)) == Errc::layout_mismatch);
  channel.server.stop();
  const Stopwatch watch;
  CHECK(error_of(client.wait_for_server(50ms)) == Errc::server_stopped);
  CHECK(watch.elapsed() >= 50ms);
  channel.gate.open();
  CHECK_FALSE(error_of(running.get()));
}

#ifdef __linux__
TEST_CASE("client first: what a killed server of another protocol version left is no server") {
  const auto name = unique_name("first");
  leave_remains(name);
  {
    std::fstream record("/dev/shm/shared_channel." + name, std::ios::in | std::ios::out | std::ios::binary);
    record.seekp(8);
    record.put(99);
  }
  SharedChannel<int>::Client client(name);
  const Stopwatch watch;
  CHECK(error_of(client.wait_for_server(50ms)) == Errc::no_server);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(inspect(name).value().state == ChannelState::dead);
  CHECK(inspect(name).value().protocol_version == 99);
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start(twice)));
  CHECK(client.call(1, amply).value() == 2);
}
#endif

}  // namespace client_first_test
