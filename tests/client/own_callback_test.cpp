// A callback or a coroutine may hold the last reference to its client, as in most programs of this kind.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/outcome.hpp"
#include "support/task.hpp"
#include "support/time.hpp"

namespace own_callback_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Task ask(std::shared_ptr<Channel::Client> client, Outcome<Answer>& outcome) {
  outcome.put(co_await client->call_async(nap(1), amply));
}

}  // namespace

TEST_CASE("own callback: the last reference to a client goes with it") {
  GatedChannel channel;
  Outcome<Answer> outcome;
  auto client = std::make_shared<Channel::Client>(channel.name);
  const std::weak_ptr<Channel::Client> left = client;
  auto* const raw = client.get();
  REQUIRE(raw->call_async(nap(1), amply, [&outcome, client = std::move(client)](Result<Answer> result) {
    outcome.put(std::move(result));
  }));
  CHECK_FALSE(left.expired());
  channel.gate.open();
  CHECK(outcome.comes());
  CHECK_FALSE(error_of(outcome.last()));
  CHECK(eventually([&] { return left.expired(); }));
}

TEST_CASE("own callback: a client is destroyed inside it, and the other calls of that thread still end once") {
  GatedChannel channel;
  Outcome<Answer> outcome;
  auto client = std::make_unique<Channel::Client>(channel.name);
  std::atomic<bool> all_are_made{false}, has_destroyed{false};
  REQUIRE(client->call_async(nap(1), 30ms, [&](Result<Answer> result) {
    static_cast<void>(eventually([&] { return all_are_made.load(); }));
    client.reset();
    has_destroyed = true;
    outcome.put(std::move(result));
  }));
  for (int i = 0; i < 3; ++i) REQUIRE(client->call_async(nap(1), amply, outcome.callback()));
  all_are_made = true;
  CHECK(outcome.comes(4));
  CHECK(has_destroyed);
  CHECK(error_of(outcome.last()) == Errc::timed_out);
  channel.gate.open();
  std::this_thread::sleep_for(20ms);
  CHECK(outcome.count() == 4);
}

TEST_CASE("own callback: the last reference to a client goes with the frame of its own coroutine") {
  GatedChannel channel;
  Outcome<Answer> outcome;
  auto client = std::make_shared<Channel::Client>(channel.name);
  const std::weak_ptr<Channel::Client> left = client;
  ask(std::move(client), outcome);
  CHECK_FALSE(left.expired());
  channel.gate.open();
  CHECK(outcome.comes());
  CHECK_FALSE(error_of(outcome.last()));
  CHECK(eventually([&] { return left.expired(); }));
}

}  // namespace own_callback_test
