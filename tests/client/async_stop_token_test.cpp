// Asynchronous calls that a std::stop_token ends, in all their forms.
#include "support/catch.hpp"

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <stop_token>
#include <thread>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/outcome.hpp"
#include "support/raw.hpp"
#include "support/task.hpp"
#include "support/time.hpp"

namespace async_stop_token_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

template <class T>
void check_cancelled(const Result<T>& answer, bool not_executed) {
  REQUIRE(error_of(answer) == Errc::cancelled);
  CHECK(answer.error().not_executed() == not_executed);
}

}  // namespace

TEST_CASE("async stop token: a callback is called, and a request that nobody took never runs") {
  const auto name = unique_name("stop");
  Channel::Server server(name);
  Channel::Client client(name);
  std::stop_source source;
  Outcome<Answer> outcome;
  client.call_async(echo(1), amply, outcome.callback(), source.get_token()).value();
  CHECK(outcome.count() == 0);
  source.request_stop();
  REQUIRE(outcome.comes());
  check_cancelled(outcome.last(), true);
  Gate gate;
  CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
  CHECK(outcome.count() == 1);
}

TEST_CASE("async stop token: a call whose handler runs may have run, and its slot comes back") {
  GatedChannel channel(1);
  std::stop_source source;
  Outcome<Answer> outcome;
  channel.client.call_async(nap(1), amply, outcome.callback(), source.get_token()).value();
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  source.request_stop();
  REQUIRE(outcome.comes());
  check_cancelled(outcome.last(), false);
  channel.gate.open();
  CHECK(channel.client.call(echo(2), amply).value().id == 2);
}

TEST_CASE("async stop token: a coroutine goes on that has its call cancelled") {
  GatedChannel channel;
  std::stop_source source;
  Outcome<Answer> outcome;
  auto pending = channel.client.call_async(nap(1), amply);
  const std::stop_callback on_stop(source.get_token(), [&] { pending.cancel(); });
  const auto wait = [](PendingCall<Answer>& call, Outcome<Answer>& got) -> Task { got.put(co_await call); };
  wait(pending, outcome);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  CHECK(outcome.count() == 0);
  source.request_stop();
  REQUIRE(outcome.comes());
  check_cancelled(outcome.last(), false);
}

TEST_CASE("async stop token: asked before the request is sent nothing is sent") {
  GatedChannel channel;
  std::stop_source source;
  source.request_stop();
  Outcome<Answer> outcome;
  check_cancelled(channel.client.call_async(echo(1), amply, outcome.callback(), source.get_token()), true);
  CHECK(outcome.count() == 0);
  CHECK(channel.gate.runs == 0);
}

TEST_CASE("async stop token: who waits for a slot is called away") {
  GatedChannel channel(1);
  const auto occupant = channel.client.call_async(nap(1), amply);
  std::stop_source source;
  auto queueing = std::async(std::launch::async, [&] {
    Outcome<Answer> never;
    auto begun = channel.client.call_async(echo(2), amply, never.callback(), source.get_token());
    CHECK(never.count() == 0);
    return begun;
  });
  CHECK(queueing.wait_for(20ms) == std::future_status::timeout);
  source.request_stop();
  check_cancelled(queueing.get(), true);
}

TEST_CASE("async stop token: an answer that came is the answer, and a token need not be able to stop") {
  GatedChannel channel;
  for (const std::stop_token& token : {std::stop_source().get_token(), std::stop_token()}) {
    Outcome<Answer> outcome;
    channel.client.call_async(echo(3), amply, outcome.callback(), token).value();
    REQUIRE(outcome.comes());
    CHECK(outcome.last().value().id == 3);
  }
}

TEST_CASE("async stop token: the callback itself may ask, and many calls have one token") {
  GatedChannel channel;
  std::stop_source source;
  Outcome<Answer> others;
  for (int i = 0; i < 8; ++i) channel.client.call_async(nap(1), amply, others.callback(), source.get_token()).value();
  Outcome<Answer> outcome;
  const auto done = [&](Result<Answer> answer) {
    source.request_stop();
    outcome.put(std::move(answer));
  };
  auto client = std::optional<Channel::Client>(channel.name);
  client->call_async(nap(2), 30ms, done, source.get_token()).value();
  REQUIRE(outcome.comes());
  CHECK(error_of(outcome.last()) == Errc::timed_out);
  REQUIRE(others.comes(8));
  check_cancelled(others.last(), others.last().error().not_executed());
}

TEST_CASE("async stop token: asked while the call ends it does no harm") {
  GatedChannel channel;
  for (std::uint64_t id = 0; id < 200; ++id) {
    std::stop_source source;
    std::atomic<bool> go{false};
    std::jthread asking([&] {
      while (!go) std::this_thread::yield();
      source.request_stop();
    });
    Outcome<Answer> outcome;
    go = true;
    const auto begun = channel.client.call_async(echo(id), amply, outcome.callback(), source.get_token());
    if (!begun) outcome.put(begun.error());
    REQUIRE(outcome.comes());
    const auto answer = outcome.last();
    CHECK((answer ? answer->id == id : answer.error().code() == Errc::cancelled));
  }
}

TEST_CASE("async stop token: raw calls have it too") {
  const auto name = unique_name("stop");
  RawServer server(name, {fixed_message(8), fixed_message(8)});
  RawClient client(name);
  const std::uint64_t request = 7;
  std::stop_source source;
  Outcome<bool> outcome;
  client
      .call_async(
          bytes_of(request), amply,
          [&](const Result<RawReply>& reply) { outcome.put(reply ? Result<bool>(true) : Result<bool>(reply.error())); },
          source.get_token())
      .value();
  source.request_stop();
  REQUIRE(outcome.comes());
  check_cancelled(outcome.last(), true);
}

}  // namespace async_stop_token_test
