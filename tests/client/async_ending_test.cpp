// How asynchronous calls end other than in their answer: once, in a definite error, and in time.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/outcome.hpp"
#include "support/process.hpp"
#include "support/task.hpp"

namespace async_ending_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using std::chrono::nanoseconds;

namespace {

// One call in each form that ends by itself, and one in each that looks for itself.
class EveryForm {
 public:
  EveryForm(Channel::Client& client, const Ask& ask, nanoseconds timeout)
      : got(client.call_async(ask, timeout)),
        waited(client.call_async(ask, timeout)),
        watched(client.call_async(ask, timeout)) {
    handle_ = watched.native_handle();
    CHECK_FALSE(error_of(client.call_async(ask, timeout, called.callback())));
    resume(client, ask, timeout);
  }

  // What all of them ended in, if they ended alike. Each may take as long as a busy machine.
  std::optional<Errc> end() {
    CHECK(waited.wait(amply));
    CHECK(is_signalled(handle_, 60s));
    CHECK(watched.ready());
    CHECK(called.comes());
    CHECK(resumed.comes());
    std::vector<Result<Answer>> results{got.get(), waited.get(), watched.get(), called.last(), resumed.last()};
    unsafe = 0;
    for (const auto& result : results) {
      if (error_of(result) != error_of(results[0])) {
        UNSCOPED_INFO("different ends: " << (result ? "an answer" : result.error().message()));
        return Errc::invalid_argument;
      }
      if (!result && !result.error().not_executed()) ++unsafe;
    }
    return error_of(results[0]);
  }

  Outcome<Answer> called;
  Outcome<Answer> resumed;
  PendingCall<Answer> got;
  PendingCall<Answer> waited;
  PendingCall<Answer> watched;
  int unsafe = 0;  // how many of the calls may have been executed, as they say

 private:
  Task resume(Channel::Client& client, Ask ask, nanoseconds timeout) {
    resumed.put(co_await client.call_async(ask, timeout));
  }

  decltype(watched.native_handle()) handle_;
};

}  // namespace

TEST_CASE("async ending: the deadline ends every form, and what was not taken never runs") {
  const auto name = unique_name("async");
  Channel::Server server(name);
  Channel::Client client(name);
  const Stopwatch watch;
  EveryForm calls(client, echo(1), 50ms);
  CHECK(calls.end() == Errc::timed_out);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(watch.elapsed() < promptly);
  CHECK(calls.unsafe == 0);
  Gate gate;
  CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
  CHECK(gate.runs == 0);
}

TEST_CASE("async ending: the timeout counts from call_async") {
  const auto name = unique_name("async");
  Channel::Server server(name);
  Channel::Client client(name);
  auto pending = client.call_async(echo(1), 50ms);
  std::this_thread::sleep_for(60ms);
  CHECK(pending.ready());
  CHECK(error_of(pending.get()) == Errc::timed_out);
}

TEST_CASE("async ending: a call that was taken when its time ran out may have run") {
  const auto name = unique_name("async");
  Gate gate;
  Channel::Server server(name);
  server.start(std::ref(gate)).value();
  Channel::Client client(name);
  Outcome<Answer> outcome;
  CHECK_FALSE(error_of(client.call_async(nap(0), 50ms, outcome.callback())));
  REQUIRE(outcome.comes());
  REQUIRE(error_of(outcome.last()) == Errc::timed_out);
  if (!outcome.last().error().not_executed()) CHECK(eventually([&] { return gate.runs == 1; }));
  CHECK(outcome.last().error().not_executed() == (gate.runs == 0));
  gate.open();
  CHECK(client.call_async(echo(2), amply).get().value().id == 2);
}

TEST_CASE("async ending: zero and less try once, the largest timeouts do not overflow") {
  const auto name = unique_name("async");
  std::optional<Channel::Server> server(std::in_place, name);
  Channel::Client client(name);
  for (const nanoseconds timeout : {0ns, -1ns, (nanoseconds::min)()}) {
    EveryForm calls(client, echo(1), timeout);
    CHECK(calls.end() == Errc::timed_out);
  }
  for (const nanoseconds timeout : {(nanoseconds::max)(), (nanoseconds::max)() - 1ns, nanoseconds(50 * 24h)}) {
    EveryForm calls(client, echo(1), timeout);
    CHECK_FALSE(calls.got.wait(1ms));
    CHECK_FALSE(calls.watched.wait(1ms));
    Gate gate;
    for (int i = 0; i < 5; ++i) CHECK(server->serve_one(std::ref(gate), amply).value());
    CHECK(calls.got.wait(timeout));
    CHECK(calls.watched.wait(timeout));
    CHECK_FALSE(calls.end());
  }
}

TEST_CASE("async ending: without a server the error is there at once") {
  Channel::Client client(unique_name("async"));
  auto pending = client.call_async(echo(1), amply);
  CHECK(pending.ready());
  CHECK(pending.wait(0ns));
  CHECK(is_signalled(pending.native_handle(), 0ms));
  CHECK(error_of(pending.get()) == Errc::no_server);
  Outcome<Answer> outcome;
  CHECK(error_of(client.call_async(echo(1), amply, outcome.callback())) == Errc::no_server);
  const auto ask = [&]() -> Task { outcome.put(co_await client.call_async(echo(1), amply)); };
  ask();
  CHECK(outcome.count() == 1);
  CHECK(error_of(outcome.last()) == Errc::no_server);
  CHECK(error_of(client.call_async(echo(1), amply, std::function<void(Result<Answer>)>())) == Errc::invalid_argument);
}

TEST_CASE(
    "async ending: a function that is empty is refused in the channel's name, and not of a client that was moved") {
  const auto name = unique_name("async");
  Channel::Client client(name);
  const auto refused = client.call_async(echo(1), amply, std::function<void(Result<Answer>)>());
  CHECK(refused.error().code() == Errc::invalid_argument);
  CHECK(refused.error().message().find(name) != std::string::npos);
  const Channel::Client moved = std::move(client);
  CHECK(error_of(client.call_async(echo(1), amply, std::function<void(Result<Answer>)>())) == Errc::no_server);
}

TEST_CASE("async ending: the handler's failure reaches every form") {
  const auto name = unique_name("async");
  Channel::Server server(name);
  server.start([](const Ask&) -> Answer { throw std::runtime_error("as asked"); }).value();
  Channel::Client client(name);
  EveryForm calls(client, echo(1), amply);
  CHECK(calls.end() == Errc::handler_failed);
  CHECK(calls.called.last().error().message().find("as asked") != std::string::npos);
  CHECK(calls.unsafe == 5);
}

TEST_CASE("async ending: a server that stops ends every form at once") {
  const auto name = unique_name("async");
  auto server = std::make_unique<Channel::Server>(name);
  Channel::Client client(name);
  const Stopwatch watch;
  EveryForm calls(client, echo(1), amply);
  server.reset();
  CHECK(calls.end() == Errc::server_stopped);
  CHECK(watch.elapsed() < promptly);
  CHECK(calls.unsafe == 0);

  Gate gate;
  server = std::make_unique<Channel::Server>(name);
  server->start(std::ref(gate)).value();
  CHECK(client.call_async(echo(2), amply).get().value().id == 2);
  server.reset();
}

TEST_CASE("async ending: a server that dies ends every form at once, and its successor is found") {
  const auto name = unique_name("async");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  Outcome<Answer> taken;
  CHECK_FALSE(error_of(client.call_async(hang, amply, taken.callback())));
  REQUIRE(server.read_line() == "taken");
  EveryForm calls(client, echo(1), amply);
  server.kill();
  const Stopwatch watch;
  CHECK(calls.end() == Errc::server_died);
  CHECK(calls.unsafe == 0);
  REQUIRE(taken.comes());
  CHECK(watch.elapsed() < promptly);
  CHECK(error_of(taken.last()) == Errc::server_died);
  CHECK_FALSE(taken.last().error().not_executed());
  server.wait();

  auto successor = peer("serve", name);
  REQUIRE(successor.read_line() == "ready");
  EveryForm more(client, echo(2), amply);
  CHECK_FALSE(more.end());
}

TEST_CASE("async ending: a callback that was told of a server's death may call the successor") {
  const auto name = unique_name("async");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  Outcome<Answer> first;
  Outcome<Answer> second;
  std::atomic<bool> successor_serves{false};
  const auto call_again = [&](Result<Answer> end) {
    first.put(std::move(end));
    wait_for(successor_serves);
    if (const auto begun = client.call_async(nap(50, 2), amply, second.callback()); !begun) second.put(begun.error());
  };
  CHECK_FALSE(error_of(client.call_async(hang, amply, call_again)));
  REQUIRE(server.read_line() == "taken");
  server.kill();
  REQUIRE(first.comes());
  CHECK(error_of(first.last()) == Errc::server_died);
  server.wait();
  auto successor = peer("serve", name);
  REQUIRE(successor.read_line() == "ready");
  successor_serves = true;
  REQUIRE(second.comes());
  CHECK_FALSE(error_of(second.last()));
}

TEST_CASE("async ending: a server that died between two calls is not asked") {
  const auto name = unique_name("async");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply));
  server.kill();
  server.wait();
  CHECK(error_of(client.call_async(echo(2), amply).get()) == Errc::no_server);
  auto successor = peer("serve", name);
  REQUIRE(successor.read_line() == "ready");
  CHECK(client.call_async(echo(3), amply).get().value().id == 3);
}

TEST_CASE("async ending: the client's end ends what ends by itself, once, before its destructor returns") {
  const auto name = unique_name("async");
  std::atomic<int> calls{0};
  std::atomic<int> safe{0};
  Outcome<Answer> resumed;
  ServerOptions options;
  options.max_calls = 128;
  Channel::Server server(name, options);
  std::optional<Channel::Client> client(std::in_place, name);
  Channel::Client& during_destruction = *client;
  auto waited = client->call_async(echo(1), amply);
  auto watched = client->call_async(echo(2), amply);
  const auto handle = watched.native_handle();
  std::optional<Errc> late;
  for (int i = 0; i < 100; ++i) {
    const auto done = [&, i](Result<Answer> result) {
      if (error_of(result) == Errc::timed_out && result.error().not_executed()) ++safe;
      if (i == 50) late = error_of(during_destruction.call_async(echo(3), amply, [&](Result<Answer>) { ++calls; }));
      ++calls;
    };
    REQUIRE_FALSE(error_of(client->call_async(echo(3), amply, done)));
  }
  const auto ask = [&]() -> Task { resumed.put(co_await client->call_async(echo(4), amply)); };
  ask();
  CHECK(calls == 0);
  client.reset();
  CHECK(calls == 100);
  CHECK(safe == 100);
  CHECK(late == Errc::timed_out);
  REQUIRE(resumed.count() == 1);
  CHECK(resumed.last().error().message().find("client was destroyed") != std::string::npos);
  CHECK(is_signalled(handle, 0ms));
  CHECK(error_of(watched.get()) == Errc::timed_out);

  // A caller that asks for itself does not need the client.
  Gate gate;
  CHECK_FALSE(waited.wait(10ms));
  CHECK(server.serve_one(std::ref(gate), amply).value());
  CHECK(waited.get().value().id == 1);
  CHECK_FALSE(server.serve_one(std::ref(gate), 20ms).value());
}

TEST_CASE("async ending: a call that outlives its client cannot end by itself any more") {
  const auto name = unique_name("async");
  Channel::Server server(name);
  std::optional<Channel::Client> client(std::in_place, name);
  auto watched = client->call_async(echo(1), amply);
  auto awaited = client->call_async(echo(2), amply);
  client.reset();
  CHECK(is_signalled(watched.native_handle(), 0ms));
  CHECK(error_of(watched.get()) == Errc::timed_out);
  Outcome<Answer> outcome;
  const auto ask = [&]() -> Task { outcome.put(co_await std::move(awaited)); };
  ask();
  REQUIRE(outcome.count() == 1);
  CHECK(error_of(outcome.last()) == Errc::timed_out);
}

TEST_CASE("async ending: a handler is refused its own channel") {
  const auto name = unique_name("async");
  Channel::Client client(name);
  Channel::Server server(name);
  server
      .start([&](const Ask& ask) {
        return Answer{ask.id,
                      static_cast<std::uint64_t>(error_of(client.call_async(echo(1)).get()) == Errc::would_deadlock)};
      })
      .value();
  CHECK(Channel::Client(name).call(echo(1), amply).value().runs == 1);
}

}  // namespace async_ending_test
