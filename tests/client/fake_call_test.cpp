// One call on a system that refuses, wakes for nothing, or ends its server between any two steps.
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/fake_platform.hpp"
#include "support/overdue.hpp"
#include "support/time.hpp"

namespace fake_call_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using detail::Phase;
using detail::State;
using fake::kernel;
using fake::Op;

namespace {

constexpr fake::Ask held{9, 1};

ServerOptions slots(unsigned count) {
  ServerOptions options;
  options.max_calls = count;
  options.wait = WaitPolicy::sleep();
  return options;
}
ClientOptions sleepers() {
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  return options;
}

// A server that serves, or not, and a client that is attached and never spins.
struct Pair {
  explicit Pair(bool serves = true, unsigned count = 2) : server("call", slots(count)), client("call", sleepers()) {
    if (serves) server.start(std::ref(handler)).value();
    client.wait_for_server(0ns).value();
    objects.emplace("call");
  }
  ~Pair() { handler.let_go(); }

  fake::World world;
  fake::Handler handler;
  fake::Channel::Server server;
  fake::Channel::Client client;
  std::optional<fake::Objects> objects;
};

// A call in a thread of its own.
auto in_background(fake::Channel::Client& client, fake::Ask ask, std::chrono::nanoseconds timeout = amply) {
  return std::async(std::launch::async, [&client, ask, timeout] { return client.call(ask, timeout); });
}

void check_ended(const Result<fake::Answer>& result, Errc code, bool not_executed, int native = 0) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == code);
  CHECK(result.error().not_executed() == not_executed);
  CHECK(result.error().native() == native);
  CHECK(result.error().message().find("'call'") != std::string::npos);
}

}  // namespace

TEST_CASE("fake call: a token that can never stop costs what none does") {
  Pair pair(false);
  const auto sets = [] { return kernel().count(Op::make_wait_set); };
  check_ended(pair.client.call(fake::Ask{1}, 10ms, std::stop_token{}), Errc::timed_out, true);
  const auto nothing = [](const auto&) {};
  CHECK(error_of(pair.client.call_in_place([](fake::Ask&) {}, nothing, 10ms, std::stop_token{})) == Errc::timed_out);
  CHECK(error_of(fake::Channel::Client("none").wait_for_server(10ms, std::stop_token{})) == Errc::no_server);
  CHECK(sets() == 0);
  const std::stop_source source;
  check_ended(pair.client.call(fake::Ask{1}, 10ms, source.get_token()), Errc::timed_out, true);
  CHECK(sets() == 1);
}

TEST_CASE("fake call: without a Done signal to sleep on the call ends, and says whether it may have run") {
  SECTION("nobody took it") {
    Pair pair(false);
    kernel().fail(Op::open_signal, "done.0", {Errc::system_error, 24});
    check_ended(pair.client.call(fake::Ask{1}, amply), Errc::system_error, true, 24);
    CHECK(detail::load_request(pair.objects->slot(0)).phase() == Phase::withdrawn);
    CHECK(pair.client.connected());
  }
  SECTION("there is no memory for it") {
    Pair pair(false);
    kernel().at(Op::open_signal, "done.0", [] { throw std::bad_alloc(); });
    const int native = detail::platform::native_of(std::make_error_code(std::errc::not_enough_memory));
    check_ended(pair.client.call(fake::Ask{1}, amply), Errc::system_error, true, native);
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);  // which sleeps on it
  }
  SECTION("a handler has it") {
    Pair pair;
    kernel().at(Op::open_signal, "done.0", [&] { pair.handler.is_called(); });
    kernel().fail(Op::open_signal, "done.0", {Errc::access_denied, 5});
    check_ended(pair.client.call(held, amply), Errc::system_error, false, 5);
    pair.handler.let_go();
    CHECK(pair.client.call(fake::Ask{2}, amply).value().id == 2);
  }
  SECTION("the answer has come meanwhile") {
    Pair pair;
    kernel().at(Op::open_signal, "done.0", [&] {
      pair.handler.let_go();
      eventually([&] { return detail::load_reply(pair.objects->slot(0)).phase() == Phase::done; });
    });
    kernel().fail(Op::open_signal, "done.0", {Errc::system_error, 24});
    CHECK(pair.client.call(held, amply).value().id == held.id);
  }
  SECTION("it has gone with its server") {
    Pair pair(false);
    kernel().fail(Op::open_signal, "done.0", {Errc::no_server, 2});
    SECTION("of which nobody knows yet") {}
    SECTION("as its end says") {
      kernel().at(Op::open_signal, "done.0", [&] { pair.objects->kill(); });
    }
    kernel().fail(Op::read_record, "", {Errc::no_server, 0}, 100);
    check_ended(pair.client.call(fake::Ask{1}, amply), Errc::server_died, true);
    CHECK_FALSE(pair.client.connected());
  }
}

TEST_CASE("fake call: a Done signal is opened once") {
  Pair pair;
  for (std::uint32_t id = 1; id <= 3; ++id) {
    const std::size_t before = pair.handler.runs;
    auto call = in_background(pair.client, fake::Ask{id, 1});
    REQUIRE(pair.handler.is_called(static_cast<std::uint32_t>(before) + 1));
    REQUIRE(eventually([&] { return kernel().sleepers(pair.objects->slot(0).reply) == 1; }));
    pair.handler.let_go();
    CHECK(call.get().value().id == id);
    CHECK(kernel().count(Op::ring, "done.0") == id);  // one sleeper, one ring
    pair.handler.is_open = false;
  }
  CHECK(kernel().count(Op::open_signal, "done.0") == 1);
  CHECK(kernel().count(Op::ring, "slot_freed") == 0);  // nobody waited for one
}

TEST_CASE("fake call: a server that dies before a worker took the call has not executed it") {
  Pair pair(false);
  const auto die = [&] { pair.objects->kill(); };
  SECTION("before the claim") {
    die();
    check_ended(pair.client.call(fake::Ask{1}, amply), Errc::server_died, true);
  }
  SECTION("between claim and post") {
    const auto ended = pair.client.call_in_place([&](fake::Ask&) { die(); }, [](const fake::Answer&) {}, amply);
    REQUIRE(error_of(ended) == Errc::server_died);
    CHECK(ended.error().not_executed());
  }
  SECTION("between post and wait") {
    kernel().at(Op::open_signal, "done.0", die);
    check_ended(pair.client.call(fake::Ask{1}, amply), Errc::server_died, true);
  }
  SECTION("in the wait") {
    kernel().at(Op::wait, "done.0", die);
    check_ended(pair.client.call(fake::Ask{1}, amply), Errc::server_died, true);
  }
  SECTION("at the deadline") {
    kernel().at(Op::wait, "done.0", [&] {
      std::this_thread::sleep_for(20ms);
      die();
    });
    check_ended(pair.client.call(fake::Ask{1}, 20ms), Errc::server_died, true);
  }
  SECTION("while it spins") {
    ClientOptions options;
    options.wait = WaitPolicy::spin_only();
    fake::Channel::Client spinning("call", options);
    spinning.wait_for_server(0ns).value();
    auto call = in_background(spinning, fake::Ask{1});
    CHECK(eventually([&] { return detail::load_request(pair.objects->slot(0)).phase() == Phase::posted; }));
    die();
    check_ended(call.get(), Errc::server_died, true);
    CHECK(kernel().count(Op::wait) == 0);
  }
  CHECK_FALSE(pair.client.connected());
  CHECK(pair.objects->slot(0).owner == 0);
}

TEST_CASE("fake call: a server that dies or stops with the call in its hands may have executed it") {
  Pair pair;
  auto call = in_background(pair.client, held);
  REQUIRE(pair.handler.is_called());
  SECTION("dies") {
    pair.objects->kill();
    check_ended(call.get(), Errc::server_died, false);
  }
  SECTION("puts its beacon out") {
    pair.objects->page().alive = 0;
    kernel().wake(pair.objects->page().alive, fake::Kernel::everyone);
    check_ended(call.get(), Errc::server_stopped, false);
  }
  SECTION("stops, and answers") {
    pair.server.stop();
    pair.handler.let_go();
    CHECK(call.get().value().id == held.id);
  }
}

TEST_CASE("fake call: an answer that is there counts, even from the dead") {
  Pair pair;
  bool has_read = false;
  SECTION("dead while it is read") {
    CHECK(pair.client.call_in_place([](fake::Ask&) {},
                                    [&](const fake::Answer&) {
                                      pair.objects->kill();
                                      has_read = true;
                                    },
                                    amply));
    CHECK(has_read);
  }
  SECTION("dead before it is seen") {
    kernel().at(Op::wait, "done.0", [&] {
      pair.handler.let_go();
      eventually([&] { return detail::load_reply(pair.objects->slot(0)).phase() == Phase::done; });
      pair.objects->kill();
    });
    CHECK(pair.client.call(held, amply).value().id == held.id);
  }
}

TEST_CASE("fake call: a server that stops between claim and post has not executed the call") {
  Pair pair(false);
  bool has_read = false;
  const auto ended = pair.client.call_in_place([&](fake::Ask&) { pair.server.stop(); },
                                               [&](const fake::Answer&) { has_read = true; }, amply);
  REQUIRE(error_of(ended) == Errc::server_stopped);
  CHECK(ended.error().not_executed());
  CHECK_FALSE(has_read);
  CHECK(detail::load_request(pair.objects->slot(0)).phase() == Phase::withdrawn);
  CHECK(pair.objects->slot(0).owner == 0);
  CHECK(kernel().count(Op::wait) == 0);
}

TEST_CASE("fake call: a call that a dead server has not seen goes on with its successor") {
  Pair pair(false);
  fake::Handler handler;
  std::optional<fake::Channel::Server> successor;
  int fills = 0;
  std::uint32_t id = 0;
  const auto fill = [&](fake::Ask& ask) {
    ask.id = 5;
    if (++fills > 1) return;
    pair.objects->kill();
    successor.emplace("call");
    successor->start(std::ref(handler)).value();
  };
  CHECK(pair.client.call_in_place(
      fill, [&](const fake::Answer& answer) { id = answer.id; }, amply));
  CHECK(fills == 2);
  CHECK(id == 5);
  CHECK(handler.runs == 1);
}

TEST_CASE("fake call: one that timed out takes a server for gone that has a successor, of a user who may serve") {
  Pair pair(false);
  std::optional<fake::Channel::Server> successor;
  const auto replace = [&] {
    const std::uint32_t lit = pair.objects->page().alive;
    pair.objects->kill();
    pair.objects->page().alive = lit;  // as a stray write would have it
    successor.emplace("call");
  };
  SECTION("replaced") {
    replace();
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
    CHECK_FALSE(pair.client.connected());
  }
  SECTION("replaced by somebody else's") {
    kernel().new_owner = "77";
    replace();
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
    CHECK(pair.client.connected());
  }
  SECTION("slow") {
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
    CHECK(pair.client.connected());
    const unsigned looks = kernel().count(Op::read_record, "published");
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
    CHECK(kernel().count(Op::read_record, "published") == looks);  // not at every one
  }
  SECTION("there is no memory to look") {
    replace();
    kernel().at(Op::read_record, "published", [] { throw std::bad_alloc(); });
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
    CHECK(pair.client.connected());
  }
  SECTION("unknown") {
    kernel().fail(Op::read_record, "published", {Errc::system_error, 5}, 1, 0);
    check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
    CHECK(pair.client.connected());
  }
}

TEST_CASE("fake call: a call that nobody took rings once more as it leaves, in case a ring was lost") {
  Pair pair(false);
  check_ended(pair.client.call(fake::Ask{1}, 5ms), Errc::timed_out, true);
  CHECK(kernel().count(Op::ring, "exec") == 1);
}

TEST_CASE("fake call: waking up for nothing ends no call, and overruns no deadline") {
  SECTION("an answer is waited for") {
    Pair pair;
    kernel().spurious = 300;
    auto call = in_background(pair.client, held);
    CHECK(eventually([] { return kernel().spurious <= 0; }));
    CHECK(pair.handler.is_called());
    pair.handler.let_go();
    CHECK(call.get().value().id == held.id);
  }
  SECTION("the deadline comes") {
    Pair pair(false);
    kernel().spurious = 1'000'000'000;
    const Stopwatch watch;
    check_ended(pair.client.call(fake::Ask{1}, 50ms), Errc::timed_out, true);
    CHECK(watch.elapsed() >= 50ms);
    CHECK(watch.elapsed() < promptly);
    kernel().spurious = 0;
  }
}

TEST_CASE("fake call: where the system lets nobody sleep, calls are answered and end in time all the same") {
  Pair pair;
  kernel().refuses_waits = true;
  CHECK(pair.client.call(fake::Ask{1}, amply).value().id == 1);
  const Stopwatch watch;
  check_ended(overdue_call(pair.client, held, 50ms), Errc::timed_out, false);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("fake call: a caller that wakes for nothing looks for its server's end") {
  Pair pair(false);
  auto call = in_background(pair.client, fake::Ask{1});
  CHECK(eventually([&] { return kernel().sleepers(pair.objects->slot(0).reply) == 1; }));
  pair.objects->page().alive = fake::died;  // and nobody wakes it: its backstop must do
  check_ended(call.get(), Errc::server_died, true);
}

}  // namespace fake_call_test
