// A client and a server on a platform that counts: nobody is woken for nothing, and everybody who must be is.
#include "support/catch.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/fake_platform.hpp"
#include "support/time.hpp"

namespace fake_pair_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using fake::kernel;
using fake::Op;

TEST_CASE("fake pair: a call is answered and nothing is left") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("pair");
  server.start(std::ref(handler)).value();
  fake::Channel::Client client("pair");
  CHECK(client.call(fake::Ask{7}, amply).value().id == 7);
  CHECK(client.connected());
}

TEST_CASE("fake pair: sides that spin ring nobody") {
  const fake::World world;
  fake::Handler handler;
  ServerOptions serving;
  serving.wait = WaitPolicy::spin_only();
  fake::Channel::Server server("pair", serving);
  server.start(std::ref(handler)).value();
  ClientOptions calling;
  calling.wait = WaitPolicy::spin_only();
  fake::Channel::Client client("pair", calling);
  for (std::uint32_t id = 1; id <= 20; ++id) REQUIRE(client.call(fake::Ask{id}, amply).value().id == id);
  CHECK(kernel().count(Op::ring) == 0);
  CHECK(kernel().count(Op::ring_all) == 0);
  CHECK(kernel().count(Op::wait) == 0);
  CHECK(kernel().count(Op::open_signal) == 2);  // exec and slot_freed: no Done signal was needed
}

}  // namespace fake_pair_test
