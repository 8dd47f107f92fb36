// Calls in flight, and the threads that end them, on a system that refuses either.
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/fake_platform.hpp"
#include "support/outcome.hpp"
#include "support/task.hpp"
#include "support/time.hpp"

namespace fake_async_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using detail::Phase;
using fake::kernel;
using fake::Op;
using Ending = test_support::Outcome<fake::Answer>;

namespace {

constexpr fake::Ask held{9, 1};

struct Flight {
  explicit Flight(bool serves = true) {
    ServerOptions options;
    options.max_calls = 8;
    options.threads = 8;
    options.wait = WaitPolicy::sleep();
    server.emplace("async", options);
    if (serves) server->start(std::ref(handler)).value();
    ClientOptions asleep;
    asleep.wait = WaitPolicy::sleep();
    client.emplace("async", asleep);
    client->wait_for_server(0ns).value();
    objects.emplace("async");
    threads = kernel().count(Op::start_thread);
  }
  ~Flight() { handler.let_go(); }

  unsigned threads_started() const { return kernel().count(Op::start_thread) - threads; }
  // That a completion thread sleeps on the call in the first slot.
  bool is_watched() const {
    return eventually([&] { return kernel().sleepers(objects->slot(0).reply) == 1; });
  }

  fake::World world;
  fake::Handler handler;
  std::optional<fake::Channel::Server> server;
  std::optional<fake::Channel::Client> client;
  std::optional<fake::Objects> objects;
  unsigned threads = 0;
};

template <class T>
void check_failed(const Result<T>& result, Errc code, bool not_executed, int native = 0,
                  const std::string& words = {}) {
  REQUIRE_FALSE(result);
  CHECK(result.error().message().find(words) != std::string::npos);
  CHECK(result.error().code() == code);
  CHECK(result.error().not_executed() == not_executed);
  CHECK(result.error().native() == native);
  CHECK(result.error().message().find("'async'") != std::string::npos);
}

}  // namespace

TEST_CASE("fake async: without a completion thread there is no callback, and the call ends at once") {
  Ending ending;
  SECTION("the thread does not start") {
    Flight flight(false);
    kernel().fail(Op::start_thread, "", {Errc::system_error, 11});
    const auto refused = flight.client->call_async(fake::Ask{1}, amply, ending.callback());
    check_failed(refused, Errc::system_error, true,
                 detail::platform::native_of(std::error_code(11, std::generic_category())),
                 "could not block: no completion thread could start; the request was withdrawn and never runs");
    CHECK(flight.objects->slot(0).owner == 0);
    CHECK(flight.client->call_async(fake::Ask{1}, 5ms, ending.callback()));  // the next one starts
    CHECK(ending.comes());
    CHECK(error_of(ending.last()) == Errc::timed_out);
  }
  SECTION("there is no memory for the thread") {
    Flight flight(false);
    kernel().fail(Op::start_thread, "", {Errc::out_of_memory, 12});
    check_failed(flight.client->call_async(fake::Ask{1}, amply, ending.callback()), Errc::system_error, true,
                 detail::platform::native_of(std::make_error_code(std::errc::not_enough_memory)));
    CHECK(flight.client->call_async(fake::Ask{1}, 5ms, ending.callback()));  // which a thread watches
    CHECK(ending.comes());
  }
  SECTION("there is nothing to sleep on") {
    Flight flight(false);
    kernel().fail(Op::make_wait_set, "", {Errc::system_error, 24});
    check_failed(flight.client->call_async(fake::Ask{1}, amply, ending.callback()), Errc::system_error, true, 24);
    CHECK(ending.count() == 0);
  }
  SECTION("a handler has the request") {
    Flight flight;
    kernel().at(Op::make_wait_set, "", [&] { flight.handler.is_called(); });
    kernel().fail(Op::make_wait_set, "", {Errc::system_error, 24});
    check_failed(flight.client->call_async(held, amply, ending.callback()), Errc::system_error, false, 24);
    CHECK(ending.count() == 0);
  }
  SECTION("the answer is there, with nobody to tell") {
    Flight flight;
    kernel().at(Op::make_wait_set, "", [&] {
      eventually([&] { return detail::load_reply(flight.objects->slot(0)).phase() == Phase::done; });
    });
    kernel().fail(Op::make_wait_set, "", {Errc::system_error, 24});
    check_failed(flight.client->call_async(fake::Ask{1}, amply, ending.callback()), Errc::system_error, false, 24,
                 "could not block: nothing could be made for a completion thread to sleep on; the request may have");
    CHECK(ending.count() == 0);
    CHECK(flight.objects->slot(0).owner == 0);
  }
}

TEST_CASE("fake async: a coroutine goes on at once where no thread starts, with the error") {
  Flight flight(false);
  kernel().fail(Op::start_thread, "", {Errc::system_error, 11});
  std::optional<Result<fake::Answer>> result;
  [](fake::Channel::Client& client, std::optional<Result<fake::Answer>>& got) -> Task {
    got = co_await client.call_async(fake::Ask{1}, amply);
  }(*flight.client, result);
  REQUIRE(result);
  check_failed(*result, Errc::system_error, true,
               detail::platform::native_of(std::error_code(11, std::generic_category())));
}

TEST_CASE("fake async: a native handle is not to be had, or comes of a call that has ended") {
  Flight flight;
  SECTION("the system has none to give") {
    auto call = flight.client->call_async(fake::Ask{1}, amply);
    kernel().fail(Op::make_notifier, "", {Errc::system_error, 24});
    CHECK(call.native_handle() == nullptr);
    CHECK(flight.threads_started() == 0);
    CHECK(call.native_handle() != nullptr);  // the next time
    CHECK(call.get().value().id == 1);
  }
  SECTION("the call is in flight") {
    auto call = flight.client->call_async(held, amply);
    const auto* event = call.native_handle();
    REQUIRE(event != nullptr);
    CHECK_FALSE(*event);
    CHECK(call.native_handle() == event);
    CHECK(flight.threads_started() == 1);
    flight.handler.let_go();
    CHECK(eventually([&] { return event->load(); }));
    CHECK(kernel().count(Op::notify) == 1);
    CHECK(call.get().value().id == held.id);
  }
  SECTION("the call has ended") {
    auto call = flight.client->call_async(fake::Ask{1}, amply);
    CHECK(call.wait(amply));
    const auto* event = call.native_handle();
    REQUIRE(event != nullptr);
    CHECK(*event);
    CHECK(flight.threads_started() == 0);
  }
  SECTION("the call was never sent") {
    flight.objects->kill();
    auto call = flight.client->call_async(fake::Ask{1}, amply);
    CHECK(*call.native_handle());
    CHECK(error_of(call.get()) == Errc::no_server);
  }
  SECTION("no thread starts: then the call has ended") {
    auto call = flight.client->call_async(held, amply);
    CHECK(flight.handler.is_called());
    kernel().fail(Op::start_thread, "", {Errc::system_error, 11});
    CHECK(*call.native_handle());
    check_failed(call.get(), Errc::system_error, false,
                 detail::platform::native_of(std::error_code(11, std::generic_category())));
  }
}

TEST_CASE("fake async: without a Done signal a call in flight ends, and only that one") {
  Flight flight;
  SECTION("its caller waits") {
    auto call = flight.client->call_async(held, amply);
    CHECK(flight.handler.is_called());
    kernel().fail(Op::open_signal, "done.0", {Errc::system_error, 24});
    CHECK(call.wait(amply));
    check_failed(call.get(), Errc::system_error, false, 24);
  }
  SECTION("its caller asks for the answer") {
    auto call = flight.client->call_async(held, amply);
    CHECK(flight.handler.is_called());
    kernel().fail(Op::open_signal, "done.0", {Errc::system_error, 24});
    check_failed(call.get(), Errc::system_error, false, 24,
                 "could not block: opening the Done signal failed; the request may");
  }
  SECTION("a completion thread waits") {
    Ending first, second;
    kernel().fail(Op::open_signal, "done.1", {Errc::system_error, 24});
    CHECK(flight.client->call_async(held, amply, first.callback()));
    CHECK(flight.handler.is_called());
    kernel().at(Op::open_signal, "done.1", [&] { flight.handler.is_called(2); });
    CHECK(flight.client->call_async(held, amply, second.callback()));
    CHECK(second.comes());
    check_failed(second.last(), Errc::system_error, false, 24);
    CHECK(first.count() == 0);
    flight.handler.let_go();
    CHECK(first.comes());
    CHECK(first.last().value().id == held.id);
  }
  SECTION("it went with its server") {
    Ending ending;
    kernel().fail(Op::open_signal, "done.0", {Errc::no_server, 2});
    kernel().at(Op::open_signal, "done.0", [&] { flight.handler.is_called(); });
    CHECK(flight.client->call_async(held, amply, ending.callback()));
    CHECK(ending.comes());
    check_failed(ending.last(), Errc::server_died, false);
    CHECK_FALSE(flight.client->connected());
  }
}

TEST_CASE("fake async: a completion thread is woken once for an answer, and its waits are counted") {
  Flight flight;
  Ending ending;
  CHECK(flight.client->call_async(held, amply, ending.callback()));
  REQUIRE(flight.is_watched());
  const unsigned waits = kernel().count(Op::wait_in_set, "calls");
  CHECK(waits <= 2);  // once more if the call arrived while the thread was on its way to sleep
  flight.handler.let_go();
  CHECK(ending.comes());
  CHECK(ending.last().value().id == held.id);
  CHECK(kernel().count(Op::ring, "done.0") == 1);
  CHECK(kernel().count(Op::wait_in_set, "calls") == waits);
  CHECK(kernel().count(Op::ring_set) <= 1);  // for the arrival
}

TEST_CASE("fake async: a call that is given up opens nothing; the client's next question looks for a successor") {
  Flight flight;
  const auto looks = [] { return kernel().count(Op::read_record, "published"); };
  auto first = flight.client->call_async(held, amply);
  Ending second;
  CHECK(flight.client->call_async(held, 5ms, second.callback()));
  const unsigned before = looks();
  first.cancel();
  CHECK(second.comes());
  CHECK(error_of(first.get()) == Errc::cancelled);
  CHECK(looks() == before);
  auto third = flight.client->call_async(held, amply);
  CHECK(looks() == before + 1);
  third.cancel();
  CHECK(flight.client->connected());  // too soon: it looks twice a second
  CHECK(eventually([&] { return flight.client->connected() && looks() == before + 2; }));
}

TEST_CASE("fake async: more calls than one thread may watch take another thread, and free ones are used again") {
  Flight flight;
  Ending ending;
  constexpr int count = static_cast<int>(fake::WaitSet::capacity) + 1;
  for (int call = 0; call < count; ++call) CHECK(flight.client->call_async(held, amply, ending.callback()));
  CHECK(flight.threads_started() == 2);
  CHECK(flight.handler.is_called(count));
  flight.handler.let_go();
  CHECK(ending.comes(count));
  CHECK(flight.client->call_async(fake::Ask{1}, amply, ending.callback()));
  CHECK(ending.comes(count + 1));
  CHECK(flight.threads_started() == 2);
}

TEST_CASE("fake async: calls of two servers are not watched by one thread") {
  Flight flight;
  Ending old, young;
  CHECK(flight.client->call_async(held, amply, old.callback()));
  REQUIRE(flight.is_watched());
  // The old server still runs its handler, but the record names another.
  kernel().end_holder(flight.objects->names().rendezvous());
  const std::uint64_t before = flight.objects->generation();
  fake::Channel::Server successor("async");
  REQUIRE(fake::Objects("async").generation() != before);
  fake::Handler handler;
  successor.start(std::ref(handler)).value();
  SECTION("told by its own call") {
    auto slow = flight.client->call_async(held, 1ms);
    CHECK(error_of(slow.get()) == Errc::timed_out);  // which parts the client from the old one
  }
  SECTION("told by one that ends by itself") {
    Ending slow;
    CHECK(flight.client->call_async(held, 1ms, slow.callback()));
    CHECK(slow.comes());
    CHECK(error_of(slow.last()) == Errc::timed_out);
  }
  SECTION("told by one that a callback waits for") {
    Ending slow;
    auto call = flight.client->call_async(held, 30ms);
    REQUIRE(call.native_handle() != nullptr);
    CHECK(flight.client->call_async(fake::Ask{1}, amply,
                                    [&](const Result<fake::Answer>&) { slow.callback()(call.get()); }));
    CHECK(slow.comes());
    CHECK(error_of(slow.last()) == Errc::timed_out);
  }
  CHECK(flight.client->call_async(fake::Ask{1}, amply, young.callback()));
  CHECK(young.comes());
  CHECK(young.last().value().id == 1);
  CHECK(flight.threads_started() == 3);  // one is the successor's worker
  CHECK(old.count() == 0);
  flight.handler.let_go();
  CHECK(old.comes());
  CHECK(old.last().value().id == held.id);
}

TEST_CASE("fake async: the server's death ends watched calls, taken or not") {
  SECTION("not taken") {
    Flight flight(false);
    Ending ending;
    SECTION("before the thread sleeps") {
      kernel().at(Op::wait_in_set, "calls", [&] { flight.objects->kill(); });
      CHECK(flight.client->call_async(fake::Ask{1}, amply, ending.callback()));
    }
    SECTION("while it sleeps") {
      CHECK(flight.client->call_async(fake::Ask{1}, amply, ending.callback()));
      REQUIRE(flight.is_watched());
      flight.objects->kill();
    }
    SECTION("with nobody to wake it") {
      CHECK(flight.client->call_async(fake::Ask{1}, amply, ending.callback()));
      REQUIRE(flight.is_watched());
      flight.objects->page().alive = fake::died;
    }
    CHECK(ending.comes());
    check_failed(ending.last(), Errc::server_died, true);
  }
  SECTION("taken") {
    Flight flight;
    Ending ending;
    CHECK(flight.client->call_async(held, amply, ending.callback()));
    CHECK(flight.handler.is_called());
    REQUIRE(flight.is_watched());
    SECTION("by death") {
      flight.objects->kill();
      CHECK(ending.comes());
      check_failed(ending.last(), Errc::server_died, false);
    }
    SECTION("by a graceful end") {
      flight.objects->page().alive = 0;
      kernel().wake(flight.objects->page().alive, fake::Kernel::everyone);
      CHECK(ending.comes());
      check_failed(ending.last(), Errc::server_stopped, false);
    }
  }
  SECTION("in its caller's hands") {
    Flight flight;
    auto call = flight.client->call_async(held, amply);
    CHECK(flight.handler.is_called());
    CHECK_FALSE(call.ready());
    kernel().at(Op::wait, "done.0", [&] { flight.objects->kill(); });
    CHECK(call.wait(amply));
    check_failed(call.get(), Errc::server_died, false);
    CHECK_FALSE(flight.client->connected());
  }
}

TEST_CASE("fake async: waking for nothing ends no call in flight and overruns no deadline") {
  Flight flight;
  SECTION("of a completion thread") {
    Ending ending;
    kernel().spurious = 300;
    CHECK(flight.client->call_async(held, amply, ending.callback()));
    CHECK(eventually([] { return kernel().spurious <= 0; }));
    CHECK(ending.count() == 0);
    flight.handler.let_go();
    CHECK(ending.comes());
    CHECK(ending.last().value().id == held.id);
  }
  SECTION("of a completion thread, at the deadline") {
    Ending ending;
    const Stopwatch watch;
    kernel().spurious = 1'000'000'000;
    CHECK(flight.client->call_async(held, 50ms, ending.callback()));
    CHECK(ending.comes());
    kernel().spurious = 0;
    CHECK(watch.elapsed() >= 50ms);
    CHECK(error_of(ending.last()) == Errc::timed_out);
  }
  SECTION("of a caller that waits for less than its call") {
    auto call = flight.client->call_async(held, amply);
    CHECK(flight.handler.is_called());
    const Stopwatch watch;
    kernel().spurious = 1'000'000'000;
    CHECK_FALSE(call.wait(30ms));
    kernel().spurious = 0;
    CHECK(watch.elapsed() >= 30ms);
  }
  SECTION("where nobody may sleep") {
    kernel().refuses_waits = true;
    Ending ending;
    CHECK(flight.client->call_async(fake::Ask{1}, amply, ending.callback()));
    CHECK(ending.comes());
    CHECK(ending.last().value().id == 1);
    CHECK(flight.client->call_async(held, 50ms, ending.callback()));
    CHECK(ending.comes(2));
    CHECK(error_of(ending.last()) == Errc::timed_out);
  }
}

TEST_CASE("fake async: a caller and a completion thread wait for one call") {
  Flight flight;
  auto call = flight.client->call_async(held, amply);
  REQUIRE(call.native_handle() != nullptr);
  REQUIRE(flight.is_watched());
  SECTION("and the answer comes") {
    CHECK_FALSE(call.wait(20ms));
    CHECK(kernel().count(Op::open_signal, "done.0") == 1);  // the caller sleeps on the thread's word, not on the reply
    CHECK(kernel().count(Op::wait, "done.0") == 0);
    flight.handler.let_go();
    CHECK(call.get().value().id == held.id);
  }
  SECTION("and the server dies") {
    kernel().at(Op::wait_in_set, "idle", [&] { flight.objects->kill(); });
    check_failed(call.get(), Errc::server_died, false);
  }
  SECTION("and the thread calls the caller when the answer comes") {
    const unsigned rings = kernel().count(Op::ring_set);
    bool is_rung = false;
    kernel().at(Op::wait_in_set, "idle", [&] {
      flight.handler.let_go();
      is_rung = eventually([&] { return kernel().count(Op::ring_set) == rings + 1; });
    });
    CHECK(call.get().value().id == held.id);
    CHECK(is_rung);
  }
  SECTION("and the caller, who finds the answer first, calls the thread") {
    std::atomic<unsigned> rings = 0;
    kernel().at(Op::ring, "done.0", [&] {
      const unsigned before = kernel().count(Op::ring_set);
      if (call.ready()) rings = kernel().count(Op::ring_set) - before;
    });
    flight.handler.let_go();
    CHECK(eventually([&] { return rings == 1; }));
    CHECK(call.get().value().id == held.id);
  }
  SECTION("and the caller drops it") {
    { const auto dropped = std::move(call); }
    CHECK(eventually([&] { return flight.objects->slot(0).owner == 0; }));  // the thread lets it go
    CHECK(kernel().count(Op::ring_set) >= 1);
  }
}

TEST_CASE("fake async: a callback sleeps on the reply to a call that its own thread watches") {
  Flight flight;
  Ending ending;
  auto call = flight.client->call_async(held, 5s);
  REQUIRE(call.native_handle() != nullptr);
  REQUIRE(flight.is_watched());
  kernel().at(Op::wait, "done.0", [&] { flight.handler.let_go(); });
  CHECK(flight.client->call_async(fake::Ask{1}, amply,
                                  [&](const Result<fake::Answer>&) { ending.callback()(call.get()); }));
  CHECK(ending.comes());
  CHECK(ending.last().value().id == held.id);
}

TEST_CASE("fake async: a slot stays occupied while a completion thread may sleep on its word") {
  Flight flight;
  std::atomic<bool> goes_on{false};
  Ending ending;
  auto call = flight.client->call_async(held, amply);
  REQUIRE(flight.handler.is_called());
  REQUIRE(call.native_handle() != nullptr);
  CHECK(flight.client->call_async(fake::Ask{1}, amply, [&](Result<fake::Answer> result) {
    eventually([&] { return goes_on.load(); });
    ending.callback()(std::move(result));
  }));
  REQUIRE(eventually([&] { return flight.objects->slot(1).owner == 0; }));  // the callback runs
  SECTION("that its caller drops") { const auto dropped = std::move(call); }
  SECTION("whose answer was fetched") {
    flight.handler.let_go();
    CHECK(call.get().value().id == held.id);
  }
  CHECK(flight.objects->slot(0).owner != 0);
  goes_on = true;
  CHECK(ending.comes());
  CHECK(eventually([&] { return flight.objects->slot(0).owner == 0; }));
}

TEST_CASE("fake async: a call that has ended is in flight no more, though its answer was not fetched") {
  Flight flight;
  auto call = flight.client->call_async(fake::Ask{1}, amply);
  CHECK(flight.client->call(fake::Ask{2}, amply));
  CHECK(flight.objects->slot(1).place != 0);
  CHECK(call.wait(amply));
  CHECK(flight.client->call(fake::Ask{3}, amply));
  CHECK(flight.objects->slot(1).place == 0);
  CHECK(call.get().value().id == 1);
}

TEST_CASE("fake async: the end of a client ends what it watches") {
  Flight flight;
  Ending ending;
  SECTION("of which a handler has the request") {
    CHECK(flight.client->call_async(held, amply, ending.callback()));
    CHECK(flight.handler.is_called());
    flight.client.reset();
    CHECK(ending.comes());
    check_failed(ending.last(), Errc::timed_out, false);
    CHECK(ending.last().error().message().find("client was destroyed") != std::string::npos);
  }
  SECTION("and what comes too late for it") {
    auto call = flight.client->call_async(held, amply);
    CHECK(flight.handler.is_called());
    flight.client.reset();
    CHECK(*call.native_handle());
    CHECK(flight.threads_started() == 0);
    check_failed(call.get(), Errc::timed_out, false);
  }
}

TEST_CASE("fake async: calls in flight find a dead server before they are sent") {
  Flight flight(false);
  fake::Handler handler;
  flight.objects->kill();
  SECTION("none is there") {
    auto call = flight.client->call_async(fake::Ask{1}, amply);
    CHECK(call.ready());
    CHECK(error_of(call.get()) == Errc::no_server);
  }
  SECTION("none is there, and a glance comes too late to say so") {
    kernel().fail(Op::glance, "", {});
    auto call = flight.client->call_async(fake::Ask{1}, amply);
    check_failed(call.get(), Errc::server_died, true);
  }
  SECTION("its successor gets the call") {
    fake::Channel::Server successor("async");
    successor.start(std::ref(handler)).value();
    CHECK(flight.client->call_async(fake::Ask{1}, amply).get().value().id == 1);
  }
}

TEST_CASE("fake async: completion threads that spin ring nobody and sleep on nothing") {
  const fake::World world;
  fake::Handler handler;
  ServerOptions serving;
  serving.wait = WaitPolicy::spin_only();
  fake::Channel::Server server("async", serving);
  server.start(std::ref(handler)).value();
  ClientOptions calling;
  calling.wait = WaitPolicy::spin_only();
  fake::Channel::Client client("async", calling);
  Ending ending;
  CHECK(client.call_async(fake::Ask{1}, amply, ending.callback()));
  CHECK(ending.comes());
  CHECK(ending.last().value().id == 1);
  CHECK(client.call_async(held, 1s, ending.callback()));
  CHECK(handler.is_called(2));  // a call that nobody took rings at its deadline
  CHECK(ending.comes(2));
  CHECK(error_of(ending.last()) == Errc::timed_out);
  CHECK(kernel().count(Op::wait_in_set, "calls") == 0);
  CHECK(kernel().count(Op::ring) == 0);
  CHECK(kernel().count(Op::open_signal) == 2);
  handler.let_go();
}

}  // namespace fake_async_test
