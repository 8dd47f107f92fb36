// A process that stands still at the head of the queue (a debugger, SIGSTOP) costs the others nothing but its own slot.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace standing_still_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

TEST_CASE("slots: a process stopped at the head of the queue does not hinder the others") {
  GatedChannel channel(2);
  std::optional first(channel.client.call_async(nap(1), amply));
  std::optional second(channel.client.call_async(nap(1), amply));
  Process head = peer("call", channel.name, "1", "2");
  std::this_thread::sleep_for(500ms);  // longer than it takes to start, to queue, and to keep newcomers back
  head.suspend();
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

}  // namespace standing_still_test
