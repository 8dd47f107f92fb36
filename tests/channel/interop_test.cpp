// 32-bit and 64-bit programs on one channel.
#ifdef __linux__

#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

using namespace shared_channel;
using namespace test_support;

TEST_CASE("interop: a 32-bit client of a 64-bit server", "[peer32]") {
  const auto name = unique_name("interop");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
  CHECK(peer32("call", name, "1000", "1099511627776").read_line() == "ok");
}

TEST_CASE("interop: a 64-bit client of a 32-bit server", "[peer32]") {
  const auto name = unique_name("interop");
  Process server = peer32("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  for (std::uint64_t id = 1; id <= 1000; ++id) REQUIRE(client.call(echo(id << 40), amply).value().id == id << 40);
}

TEST_CASE("interop: large messages", "[peer32]") {
  const auto name = unique_name("interop");
  Process server = peer("serve_blocks", name);
  REQUIRE(server.read_line() == "ready");
  CHECK(peer32("attach", name, "block").read_line() == "ok");
}

TEST_CASE("interop: types of different widths are refused", "[peer32]") {
  const auto name = unique_name("interop");
  SharedChannel<long>::Server server(name);
  CHECK_FALSE(error_of(server.start([](long value) { return value; })));
  CHECK(peer32("attach", name, "long").read_line() == "layout_mismatch safe");
  CHECK(peer("attach", name, "long").read_line() == "ok");
}

TEST_CASE("interop: both kinds of clients share the slots", "[peer32]") {
  const auto name = unique_name("interop");
  ServerOptions options;
  options.max_calls = 1;
  Channel::Server server(name, options);
  CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
  Process narrow = peer32("call", name, "300", "1");
  Process wide = peer("call", name, "300", "1000");
  CHECK(narrow.read_line() == "ok");
  CHECK(wide.read_line() == "ok");
}

TEST_CASE("interop: death is seen across the widths", "[peer32]") {
  const auto name = unique_name("interop");
  Channel::Client client(name);
  {
    Process server = peer32("serve", name);
    REQUIRE(server.read_line() == "ready");
    CHECK(client.call(echo(1), amply).value().id == 1);
    server.kill();
    const Stopwatch watch;
    while (client.connected()) REQUIRE(watch.elapsed() < promptly);
  }
  Process server = peer("serve", name, "1");
  REQUIRE(server.read_line() == "ready");
  Process holder = peer32("hold", name);
  REQUIRE(holder.read_line() == "holding");
  holder.kill();
  CHECK(client.call(echo(2), amply).value().id == 2);
  server.close_input();
  server.wait();
  CHECK(shm_entries("shared_channel." + name).empty());
}

#endif

namespace interop_test {}  // namespace interop_test
