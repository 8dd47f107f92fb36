// Callers whose timeouts are too short to sleep in learn what the others learn.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <string>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/overdue.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace impatient_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Process serving(const std::string& name, const char* slots = "16") {
  Process server = peer("serve", name, slots);
  REQUIRE(server.read_line() == "ready");
  return server;
}

void kill(Process& server) {
  server.kill();
  server.wait();
}

}  // namespace

TEST_CASE("impatient: a call without time tells that the server died, and the next one finds its successor") {
  const auto name = unique_name("impatient");
  Process server = serving(name);
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  kill(server);
  CHECK(error_of(client.call(echo(2), 0ns)) == Errc::server_died);
  CHECK(error_of(client.call(echo(3), 0ns)) == Errc::no_server);
  const Process successor = serving(name);
  const auto reply = client.call(echo(4), 0ns);
  CHECK((reply || error_of(reply) == Errc::timed_out));
  CHECK(client.connected());
}

TEST_CASE("impatient: so does one that ends while it spins") {
  const auto name = unique_name("impatient");
  Process server = serving(name);
  ClientOptions options;
  options.wait.spin = amply;
  Channel::Client client(name, options);
  CHECK(client.call(echo(1), amply).value().id == 1);
  kill(server);
  CHECK(error_of(client.call(echo(2), 100us)) == Errc::server_died);
}

TEST_CASE("impatient: a slot that the dead server's worker was in does not stay busy") {
  const auto name = unique_name("impatient");
  Process server = serving(name, "1");
  Channel::Client client(name);
  const auto given_up = overdue_call(client, hang, 100ms);
  REQUIRE(server.read_line() == "taken");
  CHECK(error_of(given_up) == Errc::timed_out);
  kill(server);
  CHECK(error_of(client.call(echo(1), 0ns)) == Errc::server_died);
  const Process successor = serving(name, "1");
  CHECK(client.call(echo(2), amply).value().id == 2);
}

}  // namespace impatient_test
