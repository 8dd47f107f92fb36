// How a program's own loop, and a coroutine, wait for an asynchronous call.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/outcome.hpp"
#include "support/task.hpp"

namespace async_waiting_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

TEST_CASE("async waiting: a native handle is signalled once the answer is there, and stays so") {
  GatedChannel channel;
  auto pending = channel.client.call_async(nap(0, 7), amply);
  const auto handle = pending.native_handle();
  CHECK(pending.native_handle() == handle);
  CHECK_FALSE(is_signalled(handle, 10ms));
  CHECK_FALSE(ends_event_loop(handle, 10ms));
  channel.gate.open();
  CHECK(is_signalled(handle, 60s));
  CHECK(ends_event_loop(handle, 0ms));
  CHECK(pending.ready());
  CHECK(pending.get().value().id == 7);
  CHECK(is_signalled(handle, 0ms));

  auto answered = channel.client.call_async(echo(8), amply);
  REQUIRE(answered.wait(amply));
  CHECK(is_signalled(answered.native_handle(), 0ms));
  CHECK(answered.get().value().id == 8);
}

TEST_CASE("async waiting: a watched call can be waited for in the ordinary way, also on the completion thread") {
  GatedChannel channel;
  auto pending = channel.client.call_async(nap(0, 1), amply);
  auto other = channel.client.call_async(nap(0, 2), amply);
  (void)pending.native_handle();
  (void)other.native_handle();
  CHECK_FALSE(pending.wait(10ms));
  Outcome<Answer> outcome;
  CHECK_FALSE(error_of(channel.client.call_async(nap(0, 3), amply, [&](Result<Answer>) { outcome.put(other.get()); })));
  std::thread opener([&] {
    std::this_thread::sleep_for(30ms);
    channel.gate.open();
  });
  CHECK(pending.get().value().id == 1);
  REQUIRE(outcome.comes());
  CHECK(outcome.last().value().id == 2);
  opener.join();
}

TEST_CASE("async waiting: a watched call can be waited for while a callback occupies the completion thread") {
  GatedChannel channel;
  Outcome<Answer> outcome;
  std::atomic<bool> has_begun{false};
  std::atomic<bool> may_end{false};
  CHECK_FALSE(error_of(channel.client.call_async(echo(1), amply, [&](Result<Answer> answer) {
    has_begun = true;
    wait_for(may_end);
    outcome.put(std::move(answer));
  })));
  auto pending = channel.client.call_async(nap(0, 2), (std::chrono::nanoseconds::max)());
  (void)pending.native_handle();
  REQUIRE(eventually([&] { return has_begun.load(); }));
  std::thread opener([&] {
    std::this_thread::sleep_for(30ms);
    channel.gate.open();
  });
  const Stopwatch watch;
  CHECK(pending.wait(amply));
  CHECK(watch.elapsed() < promptly);
  CHECK(outcome.count() == 0);
  may_end = true;
  opener.join();
  CHECK(pending.get().value().id == 2);
  CHECK(outcome.comes());
}

TEST_CASE("async waiting: a coroutine goes on with the answer") {
  GatedChannel channel;
  Outcome<Answer> outcome;
  std::thread::id resumed_on;
  const auto ask_thrice = [&]() -> Task {
    std::uint64_t sum = 0;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      const auto answer = co_await channel.client.call_async(nap(0, id), amply);
      sum += answer.value().id;
      resumed_on = std::this_thread::get_id();
    }
    auto ready = channel.client.call_async(echo(4), amply);
    ready.wait(amply);
    outcome.put(Answer{sum + (co_await std::move(ready)).value().id, 0});
  };
  ask_thrice();
  CHECK(outcome.count() == 0);
  channel.gate.open();
  REQUIRE(outcome.comes());
  CHECK(outcome.last().value().id == 10);
  CHECK(resumed_on != std::this_thread::get_id());
}

TEST_CASE("async waiting: a coroutine that is destroyed while it waits withdraws its call") {
  const auto name = unique_name("async");
  Channel::Server server(name);
  Channel::Client client(name);
  bool went_on = false;
  const auto ask = [&]() -> Task {
    (void)co_await client.call_async(echo(1), amply);
    went_on = true;
  };
  ask().handle.destroy();
  Gate gate;
  CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
  CHECK_FALSE(went_on);
}

}  // namespace async_waiting_test
