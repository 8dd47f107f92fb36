// Deadlines, and what becomes of calls that miss theirs.
#include "support/catch.hpp"

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <ratio>
#include <span>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/overdue.hpp"
#include "support/time.hpp"

namespace timeout_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using std::chrono::nanoseconds;

namespace {

constexpr nanoseconds forever = (nanoseconds::max)();

// Counts its runs and naps as asked.
struct Napper {
  Answer operator()(const Ask& ask) {
    const auto run = ++runs;
    std::this_thread::sleep_for(std::chrono::milliseconds(ask.milliseconds));
    return {ask.id, run};
  }
  std::atomic<std::uint64_t> runs{0};
};

ServerOptions with(unsigned slots, unsigned threads = 1) {
  ServerOptions options;
  options.max_calls = slots;
  options.threads = threads;
  return options;
}

using std::chrono::hours, std::chrono::milliseconds;
struct Budget {
  operator nanoseconds() const { return nanoseconds(3); }
};
static_assert(nanoseconds(Timeout()) == nanoseconds::zero() && nanoseconds(Timeout(5ms)) == 5ms);
static_assert(nanoseconds(Timeout((hours::max)())) == forever && nanoseconds(Timeout(-(hours::max)())) == -forever);
static_assert(nanoseconds(Timeout((milliseconds::min)())) == -forever);
static_assert(std::is_convertible_v<Budget, Timeout> && !std::is_convertible_v<int, Timeout>);
static_assert(!std::is_convertible_v<std::chrono::duration<double>, Timeout>);

}  // namespace

TEST_CASE("timeout: a call that the server does not take is withdrawn and never runs") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  Channel::Client client(name);
  const Stopwatch watch;
  const auto answer = client.call(echo(1), 30ms);
  CHECK(watch.elapsed() >= 30ms);
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(answer) == Errc::timed_out);
  CHECK(answer.error().not_executed());

  Napper napper;
  CHECK_FALSE(server.serve_one(std::ref(napper), 0ns).value());
  CHECK_FALSE(server.serve_one(std::ref(napper), 30ms).value());
  CHECK(napper.runs == 0);
}

TEST_CASE("timeout: withdrawn requests do not run once serving begins") {
  const auto name = unique_name("timeout");
  Channel::Server server(name, with(2));
  Channel::Client client(name);
  for (std::uint64_t id = 1; id <= 10; ++id) REQUIRE(error_of(client.call(echo(id), 1ms)) == Errc::timed_out);
  Napper napper;
  CHECK_FALSE(error_of(server.start(std::ref(napper))));
  CHECK(client.call(echo(11), amply).value().runs == 1);
}

TEST_CASE("timeout: a call that the server has taken may have run") {
  const auto name = unique_name("timeout");
  Gate gate;
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(std::ref(gate))));
  Channel::Client client(name);
  const auto answer = overdue_call(client, nap(0), 20ms);
  CHECK(eventually([&] { return gate.runs == 1; }));
  gate.open();
  REQUIRE(error_of(answer) == Errc::timed_out);
  CHECK_FALSE(answer.error().not_executed());
}

TEST_CASE("timeout: a late answer reaches nobody else") {
  for (const unsigned slots : {1u, 16u}) {
    const auto name = unique_name("timeout");
    Gate gate;
    Channel::Server server(name, with(slots));
    CHECK_FALSE(error_of(server.start(std::ref(gate))));
    Channel::Client client(name);
    CHECK(error_of(overdue_call(client, nap(0, 1000), 20ms)) == Errc::timed_out);
    // The late answer is given while the next calls are under way.
    const std::jthread late([&] {
      std::this_thread::sleep_for(20ms);
      gate.open();
    });
    for (std::uint64_t id = 1; id <= 10; ++id) {
      const auto answer = client.call(nap(0, id), amply);
      REQUIRE(answer);
      REQUIRE(answer->id == id);
    }
    CHECK(gate.runs == 11);
  }
}

TEST_CASE("timeout: answers stay apart when every other call gives up") {
  const auto name = unique_name("timeout");
  Channel::Server server(name, with(2, 2));
  Napper napper;
  CHECK_FALSE(error_of(server.start(std::ref(napper))));
  std::atomic<int> answered{0};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> callers;
    for (std::uint64_t caller = 1; caller <= 4; ++caller) {
      callers.emplace_back([&, caller] {
        Channel::Client client(name);
        for (std::uint64_t i = 0; i < 40; ++i) {
          const std::uint64_t id = caller << 32 | i;
          const auto answer = client.call(nap(5, id), i % 2 == 0 ? nanoseconds(6ms) : nanoseconds(amply));
          if (answer) ++answered;
          if (answer && answer->id != id) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(answered >= 4 * 20);
}

TEST_CASE("timeout: zero and less try once and never block") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  Channel::Client client(name);
  const Stopwatch watch;
  for (const nanoseconds timeout : {0ns, -1ns, nanoseconds(-1h), (nanoseconds::min)()}) {
    const auto answer = client.call(echo(1), timeout);
    REQUIRE(error_of(answer) == Errc::timed_out);
    CHECK(answer.error().not_executed());
    CHECK(error_of(client.call_in_place([](Ask&) {}, [](const Answer&) {}, timeout)) == Errc::timed_out);
  }
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("timeout: huge ones neither overflow nor end early") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  Napper napper;
  CHECK_FALSE(error_of(server.start(std::ref(napper))));
  ClientOptions sleeping;
  sleeping.wait = WaitPolicy::sleep();
  Channel::Client client(name, sleeping);
  std::uint64_t id = 0;
  for (const nanoseconds timeout : {forever, forever - 1ns, nanoseconds(50 * 24h), nanoseconds(0xFFFFFFFFll * 1ms),
                                    nanoseconds(0x80000000ll * 1ms)}) {
    const auto answer = client.call(nap(20, ++id), timeout);
    REQUIRE(answer);
    REQUIRE(answer->id == id);
  }
}

TEST_CASE("timeout: huge ones of any unit are not too long for nanoseconds") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  Napper napper;
  CHECK_FALSE(error_of(server.start(std::ref(napper))));
  Channel::Client client(name);
  RawClient raw(name);
  const auto request = nap(20, 1);
  const auto check = [&](auto timeout) {
    CHECK_FALSE(error_of(client.wait_for_server(timeout)));
    CHECK_FALSE(error_of(client.call(request, timeout)));
    CHECK_FALSE(error_of(client.call(request, timeout, std::stop_token())));
    CHECK_FALSE(error_of(client.call_in_place([&](Ask& ask) { ask = request; }, [](const Answer&) {}, timeout)));
    auto later = client.call_async(request, timeout);
    CHECK(later.wait(timeout));
    CHECK_FALSE(error_of(later.get()));
    Answer answer{};
    const auto bytes = std::as_bytes(std::span(&request, 1));
    const auto room = std::as_writable_bytes(std::span(&answer, 1));
    CHECK_FALSE(error_of(raw.call(bytes, room, timeout)));
    CHECK_FALSE(error_of(raw.wait_for_server(timeout)));
  };
  check(std::chrono::microseconds::max());
  check(std::chrono::seconds::max());
  check(std::chrono::hours::max());
  check(std::chrono::duration<std::uint64_t, std::milli>(~std::uint64_t{0}));
  check(std::chrono::duration<std::int16_t, std::ratio<86400 * 365>>(300));
  CHECK(error_of(client.call(request, std::chrono::hours::min())) == Errc::timed_out);
}

TEST_CASE("timeout: max waits as long as it takes") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(5), forever); });
  CHECK(asked.wait_for(400ms) == std::future_status::timeout);
  Napper napper;
  CHECK(server.serve_one(std::ref(napper), forever).value());
  CHECK(asked.get().value().id == 5);
}

TEST_CASE("timeout: the default is a quarter of a second") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  Channel::Client client(name);
  const Stopwatch watch;
  CHECK(error_of(client.call(echo(1))) == Errc::timed_out);
  CHECK(watch.elapsed() >= 250ms);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("timeout: every waiting policy keeps the deadline") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  for (const WaitPolicy policy : {WaitPolicy::sleep(), WaitPolicy::spin_only(), WaitPolicy{}}) {
    ClientOptions options;
    options.wait = policy;
    Channel::Client client(name, options);
    const Stopwatch watch;
    CHECK(error_of(client.call(echo(1), 20ms)) == Errc::timed_out);
    CHECK(watch.elapsed() >= 20ms);
    CHECK(watch.elapsed() < promptly);
  }
}

TEST_CASE("timeout: the time that fill takes counts") {
  const auto name = unique_name("timeout");
  Channel::Server server(name);
  Channel::Client client(name);
  const Stopwatch watch;
  const auto fill = [](Ask&) { std::this_thread::sleep_for(100ms); };
  CHECK(error_of(client.call_in_place(
            fill, [](const Answer&) {}, 100ms)) == Errc::timed_out);
  CHECK(watch.elapsed() >= 100ms);
}

TEST_CASE("timeout: serve_one keeps its own") {
  Channel::Server server(unique_name("timeout"));
  Napper napper;
  const Stopwatch watch;
  CHECK_FALSE(server.serve_one(std::ref(napper), 30ms).value());
  CHECK(watch.elapsed() >= 30ms);
  CHECK_FALSE(server.serve_one(std::ref(napper), (nanoseconds::min)()).value());
  CHECK(watch.elapsed() < promptly);
}

}  // namespace timeout_test
