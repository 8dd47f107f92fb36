// Calls that are cancelled by a std::stop_token: they end soon, wherever they wait, and tell the truth about execution.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/overdue.hpp"
#include "support/seen.hpp"
#include "support/time.hpp"

namespace stop_token_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

constexpr std::chrono::nanoseconds forever = (std::chrono::nanoseconds::max)();

ClientOptions waiting(WaitPolicy policy) {
  ClientOptions options;
  options.wait = policy;
  return options;
}

// Makes a call on a thread of its own, and cancels it once it has had time to fall asleep; sooner is as good.
template <class Call>
auto cancelled(Call call, std::chrono::nanoseconds after = 20ms) {
  std::stop_source source;
  auto asked = std::async(std::launch::async, [&] { return call(source.get_token()); });
  static_cast<void>(asked.wait_for(after));
  const Stopwatch watch;
  source.request_stop();
  auto answer = asked.get();
  CHECK(watch.elapsed() < promptly);
  return answer;
}

template <class T>
void check_cancelled(const Result<T>& answer, bool not_executed) {
  REQUIRE(error_of(answer) == Errc::cancelled);
  CHECK(answer.error().not_executed() == not_executed);
  CHECK(answer.error().safe_to_retry() == not_executed);
}

// A call that nobody has taken, cancelled in its sleep at two moments, so that one that woke by itself now and then
// would be late for one of them. The quickest of many: the others measure the machine. An idle one takes microseconds.
template <class Call>
void check_ends_soon(const Call& call) {
  constexpr auto soon = 4ms;
  for (const auto after : {5ms, 23ms}) {
    std::chrono::nanoseconds quickest = forever;
    for (const Stopwatch whole; quickest >= soon && whole.elapsed() < 15s;) {
      std::stop_source source;
      auto asked = std::async(std::launch::async, [&] { return call(source.get_token()); });
      static_cast<void>(asked.wait_for(after));
      const Stopwatch watch;
      source.request_stop();
      const auto answer = asked.get();
      quickest = (std::min)(quickest, watch.elapsed());
      check_cancelled(answer, true);
    }
    CHECK(quickest < soon);
  }
}

}  // namespace

TEST_CASE("stop token: a call whose request was not taken is withdrawn and never runs") {
  for (const WaitPolicy policy : {WaitPolicy(), WaitPolicy::sleep(), WaitPolicy::spin_only()}) {
    const auto name = unique_name("stop");
    Channel::Server server(name);
    Channel::Client client(name, waiting(policy));
    const auto answer = cancelled([&](std::stop_token token) { return client.call(echo(1), forever, token); });
    check_cancelled(answer, true);
    CHECK(answer.error().cause() == "the call was cancelled before the server took the request, which never runs");
    Gate gate;
    CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
  }
}

TEST_CASE("stop token: a call whose handler runs may have run, and its answer reaches nobody") {
  for (const WaitPolicy policy : {WaitPolicy(), WaitPolicy::sleep(), WaitPolicy::spin_only()}) {
    GatedChannel channel(1, waiting(policy));
    std::stop_source source;
    auto asked =
        std::async(std::launch::async, [&] { return channel.client.call(nap(1, 1), forever, source.get_token()); });
    REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
    source.request_stop();
    const auto answer = asked.get();
    check_cancelled(answer, false);
    CHECK(answer.error().cause() ==
          "the call was cancelled before its reply came; the handler may still be running and its reply will be "
          "dropped");
    channel.gate.open();
    CHECK(channel.client.call(echo(2), amply).value().id == 2);
  }
}

TEST_CASE("stop token: a caller that sleeps is woken, and need not wake by itself") {
  const auto name = unique_name("stop");
  SECTION("for an answer") {
    Channel::Server server(name);
    Channel::Client client(name, waiting(WaitPolicy::sleep()));
    check_ends_soon([&](std::stop_token token) { return client.call(echo(1), forever, token); });
  }
  SECTION("for a slot, as the first and behind another") {
    GatedChannel channel(1, waiting(WaitPolicy::sleep()));
    auto first = std::async(std::launch::async, [&] { return channel.client.call(nap(1, 1), amply); });
    REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
    const auto call = [&](std::stop_token token) { return channel.client.call(echo(2), forever, token); };
    check_ends_soon(call);
    auto second = std::async(std::launch::async, [&] { return channel.client.call(echo(3), amply); });
    REQUIRE(slot_is_awaited(channel.name));
    check_ends_soon(call);
    channel.gate.open();
    CHECK(first.get());
    CHECK(second.get().value().id == 3);
  }
  SECTION("for a server") {
    Channel::Client client(name);
    check_ends_soon([&](std::stop_token token) { return client.wait_for_server(forever, token); });
  }
}

TEST_CASE("stop token: the handler learns it") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  std::atomic<bool> is_running{false}, has_learnt{false};
  server
      .start([&](const Ask& ask, const CallContext& call) {
        is_running = true;
        has_learnt = eventually([&] { return call.cancelled(); });
        return Answer{ask.id, 0};
      })
      .value();
  Channel::Client client(name);
  std::stop_source source;
  auto asked = std::async(std::launch::async, [&] { return client.call(echo(1), forever, source.get_token()); });
  REQUIRE(eventually([&] { return is_running.load(); }));
  source.request_stop();
  check_cancelled(asked.get(), false);
  CHECK(eventually([&] { return has_learnt.load(); }));
}

TEST_CASE("stop token: an answer that is there is the answer") {
  GatedChannel channel;
  std::stop_source source;
  CHECK(channel.client.call(echo(1), amply, source.get_token()).value().id == 1);
  const auto other = channel.client.call(echo(2), amply, std::stop_token());
  CHECK(other.value().id == 2);
}

TEST_CASE("stop token: a call that is cancelled before it begins sends nothing") {
  GatedChannel channel;
  std::stop_source source;
  source.request_stop();
  check_cancelled(channel.client.call(echo(1), amply, source.get_token()), true);
  check_cancelled(channel.client.wait_for_server(amply, source.get_token()), true);
  CHECK(channel.gate.runs == 0);
}

TEST_CASE("stop token: a caller that waits for a server is called away") {
  const auto name = unique_name("stop");
  Channel::Client client(name);
  check_cancelled(cancelled([&](std::stop_token token) { return client.wait_for_server(forever, token); }), true);
  ClientOptions patient;
  patient.wait_for_server = true;
  Channel::Client other(name, patient);
  check_cancelled(cancelled([&](std::stop_token token) { return other.call(echo(1), forever, token); }), true);
}

TEST_CASE("stop token: a caller that waits for another thread to connect is called away") {
  ClientOptions patient;
  patient.wait_for_server = true;
  Channel::Client client(unique_name("stop"), patient);
  std::stop_source source;
  std::vector<std::future<Result<Answer>>> asked;
  for (int caller = 0; caller < 4; ++caller)
    asked.push_back(std::async(std::launch::async, [&] { return client.call(echo(1), forever, source.get_token()); }));
  std::this_thread::sleep_for(20ms);  // nobody can see that they wait; a call that begins later ends so as well
  source.request_stop();
  for (auto& one : asked) check_cancelled(one.get(), true);
}

TEST_CASE("stop token: callers that queue for a slot are called away, and the others keep their places") {
  GatedChannel channel(1);
  auto first = std::async(std::launch::async, [&] { return channel.client.call(nap(1, 1), amply); });
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  std::stop_source source;
  std::vector<std::future<Result<Answer>>>
      queued;  // one is the head, which sleeps on the slot; the others on the mutex
  for (int caller = 0; caller < 3; ++caller)
    queued.push_back(
        std::async(std::launch::async, [&] { return channel.client.call(echo(2), forever, source.get_token()); }));
  auto stays = std::async(std::launch::async, [&] { return channel.client.call(echo(3), amply); });
  REQUIRE(slot_is_awaited(channel.name));
  const Stopwatch watch;
  source.request_stop();
  for (auto& one : queued) {
    const auto answer = one.get();
    check_cancelled(answer, true);
  }
  CHECK(watch.elapsed() < promptly);
  CHECK(channel.gate.runs == 1);
  channel.gate.open();
  CHECK(first.get().value().id == 1);
  CHECK(stays.get().value().id == 3);
}

TEST_CASE("stop token: a caller that waits in the queue to be served is served") {
  GatedChannel channel(1);
  auto first = std::async(std::launch::async, [&] { return channel.client.call(nap(1, 1), amply); });
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  std::stop_source source;
  auto second = std::async(std::launch::async, [&] { return channel.client.call(echo(2), amply, source.get_token()); });
  auto third = std::async(std::launch::async, [&] { return channel.client.call(echo(3), amply, source.get_token()); });
  REQUIRE(slot_is_awaited(channel.name));
  channel.gate.open();
  CHECK(first.get().value().id == 1);
  CHECK(second.get().value().id == 2);
  CHECK(third.get().value().id == 3);
}

TEST_CASE("stop token: a deadline passes although there is a token") {
  GatedChannel channel(1);
  std::stop_source source;
  CHECK(error_of(overdue_call(channel.client, nap(1), 30ms, source.get_token())) == Errc::timed_out);
  CHECK(error_of(channel.client.call(echo(1), 30ms, source.get_token())) == Errc::busy);
  const auto none = Channel::Client(unique_name("stop")).wait_for_server(20ms, source.get_token());
  CHECK(error_of(none) == Errc::no_server);
}

TEST_CASE("stop token: a call in place is cancelled alike, and may be by its own fill") {
  GatedChannel channel;
  const auto ignore = [](const Answer&) {};
  const auto elsewhere = cancelled([&](std::stop_token token) {
    return channel.client.call_in_place([](Ask& ask) { ask = nap(1); }, ignore, forever, token);
  });
  check_cancelled(elsewhere, channel.gate.runs == 0);
  std::stop_source source;
  const auto answer = channel.client.call_in_place(
      [&](Ask& ask) {
        ask = nap(1);
        source.request_stop();
      },
      ignore, forever, source.get_token());
  CHECK(error_of(answer) == Errc::cancelled);

  const auto name = unique_name("stop");
  SharedChannel<Bytes>::Server server(name);
  SharedChannel<Bytes>::Client client(name);
  check_cancelled(cancelled([&](std::stop_token token) {
                    return client.call_in_place([](std::span<std::byte>) { return std::size_t{1}; },
                                                [](std::span<const std::byte>) {}, forever, token);
                  }),
                  true);
}

TEST_CASE("stop token: cancelled and answered at once, a call ends in one of the two") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  Channel::Client client(name, waiting(WaitPolicy::sleep()));
  int answered = 0;
  for (std::uint64_t id = 0; id < 500; ++id) {
    std::stop_source source;
    std::atomic<bool> go{false};
    std::jthread canceller([&] {
      while (!go) std::this_thread::yield();
      for (std::uint64_t turn = 0; turn < id % 50 * 20; ++turn) std::atomic_signal_fence(std::memory_order_seq_cst);
      source.request_stop();
    });
    go = true;
    const auto answer = client.call(echo(id), amply, source.get_token());
    if (answer) {
      ++answered;
      REQUIRE(answer->id == id);
    } else {
      REQUIRE(answer.error().code() == Errc::cancelled);
    }
  }
  INFO(answered);
  CHECK(client.call(echo(1), amply));
}

}  // namespace stop_token_test
