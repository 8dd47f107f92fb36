// Making, serving and ending a channel on a system that refuses: each failure has its error, and nothing is left.
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/fake_platform.hpp"
#include "support/time.hpp"

namespace fake_server_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using fake::kernel;
using fake::Op;

namespace {

ServerOptions asleep(unsigned threads, unsigned slots = 4) {
  ServerOptions options;
  options.max_calls = slots;
  options.threads = threads;
  options.wait = WaitPolicy::sleep();
  return options;
}

bool names_channel(const Error& error) { return error.message().find("'server'") != std::string::npos; }

std::size_t sleeping_workers(const fake::Objects& objects) { return kernel().sleepers(objects.header().exec.sequence); }

int native_of(int error) { return detail::platform::native_of(std::error_code(error, std::generic_category())); }

}  // namespace

TEST_CASE("fake server: a channel that cannot be made whole is not made, and nothing of it stays") {
  const auto [op, part] = GENERATE(table<Op, const char*>({
      {Op::acquire_name, ""},
      {Op::create_memory, "record"},
      {Op::create_memory, "page"},
      {Op::create_memory, "segment"},
      {Op::create_signal, "exec"},
      {Op::create_signal, "slot_freed"},
      {Op::create_mutex, ""},
      {Op::create_signal, "done.0"},
      {Op::create_signal, "done.3"},
      {Op::light_beacon, ""},
  }));
  const auto failure = GENERATE(fake::Failure{Errc::system_error, 23}, fake::Failure{Errc::out_of_memory, 28});
  CAPTURE(static_cast<int>(op), part);
  const fake::World world;
  kernel().fail(op, part, failure);
  const auto refused = fake::Channel::Server::create("server", asleep(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == failure.code);
  CHECK(refused.error().native() == failure.native);
  CHECK(names_channel(refused.error()));
  CHECK(kernel().leftovers() == "");
  CHECK(fake::Channel::Server::create("server", asleep(1)));
}

TEST_CASE("fake server: a name has one server, and a killed one's successor removes what it left") {
  const fake::World world;
  fake::Channel::Server server("server");
  CHECK(error_of(fake::Channel::Server::create("server")) == Errc::name_in_use);
  const fake::Objects killed("server");
  killed.kill();
  fake::Channel::Server successor("server");
  CHECK(kernel().find(killed.names().segment(killed.generation())) == nullptr);
  CHECK(kernel().find(killed.names().server_page(killed.generation())) == nullptr);
  CHECK(fake::Objects("server").generation() != killed.generation());
}

TEST_CASE("fake server: a generation is never number 0, which means none") {
  const fake::World world;
  kernel().next_random = 0;
  fake::Channel::Server server("server");
  CHECK(fake::Objects("server").generation() == 1);
  CHECK(fake::Objects("server").record().generation == 1);
}

TEST_CASE("fake server: what it says of itself is there before the beacon, and the beacon before its number") {
  const fake::World world;
  const auto names = detail::Names::make("server", Scope::session).value();
  kernel().at(Op::light_beacon, "", [&] {
    const fake::Objects objects("server");
    CHECK(objects.page().identity.magic == detail::server_page_magic);
    CHECK(objects.page().identity.server_process == fake::Platform::process_id());
    CHECK(objects.page().service == detail::service_open);
    CHECK(objects.header().mark.generation == objects.generation());
    CHECK(objects.record().announced == objects.generation());
    CHECK(objects.record().generation == 0);
  });
  fake::Channel::Server server("server");
  CHECK(fake::Objects("server").record().generation == fake::Objects("server").generation());
}

TEST_CASE("fake server: a server that ends takes back its number and its light") {
  const fake::World world;
  std::optional<fake::Channel::Server> server(std::in_place, "server");
  const fake::Objects objects("server");
  server.reset();
  CHECK(objects.record().generation == 0);
  CHECK(objects.page().alive == 0);
}

TEST_CASE("fake server: callers are served in turn, not by the numbers of their slots") {
  const fake::World world;
  fake::Channel::Server server("server", asleep(1));
  const fake::Objects objects("server");
  fake::Channel::Client client("server");
  std::uint32_t served = 0;
  const auto serve_one = [&] {
    return server.serve_one([&](const fake::Ask& ask) { return fake::Answer{served = ask.id}; }, 0ns).value();
  };
  const auto call = [&](std::uint32_t id) {
    return std::async(std::launch::async, [&client, id] { return client.call(fake::Ask{id}, amply); });
  };
  const auto is_posted = [&](std::uint32_t slot, std::uint32_t sequence) {
    return eventually([&] { return detail::load_request(objects.slot(slot)).is(detail::Phase::posted, sequence); });
  };
  auto first = call(1);
  REQUIRE(is_posted(0, 1));
  auto second = call(2);
  REQUIRE(is_posted(1, 1));
  CHECK(serve_one());
  CHECK(first.get().value().id == 1);
  auto third = call(3);
  REQUIRE(is_posted(0, 2));
  CHECK(serve_one());
  CHECK(served == 2);
  CHECK(serve_one());
  CHECK(served == 3);
  CHECK(second.get().value().id == 2);
  CHECK(third.get().value().id == 3);
}

TEST_CASE("fake server: a thread that does not start is an error, after which nobody serves") {
  const fake::World world;
  fake::Handler handler;
  const auto code = GENERATE(Errc::system_error, Errc::out_of_memory);
  const int native = code == Errc::system_error ? native_of(11) : 0;
  const unsigned which = GENERATE(0u, 2u);
  fake::Channel::Server server("server", asleep(4));
  kernel().fail(Op::start_thread, "", {code, 11}, 1, which);
  Result<void> refused;
  SECTION("start") { refused = server.start(std::ref(handler)); }
  SECTION("serve") { refused = server.serve(handler); }
  SECTION("serve with a token") { refused = server.serve(handler, std::stop_source().get_token()); }
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == code);
  CHECK(refused.error().native() == native);
  CHECK(names_channel(refused.error()));
  CHECK(eventually([] { return kernel().leftovers().find("thread") == std::string::npos; }));
  CHECK(fake::Objects("server").page().service == detail::service_stopped);
  fake::Channel::Client client("server");
  CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::server_stopped);
  for (const Error& error : {server.start(std::ref(handler)).error(), server.serve(handler).error(),
                             server.serve_one(handler, 0ns).error()}) {
    CHECK(error.code() == Errc::server_stopped);
    CHECK(error.message().find("no threads") != std::string::npos);
  }
}

TEST_CASE("fake server: stop() wakes every worker, also where one ring wakes but one") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(3));
  server.start(std::ref(handler)).value();
  const fake::Objects objects("server");
  REQUIRE(eventually([&] { return sleeping_workers(objects) == 3; }));
  CHECK(kernel().count(Op::ring_all) == 0);
  const unsigned expired = kernel().expired_waits;
  SECTION("all at once") {
    server.stop();
    CHECK(kernel().count(Op::ring_all, "exec") >= 1);
  }
  SECTION("one by one") {
    kernel().wakes_one_of_all = true;
    server.stop();
  }
  CHECK(eventually([&] { return sleeping_workers(objects) == 0; }));
  CHECK(kernel().expired_waits == expired);  // not by their backstops
  CHECK(kernel().count(Op::rest) == 0);
}

TEST_CASE("fake server: the end of a server waits for workers whose ring was swallowed") {
  const fake::World world;
  fake::Handler handler;
  std::optional<fake::Channel::Server> server(std::in_place, "server", asleep(2));
  server->start(std::ref(handler)).value();
  const fake::Objects objects("server");
  REQUIRE(eventually([&] { return sleeping_workers(objects) == 2; }));
  const unsigned expired = kernel().expired_waits;
  kernel().wakes_one_of_all = true;
  server.reset();
  CHECK(kernel().expired_waits == expired);
  CHECK(sleeping_workers(objects) == 0);
}

TEST_CASE("fake server: a request wakes one worker of those that sleep") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(3));
  server.start(std::ref(handler)).value();
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  fake::Channel::Client client("server", options);
  client.wait_for_server(0ns).value();
  const fake::Objects objects("server");
  for (unsigned calls = 1; calls <= 3; ++calls) {
    REQUIRE(eventually([&] { return sleeping_workers(objects) == 3; }));
    CHECK(client.call(fake::Ask{calls}, amply).value().id == calls);
    CHECK(kernel().count(Op::ring, "exec") == calls);
  }
  REQUIRE(eventually([&] { return sleeping_workers(objects) == 3; }));
  CHECK(objects.header().exec.sleepers == 3);
}

TEST_CASE("fake server: a worker that finds more work than its own passes the ring on") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(2));
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  fake::Channel::Client client("server", options);
  client.wait_for_server(0ns).value();
  server.start(std::ref(handler)).value();
  const fake::Objects objects("server");
  REQUIRE(eventually([&] { return sleeping_workers(objects) == 2; }));
  // Two rings that merge into one: the second request's is swallowed.
  const std::uint32_t sleepers = objects.header().exec.sleepers.exchange(0);
  auto first = client.call_async(fake::Ask{1, 1}, amply);
  objects.header().exec.sleepers = sleepers;
  auto second = client.call_async(fake::Ask{2, 1}, amply);
  CHECK(handler.is_called(2));
  CHECK(kernel().count(Op::ring, "exec") == 2);
  handler.let_go();
  CHECK(first.get().value().id == 1);
  CHECK(second.get().value().id == 2);
}

TEST_CASE("fake server: waking for nothing answers nothing and overruns no deadline") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(1));
  kernel().spurious = 1'000'000'000;
  const Stopwatch watch;
  CHECK(server.serve_one(handler, 50ms).value() == false);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(watch.elapsed() < promptly);
  CHECK(handler.runs == 0);
  kernel().spurious = 300;
  server.start(std::ref(handler)).value();
  CHECK(eventually([] { return kernel().spurious <= 0; }));
  CHECK(handler.runs == 0);
  CHECK(fake::Channel::Client("server").call(fake::Ask{1}, amply).value().id == 1);
}

TEST_CASE("fake server: where the system lets nobody sleep, it serves and ends all the same") {
  const fake::World world;
  fake::Handler handler;
  kernel().refuses_waits = true;
  fake::Channel::Server server("server", asleep(2));
  server.start(std::ref(handler)).value();
  CHECK(fake::Channel::Client("server").call(fake::Ask{1}, amply).value().id == 1);
  CHECK(kernel().count(Op::wait, "exec") > 0);
}

TEST_CASE("fake server: one whose name was taken from it stops and says so") {
  const fake::World world;
  fake::Handler handler;
  const int how = GENERATE(0, 1, 2, 3, 4, 5);  // upkeep finds out within two seconds
  CAPTURE(how);
  fake::Channel::Server server("server", asleep(2));
  const fake::Objects objects("server");
  const detail::Names& names = objects.names();
  if (how <= 2 || how == 5) kernel().end_holder(names.rendezvous());
  if (how == 3) kernel().remove(names.server_page(objects.generation()));
  if (how == 4) kernel().remove(names.segment(objects.generation()));
  const Stopwatch watch;
  if (how == 5) {
    CHECK(eventually([&] { return !server.serve_one(handler, 0ns); }));
    CHECK(error_of(server.serve_one(handler, 0ns)) == Errc::server_stopped);
  } else if (how != 1 && how != 2) {
    const auto ended = server.serve(handler);
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code() == Errc::server_stopped);
    CHECK(ended.error().message().find("no client finds it") != std::string::npos);
  } else if (how == 1) {
    const auto ended = server.serve_one(handler, amply);
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code() == Errc::server_stopped);
    CHECK(names_channel(ended.error()));
  } else {
    server.start(std::ref(handler)).value();
    CHECK(eventually([&] { return objects.page().service == detail::service_stopped; }));
  }
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("fake server: upkeep mends what only the server writes, but no record that it has not") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(2));
  const fake::Objects objects("server");
  const auto damage = [&] {
    objects.page().identity.magic = 0;
    objects.page().request.length = 0;
    objects.page().reply.length = 0;
    objects.page().alive = 0;
    objects.page().service = 0;
    objects.header().mark.magic = 0;
    objects.header().exec.sleepers = 1000;
    objects.slot(1).request = detail::State(1, detail::Phase::withdrawn).word();
    objects.record().magic = 0;
    objects.record().version = 0;
    objects.record().announced = 0;
    objects.record().generation = 0;
  };
  SECTION("all of it") {
    damage();
    server.start(std::ref(handler)).value();
    CHECK(eventually([&] { return objects.record().generation == objects.generation(); }));
    CHECK(objects.record().announced == objects.generation());
    CHECK(objects.record().magic == detail::rendezvous_magic);
    CHECK(eventually([&] { return objects.header().high_water == 2; }));
    CHECK(objects.page().identity.magic == detail::server_page_magic);
    CHECK(objects.page().request.length != 0);
    CHECK(objects.page().reply.length != 0);
    CHECK(objects.page().alive == fake::lit);
    CHECK(objects.page().service == detail::service_open);
    CHECK(objects.header().mark.magic == detail::segment_magic);
    CHECK(objects.header().exec.sleepers <= 3);  // and one for a loop that is not ours
  }
  SECTION("without a record") {
    kernel().fail(Op::keep_name, "", {}, 1000);
    objects.record().generation = 0;
    objects.page().alive = 0;
    server.start(std::ref(handler)).value();
    CHECK(eventually([&] { return objects.page().alive == fake::lit; }));
    CHECK(objects.record().generation == 0);
  }
  SECTION("not what stop() says") {
    server.stop();
    CHECK(server.serve_one(handler, 1200ms).value() == false);
    CHECK(kernel().count(Op::keep_name) == 0);
    CHECK(objects.page().service == detail::service_stopped);
  }
  SECTION("not what stop() says meanwhile") {
    objects.page().alive = 0;
    kernel().at(Op::mend_beacon, "", [&] { server.stop(); });
    CHECK(server.serve(handler));
    CHECK(objects.page().service == detail::service_stopped);
  }
}

TEST_CASE("fake server: upkeep that is closed waits for who is at it, but not where the process ends") {
  detail::Upkeep upkeep;
  REQUIRE(eventually([&] { return upkeep.begin(1); }));
  int rests = 0;
  upkeep.close(2, [&] { return ++rests < 3; });
  CHECK(rests == 3);
  upkeep.close(1, [&] { return ++rests < 3; });  // a signal handler that has interrupted it
  CHECK(rests == 3);
  upkeep.end();
  upkeep.close(2, [&] { return ++rests < 3; });
  CHECK(rests == 3);
  CHECK_FALSE(upkeep.begin(1));
}

TEST_CASE("fake server: upkeep is done by a serve_one() that never waits") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(1));
  const fake::Objects objects("server");
  objects.record().generation = 0;
  objects.page().alive = 0;
  objects.header().mark.magic = 0;
  const auto has_looked_in_vain = [&] { return !server.serve_one(handler, 0ns).value(); };
  CHECK(eventually([&] { return has_looked_in_vain() && objects.record().generation == objects.generation(); }));
  CHECK(objects.page().alive == fake::lit);
  CHECK(objects.header().mark.magic == detail::segment_magic);
  CHECK(objects.page().statistics.as_of != 0);
}

TEST_CASE("fake server: upkeep is done by a serve_one() that always finds a call") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(1));
  const fake::Objects objects("server");
  if (GENERATE(false, true)) REQUIRE(server.native_handle() != nullptr);  // whose thread stays where it is
  std::atomic<bool> is_over{false}, has_left{false};
  std::thread calling([&] {
    fake::Channel::Client client("server");
    while (!is_over) static_cast<void>(client.call(fake::Ask{1}, amply));
    has_left = true;
  });
  const auto has_served = [&] {
    return eventually([&] { return server.stats().waiting != 0; }) && server.serve_one(handler, 0ns).value();
  };
  CHECK(has_served());  // so that the client has found the server
  objects.record().generation = 0;
  const Stopwatch watch;
  while (has_served() && objects.record().generation == 0 && watch.elapsed() < promptly) {
  }
  CHECK(objects.record().generation == objects.generation());
  CHECK(objects.page().statistics.as_of != 0);
  is_over = true;
  while (!has_left) static_cast<void>(server.serve_one(handler, 10ms));
  calling.join();
}

TEST_CASE("fake server: a handler knows its caller, its deadline by the clock they share, and whether it is wanted") {
  const fake::World world;
  fake::Channel::Server server("server", asleep(1));
  const fake::Objects objects("server");
  const bool shares = GENERATE(true, false);
  if (!shares) kernel().clock = 2;
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  fake::Channel::Client client("server", options);
  bool is_stated = false, was_wanted = false, is_wanted = true;
  std::string user;
  server
      .start([&](const fake::Ask& ask, const CallContext& context) {
        was_wanted = !context.cancelled();
        user = context.caller().user;
        eventually([&] { return kernel().sleepers(objects.slot(0).reply) == 1; });
        is_stated = objects.slot(0).deadline != 0;
        objects.slot(0).owner = 999;  // its caller is gone
        is_wanted = !context.cancelled();
        objects.slot(0).owner = 1;
        return fake::Answer{ask.id};
      })
      .value();
  CHECK(client.call(fake::Ask{3}, amply).value().id == 3);
  CHECK(is_stated == shares);
  CHECK(was_wanted);
  CHECK_FALSE(is_wanted);
  CHECK(user == "user of 4711");
}

TEST_CASE("fake server: a loop's handle is not to be had, and the next time it is") {
  const fake::World world;
  fake::Channel::Server server("server", asleep(1));
  SECTION("for want of an object") { kernel().fail(Op::make_notifier, "", {Errc::system_error, 24}); }
  SECTION("for want of a thread") { kernel().fail(Op::start_thread, "", {Errc::system_error, 11}); }
  CHECK(server.native_handle() == nullptr);
  const auto* event = server.native_handle();
  REQUIRE(event != nullptr);
  CHECK(server.native_handle() == event);
  CHECK_FALSE(*event);
}

TEST_CASE("fake server: a loop is told of a request once, and again when it has looked in vain") {
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("server", asleep(1));
  const auto* event = server.native_handle();
  REQUIRE(event != nullptr);
  const fake::Objects objects("server");
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  fake::Channel::Client client("server", options);
  client.wait_for_server(0ns).value();
  kernel().spurious = 20;
  for (std::uint32_t round = 1; round <= 2; ++round) {
    REQUIRE(eventually([&] { return sleeping_workers(objects) == 1; }));
    CHECK_FALSE(*event);
    auto first = client.call_async(fake::Ask{1}, amply);
    CHECK(eventually([&] { return event->load(); }));
    REQUIRE(eventually([&] { return objects.header().exec.sleepers == 0; }));
    const unsigned rings = kernel().count(Op::ring, "exec");
    auto second = client.call_async(fake::Ask{2}, amply);
    CHECK(kernel().count(Op::ring, "exec") == rings);  // it knows already
    CHECK(server.serve_one(handler, 0ns).value());
    CHECK(server.serve_one(handler, 0ns).value());
    CHECK(*event);
    CHECK_FALSE(server.serve_one(handler, 0ns).value());
    CHECK(first.get().value().id == 1);
    CHECK(second.get().value().id == 2);
    CHECK(kernel().count(Op::notify) == round);
  }
  REQUIRE(eventually([&] { return sleeping_workers(objects) == 1; }));
  server.stop();
  CHECK(eventually([&] { return event->load(); }));
}

TEST_CASE("fake server: a reply that is given later finds a server, or nobody") {
  const fake::World world;
  std::optional<Responder<fake::Answer>> kept;
  std::atomic<bool> is_kept{false};
  std::optional<fake::Channel::Server> server(std::in_place, "server", asleep(1));
  server
      ->start([&](const fake::Ask&, Responder<fake::Answer> responder) {
        kept.emplace(std::move(responder));
        is_kept = true;
      })
      .value();
  fake::Channel::Client client("server");
  auto call = client.call_async(fake::Ask{1}, amply);
  REQUIRE(eventually([&] { return is_kept.load(); }));
  SECTION("a server") {
    kept->reply(fake::Answer{1});
    CHECK(call.get().value().id == 1);
  }
  SECTION("nobody in a fork()ed child") {
    kernel().is_child = true;
    kept->reply(fake::Answer{1});
    kernel().is_child = false;
    CHECK_FALSE(call.ready());
    fake::Objects("server").kill();
    CHECK(error_of(call.get()) == Errc::server_died);
  }
  SECTION("nobody after its end") {
    server.reset();
    kept->reply(fake::Answer{1});
    CHECK(error_of(call.get()) == Errc::server_stopped);
  }
  SECTION("a server that stops: what waits in that slot is refused") {
    server->stop();
    kept.reset();
    CHECK(error_of(call.get()) == Errc::handler_failed);
  }
}

}  // namespace fake_server_test
