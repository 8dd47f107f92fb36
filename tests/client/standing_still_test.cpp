// A process that stands still at the head of the queue (a debugger, SIGSTOP) costs the others nothing but its own slot.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace standing_still_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

// A process that queues for a slot and stands still there. All slots are occupied.
Process standing_head(const std::string& channel) {
  Process head = peer("call", channel, "1", "2");
  const faults::LiveSegment segment(channel);
  REQUIRE(eventually([&] { return segment.header().slot_freed.starving == 1; }));  // it has slept, and looked again
  head.suspend();
  return head;
}

}  // namespace

TEST_CASE("standing still: a process stopped at the head of the queue does not hinder the others") {
  GatedChannel channel(2);
  std::optional first(channel.client.call_async(nap(1), amply));
  std::optional second(channel.client.call_async(nap(1), amply));
  Process head = standing_head(channel.name);
  channel.gate.open();
  CHECK(first->get());
  CHECK(second->get());

  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> callers;
    for (std::uint64_t id = 0; id < 4; ++id) {
      callers.emplace_back([&, id] {
        Channel::Client client(channel.name);
        for (int i = 0; i < 20; ++i) {
          const auto reply = client.call(echo(id), promptly);
          if (reply && reply->id == id) ++answered;
        }
      });
    }
  }
  CHECK(answered == 80);
  head.resume();
  CHECK(head.wait() == ExitStatus{});
}

TEST_CASE("standing still: with a process stopped at the head of the queue, the slots of the dead come back") {
  GatedChannel channel(2);
  Process living = peer("hold", channel.name);
  REQUIRE(living.read_line() == "holding");
  Process owner = peer("hold", channel.name);
  REQUIRE(owner.read_line() == "holding");
  Process head = standing_head(channel.name);
  owner.kill();
  owner.wait();
  Channel::Client client(channel.name);
  for (std::uint64_t id = 3; id < 6; ++id) CHECK(client.call(echo(id), promptly).value().id == id);
  living.write_line("go");
  CHECK(living.read_line() == "ok");
  head.resume();
  CHECK(head.wait() == ExitStatus{});
}

}  // namespace standing_still_test
