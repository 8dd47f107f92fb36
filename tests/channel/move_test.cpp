// Servers and clients that change hands.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace move_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

static Answer answer(const Ask& ask) { return {ask.id, 0}; }

TEST_CASE("move: a server goes on serving") {
  const auto name = unique_name("move");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  Channel::Server moved(std::move(server));
  CHECK(client.call(echo(2), amply).value().id == 2);
  moved.stop();
  CHECK(error_of(client.call(echo(3), amply)) == Errc::server_stopped);
}

TEST_CASE("move: a server that was moved from is an error and no crash") {
  Channel::Server server(unique_name("move"));
  const Channel::Server moved(std::move(server));
  server.stop();
  CHECK(error_of(server.start(answer)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(answer)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(answer, std::stop_token())) == Errc::invalid_argument);
  CHECK(error_of(server.serve_one(answer, 0ns)) == Errc::invalid_argument);
  CHECK(server.damaged_slots() == 0);
}

TEST_CASE("move: assigning to a server ends the channel that it had") {
  const auto first = unique_name("move");
  const auto second = unique_name("move");
  Channel::Server server(first);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(first);
  CHECK(client.call(echo(1), amply).value().id == 1);
  server = Channel::Server(second);
  CHECK_FALSE(client.connected());
  CHECK_FALSE(error_of(server.start(answer)));
  CHECK(Channel::Client(second).call(echo(2), amply).value().id == 2);
  CHECK_FALSE(error_of(Channel::Server::create(first)));
}

TEST_CASE("move: assigning to a server that was moved from revives it") {
  const auto name = unique_name("move");
  Channel::Server server(unique_name("move"));
  { const Channel::Server moved(std::move(server)); }
  server = Channel::Server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("move: a client keeps its connection") {
  const auto name = unique_name("move");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  Channel::Client moved(std::move(client));
  CHECK(moved.connected());
  CHECK(moved.call(echo(2), amply).value().id == 2);
}

TEST_CASE("move: a client that was moved from is an error and no crash") {
  const auto name = unique_name("move");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  const Channel::Client moved(std::move(client));
  CHECK(error_of(client.call(echo(1), amply)) == Errc::no_server);
  CHECK(error_of(client.call_in_place([](Ask&) {}, [](const Answer&) {}, amply)) == Errc::no_server);
  CHECK(error_of(client.wait_for_server(amply)) == Errc::no_server);
  CHECK_FALSE(client.connected());
}

TEST_CASE("move: assigning to a client takes the other's channel") {
  const auto first = unique_name("move");
  const auto second = unique_name("move");
  Channel::Server first_server(first);
  Channel::Server second_server(second);
  CHECK_FALSE(error_of(first_server.start([](const Ask& ask) { return Answer{ask.id, 1}; })));
  CHECK_FALSE(error_of(second_server.start([](const Ask& ask) { return Answer{ask.id, 2}; })));
  Channel::Client client(first);
  CHECK(client.call(echo(1), amply).value().runs == 1);
  client = Channel::Client(second);
  CHECK(client.call(echo(1), amply).value().runs == 2);
}

TEST_CASE("move: a pending call that was moved from keeps nothing of the one it was moved to") {
  const auto name = unique_name("move");
  Channel::Client early(name);
  auto pending = early.call_async(echo(1), amply);  // no server: refused
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  auto other = client.call_async(echo(2), amply);
  pending = std::move(other);
  CHECK(error_of(other.get()) == Errc::invalid_argument);
  CHECK(pending.get().value().id == 2);
}

TEST_CASE("move: to itself changes nothing") {
  const auto name = unique_name("move");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  auto& same_server = server;
  auto& same_client = client;
  server = std::move(same_server);
  client = std::move(same_client);
  CHECK(client.call(echo(1), amply).value().id == 1);
}

TEST_CASE("move: clients live in containers") {
  const auto name = unique_name("move");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  std::vector<Channel::Client> clients;
  for (std::uint64_t id = 0; id < 20; ++id) {
    clients.emplace_back(name);
    REQUIRE(clients.back().call(echo(id), amply).value().id == id);
  }
  clients.erase(clients.begin(), clients.begin() + 10);
  for (auto& client : clients) REQUIRE(client.call(echo(1), amply).value().id == 1);
}

}  // namespace move_test
