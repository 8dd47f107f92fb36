// A caller that stood still while its server was replaced.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace replaced_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Process first_server(const std::string& name) {
  Process server = peer("serve", name, "1");
  REQUIRE(server.read_line() == "ready");
  return server;
}

/// The server that follows, in this process, where what callers do to it can be seen.
class Successor {
 public:
  explicit Successor(const std::string& name) : server_(Channel::Server::create(name, one()).value()), segment_(name) {
    server_.start([this](const Ask& ask) { return Answer{ask.id, ++runs}; }).value();
  }
  [[nodiscard]] std::vector<std::byte> slot_array() const {
    const auto bytes = segment_.bytes().subspan(sizeof(detail::Header));
    return {bytes.begin(), bytes.end()};
  }

  std::atomic<std::uint64_t> runs{0};

 private:
  static ServerOptions one() {
    ServerOptions options;
    options.max_calls = 1;
    return options;
  }

  Channel::Server server_;
  LiveSegment segment_;
};

}  // namespace

TEST_CASE("replaced: a caller paused in its wait is told, and touches nothing of the new server") {
  const auto name = unique_name("replaced");
  Process first = first_server(name);
  Process caller = peer("hang", name);
  REQUIRE(caller.read_line() == "asking");
  REQUIRE(first.read_line() == "taken");
  caller.suspend();
  first.kill();
  first.wait();
  Successor next(name);
  const auto untouched = next.slot_array();
  caller.resume();
  CHECK(caller.read_line() == "server_died unsafe");
  CHECK(caller.wait() == ExitStatus{});
  CHECK(next.slot_array() == untouched);
  CHECK(next.runs == 0);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("replaced: a caller paused before it sent its request sends it to the new server") {
  const auto name = unique_name("replaced");
  Process first = first_server(name);
  Process caller = peer("hold", name);
  REQUIRE(caller.read_line() == "holding");
  caller.suspend();
  first.kill();
  first.wait();
  Successor next(name);
  const auto untouched = next.slot_array();
  caller.resume();
  caller.write_line("go");
  REQUIRE(caller.read_line() == "holding");  // a slot of the new server's
  CHECK(next.runs == 0);
  CHECK(next.slot_array() != untouched);
  caller.write_line("go");
  CHECK(caller.read_line() == "ok");
  CHECK(next.runs == 1);
}

}  // namespace replaced_faults
