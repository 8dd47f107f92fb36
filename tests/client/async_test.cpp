// Calls that their caller does not wait for, in all their forms.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/outcome.hpp"
#include "support/resources.hpp"

namespace async_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using std::chrono::nanoseconds;

namespace {

using Pending = PendingCall<Answer>;
static_assert(!std::is_copy_constructible_v<Pending> && std::is_nothrow_move_constructible_v<Pending>);

ClientOptions with(WaitPolicy policy) {
  ClientOptions options;
  options.wait = policy;
  return options;
}

}  // namespace

TEST_CASE("async: the answer comes through get") {
  GatedChannel channel;
  auto pending = channel.client.call_async(echo(7), amply);
  CHECK(pending.get().value().id == 7);
}

TEST_CASE("async: ready and wait tell when get does not block") {
  GatedChannel channel;
  auto pending = channel.client.call_async(nap(0, 7), amply);
  CHECK_FALSE(pending.ready());
  CHECK_FALSE(pending.wait(0ns));
  const Stopwatch watch;
  CHECK_FALSE(pending.wait(20ms));
  CHECK(watch.elapsed() >= 20ms);
  channel.gate.open();
  CHECK(pending.wait(amply));
  CHECK(pending.ready());
  CHECK(pending.get().value().id == 7);
  CHECK(pending.ready());
  CHECK(pending.wait(0ns));
  CHECK(error_of(pending.get()) == Errc::invalid_argument);
}

TEST_CASE("async: every waiting policy works for every form") {
  for (const WaitPolicy policy : {WaitPolicy{}, WaitPolicy::sleep(), WaitPolicy::spin_only()}) {
    GatedChannel channel(16, with(policy));
    auto waited = channel.client.call_async(nap(0, 1), amply);
    auto watched = channel.client.call_async(nap(0, 2), amply);
    const auto handle = watched.native_handle();
    Outcome<Answer> outcome;
    CHECK_FALSE(error_of(channel.client.call_async(nap(0, 3), amply, outcome.callback())));
    CHECK_FALSE(waited.wait(20ms));
    channel.gate.open();
    CHECK(waited.get().value().id == 1);
    CHECK(is_signalled(handle, 60s));
    CHECK(watched.get().value().id == 2);
    REQUIRE(outcome.comes());
    CHECK(outcome.last().value().id == 3);
  }
}

TEST_CASE("async: many calls are in flight at once and may be asked for in any order") {
  GatedChannel channel;
  std::vector<Pending> pending;
  for (std::uint64_t id = 0; id < 16; ++id) pending.push_back(channel.client.call_async(nap(0, id), amply));
  channel.gate.open();
  for (const std::size_t i : {15u, 0u, 7u, 8u, 1u, 14u, 2u, 13u, 3u, 12u, 4u, 11u, 5u, 10u, 6u, 9u})
    REQUIRE(pending[i].get().value().id == i);
}

TEST_CASE("async: beyond the slots a call queues, and is busy at the deadline") {
  GatedChannel channel(2);
  auto first = channel.client.call_async(nap(0, 1), amply);
  auto second = channel.client.call_async(nap(0, 2), amply);
  const Stopwatch watch;
  auto third = channel.client.call_async(nap(0, 3), 30ms);
  CHECK(watch.elapsed() >= 30ms);
  CHECK(third.ready());
  const auto answer = third.get();
  REQUIRE(error_of(answer) == Errc::busy);
  CHECK(answer.error().not_executed());

  auto taken = std::async(std::launch::async, [&] {
    std::this_thread::sleep_for(30ms);
    channel.gate.open();
    return first.get();
  });
  CHECK(channel.client.call_async(echo(4), amply).get().value().id == 4);
  CHECK(taken.get());
  CHECK(second.get());
}

TEST_CASE("async: a dropped call that the server has not taken never runs") {
  const auto name = unique_name("async");
  Channel::Server server(name);
  Channel::Client client(name);
  { const auto dropped = client.call_async(echo(1), amply); }
  {
    auto watched = client.call_async(echo(2), amply);
    CHECK_FALSE(is_signalled(watched.native_handle(), 10ms));
  }
  auto assigned = client.call_async(echo(3), amply);
  assigned = client.call_async(echo(4), amply);
  Gate gate;
  CHECK(server.serve_one(std::ref(gate), amply).value());
  CHECK(assigned.get().value().id == 4);
  CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
  CHECK(gate.runs == 1);
}

TEST_CASE("async: the reply of a dropped call is discarded and its slot comes back") {
  for (const bool watched : {false, true}) {
    GatedChannel channel(1);
    {
      auto dropped = channel.client.call_async(nap(0, 1), amply);
      if (watched) (void)dropped.native_handle();
      REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
    }
    channel.gate.open();
    for (std::uint64_t id = 2; id < 10; ++id) REQUIRE(channel.client.call(echo(id), amply).value().id == id);
    {
      auto unread = channel.client.call_async(echo(10), amply);
      REQUIRE(unread.wait(amply));
    }
    CHECK(channel.client.call(echo(11), amply).value().id == 11);
  }
}

TEST_CASE("async: a callback may use its client, even where that has one slot") {
  Outcome<Answer> outcome;
  std::atomic<int> errors{0};
  GatedChannel channel(1);
  std::function<void(Result<Answer>)> again = [&](Result<Answer> result) {
    const auto id = result.value().id;
    if (id == 50) return outcome.put(std::move(result));
    if (!channel.client.call(echo(1000), amply)) ++errors;
    if (!channel.client.call_async(echo(2000), amply).get()) ++errors;
    if (!channel.client.call_async(echo(id + 1), amply, again)) ++errors;
  };
  CHECK_FALSE(error_of(channel.client.call_async(echo(1), amply, again)));
  REQUIRE(outcome.comes());
  CHECK(outcome.last().value().id == 50);
  CHECK(errors == 0);
}

TEST_CASE("async: more callbacks than one thread can watch") {
  constexpr int count = 200;
  GatedChannel channel(count);
  CHECK(channel.client.call(echo(0), amply));
  const auto threads = thread_count();
  std::vector<std::uint64_t> ids;
  std::mutex mutex;
  Outcome<Answer> outcome;
  for (std::uint64_t id = 0; id < count; ++id) {
    const auto done = [&](Result<Answer> result) {
      {
        const std::lock_guard lock(mutex);
        ids.push_back(result.value().id);
      }
      outcome.put(std::move(result));
    };
    REQUIRE_FALSE(error_of(channel.client.call_async(nap(0, id), amply, done)));
  }
  CHECK(thread_count() == threads + 4);
  channel.gate.open();
  REQUIRE(outcome.comes(count));
  std::sort(ids.begin(), ids.end());
  for (std::size_t id = 0; id < count; ++id) REQUIRE(ids[id] == id);
}

TEST_CASE("async: there is a thread only once something is to happen by itself, and until the client ends") {
  GatedChannel channel;
  const auto threads = thread_count();
  {
    Channel::Client client(channel.name);
    for (std::uint64_t id = 0; id < 10; ++id) CHECK(client.call_async(echo(id), amply).get());
    CHECK(thread_count() == threads);
    Outcome<Answer> outcome;
    for (int i = 1; i <= 10; ++i) {
      CHECK_FALSE(error_of(client.call_async(echo(1), amply, outcome.callback())));
      CHECK(outcome.comes(i));
    }
    CHECK(thread_count() == threads + 1);
  }
  CHECK(thread_count() == threads);
}

TEST_CASE("async: pending calls and clients are moved") {
  GatedChannel channel;
  Channel::Client client = std::move(channel.client);
  auto first = client.call_async(nap(0, 1), amply);
  Pending second = std::move(first);
  CHECK(first.ready());
  CHECK(error_of(first.get()) == Errc::invalid_argument);
  const auto handle = second.native_handle();
  Pending third = std::move(second);
  Channel::Client other = std::move(client);
  channel.gate.open();
  CHECK(is_signalled(handle, 60s));
  CHECK(third.get().value().id == 1);
  CHECK(error_of(client.call_async(echo(2)).get()) == Errc::no_server);
  CHECK(error_of(client.call_async(echo(2), 1s, [](Result<Answer>) {})) == Errc::no_server);

  Pending refused = client.call_async(echo(2));
  Pending fourth = std::move(refused);
  CHECK(error_of(refused.get()) == Errc::invalid_argument);
  third = std::move(fourth);
  CHECK(error_of(fourth.get()) == Errc::invalid_argument);
  CHECK(error_of(third.get()) == Errc::no_server);
}

TEST_CASE("async: values of any length travel") {
  using Text = SharedChannel<std::string>;
  const auto name = unique_name("async");
  ServerOptions options;
  options.max_request_bytes = options.max_reply_bytes = 1000;
  Text::Server server(name, options);
  server.start([](const std::string& text) { return text + text; }).value();
  Text::Client client(name);
  auto pending = client.call_async("ab", amply);
  CHECK(pending.get().value() == "abab");
  CHECK(error_of(client.call_async(std::string(2000, 'x'), amply).get()) == Errc::message_too_large);
  auto too_long_an_answer = client.call_async(std::string(600, 'x'), amply);
  CHECK(error_of(too_long_an_answer.get()) == Errc::message_too_large);
  Outcome<std::string> outcome;
  CHECK_FALSE(error_of(client.call_async(std::string(100, 'y'), amply, outcome.callback())));
  REQUIRE(outcome.comes());
  CHECK(outcome.last().value() == std::string(200, 'y'));
}

}  // namespace async_test
