// What becomes of a PendingCall that its caller cancels.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/outcome.hpp"
#include "support/task.hpp"
#include "support/time.hpp"

namespace pending_call_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

template <class T>
void check_cancelled(const Result<T>& answer, bool not_executed) {
  REQUIRE(error_of(answer) == Errc::cancelled);
  CHECK(answer.error().not_executed() == not_executed);
  CHECK(answer.error().safe_to_retry() == not_executed);
}

}  // namespace

TEST_CASE("pending call: a default-made one has no call") {
  PendingCall<Answer> none;
  CHECK(none.ready());
  CHECK(none.wait(amply));
  none.cancel();
  CHECK(error_of(none.get()) == Errc::invalid_argument);
  GatedChannel channel;
  none = channel.client.call_async(echo(1), amply);
  CHECK(none.get().value().id == 1);
  CHECK(error_of(none.get()) == Errc::invalid_argument);
}

TEST_CASE("pending call: cancelled before it was taken it never runs") {
  const auto name = unique_name("pending");
  Channel::Server server(name);
  Channel::Client client(name);
  auto pending = client.call_async(echo(1), amply);
  CHECK_FALSE(pending.ready());
  pending.cancel();
  pending.cancel();
  CHECK(pending.ready());
  check_cancelled(pending.get(), true);
  pending.cancel();
  Gate gate;
  CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
}

TEST_CASE("pending call: cancelled while its handler runs it may have run") {
  GatedChannel channel;
  auto pending = channel.client.call_async(nap(1), amply);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  pending.cancel();
  const auto answer = pending.get();
  check_cancelled(answer, false);
}

TEST_CASE("pending call: cancelled after its answer came it has its answer") {
  GatedChannel channel;
  auto pending = channel.client.call_async(echo(1), amply);
  REQUIRE(pending.wait(amply));
  pending.cancel();
  CHECK(pending.get().value().id == 1);
}

TEST_CASE("pending call: what waits for it goes on when it is cancelled") {
  GatedChannel channel;
  auto watched = channel.client.call_async(nap(1), amply);
  const auto handle = watched.native_handle();
  CHECK_FALSE(is_signalled(handle, 0ms));
  watched.cancel();
  CHECK(is_signalled(handle, promptly));
  CHECK(error_of(watched.get()) == Errc::cancelled);

  Outcome<Answer> outcome;
  auto awaited = channel.client.call_async(nap(2), amply);
  const auto wait = [](PendingCall<Answer>& call, Outcome<Answer>& got) -> Task {
    got.put(co_await call);
    got.put(co_await call);  // was taken
  };
  wait(awaited, outcome);
  CHECK(outcome.count() == 0);
  awaited.cancel();
  REQUIRE(outcome.comes(2));
  awaited.cancel();
  CHECK(error_of(outcome.last()) == Errc::invalid_argument);
  CHECK(error_of(awaited.get()) == Errc::invalid_argument);
}

TEST_CASE("pending call: a coroutine may be cancelled while it goes on") {
  GatedChannel channel;
  for (std::uint64_t id = 0; id < 200; ++id) {
    Outcome<Answer> outcome;
    auto awaited = channel.client.call_async(echo(id), amply);
    const auto wait = [](PendingCall<Answer>& call, Outcome<Answer>& got) -> Task { got.put(co_await call); };
    wait(awaited, outcome);
    awaited.cancel();
    REQUIRE(outcome.comes());
    const auto answer = outcome.last();
    CHECK((answer ? answer->id == id : answer.error().code() == Errc::cancelled));
  }
}

TEST_CASE("pending call: a coroutine may be cancelled while it takes an answer that was there already") {
  GatedChannel channel;
  for (std::uint64_t id = 0; id < 500; ++id) {
    Outcome<Answer> outcome;
    auto awaited = channel.client.call_async(echo(id), amply);
    static_cast<void>(awaited.wait(amply));
    std::atomic<bool> go{false}, is_over{false};
    std::jthread canceller([&] {
      go = true;
      while (!is_over) awaited.cancel();
    });
    while (!go) std::this_thread::yield();
    const auto wait = [](PendingCall<Answer>& call, Outcome<Answer>& got) -> Task { got.put(co_await call); };
    wait(awaited, outcome);
    is_over = true;
    REQUIRE(outcome.comes());
    CHECK(outcome.last().value().id == id);
  }
}

TEST_CASE("pending call: a coroutine that took its answer has given the slot back") {
  GatedChannel channel(1);
  // The completion thread is busy, so that it cannot let the awaited call go when that ends.
  Gate busy;
  std::atomic<bool> is_busy{false};
  channel.client
      .call_async(echo(1), amply,
                  [&](const Result<Answer>&) {
                    is_busy = true;
                    busy(nap(1));
                  })
      .value();
  REQUIRE(eventually([&] { return is_busy.load(); }));
  auto awaited = channel.client.call_async(echo(2), amply);
  static_cast<void>(awaited.native_handle());
  REQUIRE(awaited.wait(amply));
  Outcome<Answer> outcome;
  const auto wait = [](PendingCall<Answer>& call, Outcome<Answer>& got) -> Task { got.put(co_await call); };
  wait(awaited, outcome);
  CHECK(outcome.last().value().id == 2);
  busy.open();
  CHECK(channel.client.call(echo(3), amply).value().id == 3);
}

}  // namespace pending_call_test
