// Calls between two processes.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace round_trip_test {

using namespace shared_channel;
using namespace test_support;

TEST_CASE("round trip: a server in another process answers") {
  const auto name = unique_name("round-trip");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    const auto answer = client.call(echo(id), amply);
    REQUIRE(answer);
    REQUIRE(answer->id == id);
    REQUIRE(answer->runs == id);
  }
  CHECK(client.connected());
}

TEST_CASE("round trip: a client in another process is answered") {
  const auto name = unique_name("round-trip");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
  Process client = peer("call", name, "1000", "1");
  CHECK(client.read_line() == "ok");
}

TEST_CASE("round trip: every waiting policy meets every other") {
  const WaitPolicy policies[] = {WaitPolicy::sleep(), WaitPolicy::spin_only(), WaitPolicy{}};
  for (const WaitPolicy servers : policies) {
    const auto name = unique_name("round-trip");
    ServerOptions options;
    options.wait = servers;
    Channel::Server server(name, options);
    CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
    for (const WaitPolicy clients : policies) {
      ClientOptions client_options;
      client_options.wait = clients;
      Channel::Client client(name, client_options);
      for (std::uint64_t id = 1; id <= 50; ++id) {
        const auto answer = client.call(echo(id), amply);
        REQUIRE(answer);
        REQUIRE(answer->id == id);
      }
    }
  }
}

TEST_CASE("round trip: large blocks go there and back in place") {
  const auto name = unique_name("round-trip");
  Process server = peer("serve_blocks", name);
  REQUIRE(server.read_line() == "ready");
  CHECK(peer("attach", name, "block").read_line() == "ok");
}

TEST_CASE("round trip: nothing stays behind") {
  const auto name = unique_name("round-trip");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  CHECK(peer("call", name, "10", "1").read_line() == "ok");
  server.close_input();
  CHECK(server.wait() == ExitStatus{0, false});
  CHECK(shm_entries("shared_channel." + name).empty());
}

}  // namespace round_trip_test
