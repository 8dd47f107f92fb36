// Attaching on a system that refuses, lies, or has been damaged: each failure has its error, and the next call does
// not suffer from it.
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/fake_platform.hpp"
#include "support/time.hpp"

namespace fake_attach_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using detail::Header;
using detail::Identity;
using fake::kernel;
using fake::Op;

namespace {

// A server that nobody needs to answer for.
struct Silent {
  fake::World world;
  fake::Channel::Server server{"attach"};
  fake::Objects objects{"attach"};

  Result<void> attach(const ClientOptions& options = {}) const {
    return fake::Channel::Client("attach", options).wait_for_server(0ns);
  }
};

bool names_channel(const Error& error) { return error.message().find("'attach'") != std::string::npos; }

}  // namespace

TEST_CASE("fake attach: each refusal of the system is the error of the call, and of that call alone") {
  const auto [op, part] = GENERATE(table<Op, const char*>({
      {Op::read_record, "published"},
      {Op::open_memory, "page"},
      {Op::ask_owner, "page"},
      {Op::open_watch, ""},
      {Op::open_memory, "segment"},
      {Op::ask_owner, "segment"},
      {Op::take_lease, ""},
      {Op::open_signal, "exec"},
      {Op::open_signal, "slot_freed"},
      {Op::open_mutex, ""},
  }));
  const auto failure = GENERATE(fake::Failure{Errc::system_error, 23}, fake::Failure{Errc::access_denied, 13},
                                fake::Failure{Errc::out_of_memory, 12});
  CAPTURE(static_cast<int>(op), part);
  const fake::World world;
  fake::Handler handler;
  fake::Channel::Server server("attach");
  server.start(std::ref(handler)).value();
  fake::Channel::Client client("attach");

  kernel().fail(op, part, failure);
  const auto refused = client.call(fake::Ask{1}, amply);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == failure.code);
  CHECK(refused.error().native() == failure.native);
  CHECK(refused.error().not_executed());
  CHECK(names_channel(refused.error()));
  CHECK_FALSE(client.connected());
  CHECK(handler.runs == 0);

  CHECK(client.call(fake::Ask{2}, amply).value().id == 2);
}

TEST_CASE("fake attach: a server that goes between two steps is looked for again, but not forever") {
  Silent silent;
  SECTION("it was replaced") {
    kernel().fail(Op::open_memory, "segment", {Errc::no_server, 2}, 3);
    CHECK(silent.attach());
    CHECK(kernel().count(Op::open_memory, "segment") == 4);
  }
  SECTION("it never stays") {
    kernel().fail(Op::open_memory, "page", {Errc::no_server, 2}, 1000);
    CHECK(error_of(silent.attach()) == Errc::no_server);
    CHECK(kernel().count(Op::open_memory, "page") == 8);
  }
}

TEST_CASE("fake attach: a server that is gone as soon as it is attached to holds nobody beyond his deadline") {
  Silent silent;
  const std::uint32_t lit = silent.objects.page().alive;
  const std::function<void()> light = [&] {
    silent.objects.page().alive = lit;
    kernel().at(Op::open_watch, "", light);
  };
  const std::function<void()> put_out = [&] {
    silent.objects.page().alive = lit + 1;
    kernel().at(Op::glance, "", put_out);
  };
  light();
  put_out();
  fake::Channel::Client client("attach");
  const auto refused = client.call_async(fake::Ask{1}, 20ms).get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::no_server);
  CHECK(refused.error().not_executed());
  CHECK(kernel().count(Op::open_watch) > 1);
  silent.objects.page().alive = lit;
}

TEST_CASE("fake attach: what it takes counts against the call's deadline") {
  const Silent silent;
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  fake::Channel::Client client("attach", options);
  kernel().at(Op::open_watch, "", [] { std::this_thread::sleep_for(100ms); });
  CHECK(error_of(client.call(fake::Ask{1}, 50ms)) == Errc::timed_out);
  CHECK(kernel().count(Op::wait) == 0);  // there was nothing left to wait for
}

TEST_CASE("fake attach: a lease number that is held is passed over, and the search for one ends") {
  Silent silent;
  SECTION("one is free") {
    kernel().fail(Op::take_lease, "", {Errc::busy, 0}, 5);
    CHECK(silent.attach());
    CHECK(kernel().count(Op::take_lease) == 6);
  }
  SECTION("0 is none's number") {
    silent.objects.header().next_client = 0x7FFF'FFFF;
    CHECK(silent.attach());
    CHECK(silent.objects.header().next_client == 0x8000'0001);
    CHECK(kernel().count(Op::take_lease) == 1);
  }
  SECTION("none is free") {
    kernel().fail(Op::take_lease, "", {Errc::busy, 0}, 5000);
    CHECK(error_of(silent.attach()) == Errc::corrupt);
    CHECK(kernel().count(Op::take_lease) == 1000);
  }
}

TEST_CASE("fake attach: the server is its user's, and so is all that its record names") {
  Silent silent;
  ClientOptions options;
  SECTION("another user") {
    kernel().find(silent.objects.names().rendezvous())->owner = "77";
    const auto refused = silent.attach();
    CHECK(error_of(refused) == Errc::not_owner);
    CHECK(refused.error().message().find("ServerUser::uid(77)") != std::string::npos);
    options.server = ServerUser::uid(77);
    CHECK(error_of(silent.attach(options)) == Errc::not_owner);  // page and segment are not his
    silent.objects.page_memory().owner = "77";
    CHECK(error_of(silent.attach(options)) == Errc::not_owner);
    silent.objects.segment().owner = "77";
    CHECK(silent.attach(options));
    options.server = ServerUser::any();
    CHECK(silent.attach(options));
    options.server = ServerUser::uid(78);
    CHECK(error_of(silent.attach(options)) == Errc::not_owner);
  }
  SECTION("a user that the system does not tell") {
    for (auto* memory : {&silent.objects.record_memory(), &silent.objects.page_memory(), &silent.objects.segment()})
      memory->owner = "";
    const auto refused = silent.attach();
    CHECK(error_of(refused) == Errc::not_owner);
    CHECK(refused.error().message().find("ServerUser::any()") != std::string::npos);
    options.server = ServerUser::any();
    CHECK(silent.attach(options));
  }
  SECTION("a kind that the system does not know") {
    options.server = ServerUser::sid("S-1-1-0");
    CHECK(error_of(fake::Channel::Client::create("attach", options)) == Errc::invalid_argument);
  }
}

TEST_CASE("fake attach: nothing in shared memory is believed") {
  Silent silent;
  const fake::Objects& objects = silent.objects;
  Identity& identity = objects.page().identity;
  const auto shrink = [&](const std::string& object, std::size_t bytes) {
    const auto old = kernel().find(object);
    auto cut = std::make_shared<fake::Memory>(bytes);
    std::copy(old->data(), old->data() + bytes, cut->data());
    kernel().remove(object);
    kernel().add(object, std::move(cut));
  };
  SECTION("magic") {
    identity.magic = 0;
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("version") {
    identity.version += 1;
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("shape") {
    identity.shape.request_size += 8;
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("request") {
    objects.page().request.text[0] = '?';
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("reply") {
    objects.page().reply.length += 1;
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("generation") {
    identity.generation += 1;
    CHECK(error_of(silent.attach()) == Errc::corrupt);
  }
  SECTION("no slots") {
    identity.slot_count = 0;
    CHECK(error_of(silent.attach()) == Errc::corrupt);
  }
  SECTION("too many slots") {
    identity.slot_count = max_slots + 1;
    CHECK(error_of(silent.attach()) == Errc::corrupt);
  }
  SECTION("other slots") {
    identity.slot_count -= 1;
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("a page that was cut short") {
    shrink(objects.names().server_page(objects.generation()), 64);
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("a segment that was cut short") {
    shrink(objects.names().segment(objects.generation()), sizeof(Header));
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("a segment that was cut very short") {
    shrink(objects.names().segment(objects.generation()), 64);
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
    CHECK(kernel().count(Op::ring) == 0);  // nobody there to wake
  }
  SECTION("the segment's mark") {
    objects.header().mark.generation += 1;
    CHECK(error_of(silent.attach()) == Errc::corrupt);
  }
  SECTION("the record's magic") {
    objects.record().magic = 0;
    CHECK(error_of(silent.attach()) == Errc::no_server);
  }
  SECTION("the record's version") {
    objects.record().version += 1;
    CHECK(error_of(silent.attach()) == Errc::layout_mismatch);
  }
  SECTION("a server that has stopped") {
    silent.server.stop();
    CHECK(error_of(silent.attach()) == Errc::server_stopped);
  }
  SECTION("a server that has died") {
    objects.kill();
    CHECK(error_of(silent.attach()) == Errc::no_server);
  }
}

TEST_CASE("fake attach: a record whose published generation was damaged still names its announced one") {
  Silent silent;
  silent.objects.record().generation = 0;
  ClientOptions options;
  SECTION("that will do") { CHECK(silent.attach()); }
  SECTION("but not if it cannot be read") {
    kernel().fail(Op::read_record, "announced", {Errc::system_error, 5}, 10);
    CHECK(error_of(silent.attach()) == Errc::no_server);
  }
  SECTION("nor if it is another user's") {
    silent.objects.record_memory().owner = "77";
    CHECK(error_of(silent.attach()) == Errc::no_server);
    CHECK(kernel().count(Op::ring) == 0);
  }
  SECTION("nor if all of it is another user's") {
    for (auto* memory : {&silent.objects.record_memory(), &silent.objects.page_memory(), &silent.objects.segment()})
      memory->owner = "77";
    CHECK(error_of(silent.attach()) == Errc::no_server);
    CHECK(kernel().count(Op::take_lease) == 0);
  }
  SECTION("nor if it does not let us in") {
    kernel().fail(Op::open_mutex, "", {Errc::system_error, 5});
    CHECK(error_of(silent.attach()) == Errc::no_server);
  }
}

TEST_CASE("fake attach: a client that finds its server damaged wakes it, and not at every call") {
  Silent silent;
  fake::Channel::Client client("attach");
  silent.objects.page().identity.magic = 0;
  SECTION("it wakes the server") {
    const std::uint32_t before = silent.objects.header().exec.sequence;
    for (int call = 0; call < 3; ++call) CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::layout_mismatch);
    CHECK(kernel().count(Op::ring, "exec") == 1);
    CHECK(silent.objects.header().exec.sequence == before + 1);
  }
  SECTION("it lets be what it cannot open") {
    const auto op = GENERATE(Op::open_memory, Op::ask_owner, Op::open_signal);
    kernel().fail(op, op == Op::open_signal ? "exec" : "segment", {Errc::system_error, 5});
    CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::layout_mismatch);
    CHECK(kernel().count(Op::ring) == 0);
  }
  SECTION("it lets be what is another user's") {
    silent.objects.segment().owner = "77";
    CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::layout_mismatch);
    CHECK(kernel().count(Op::ring) == 0);
  }
}

TEST_CASE("fake attach: a client keeps nothing of a server that is gone") {
  Silent silent;
  fake::Channel::Client client("attach");
  client.wait_for_server(0ns).value();
  const std::uint64_t before = silent.objects.generation();
  CHECK(kernel().is_leased(before, 1));
  silent.objects.kill();
  CHECK_FALSE(client.call(fake::Ask{1}, amply));
  CHECK_FALSE(kernel().is_leased(before, 1));
  fake::Channel::Server successor("attach");
  client.wait_for_server(0ns).value();
  CHECK(kernel().is_leased(fake::Objects("attach").generation(), 1));
}

TEST_CASE("fake attach: one thread connects, the others wait no longer than they may") {
  Silent silent;
  fake::Channel::Client client("attach");
  std::optional<Errc> other;
  std::chrono::nanoseconds waited{};
  kernel().at(Op::open_watch, "", [&] {
    std::thread([&] {
      const Stopwatch watch;
      other = error_of(client.wait_for_server(30ms));
      waited = watch.elapsed();
    }).join();
  });
  CHECK(client.wait_for_server(amply));
  CHECK(other == Errc::timed_out);
  CHECK(waited >= 30ms);
}

TEST_CASE("fake attach: a client that may wait for its server does so for what may pass, and for nothing else") {
  Silent silent;
  ClientOptions options;
  options.wait_for_server = true;
  fake::Channel::Client client("attach", options);
  SECTION("it comes") {
    kernel().fail(Op::read_record, "published", {Errc::no_server, 0}, 5);
    kernel().fail(Op::read_record, "announced", {Errc::no_server, 0}, 5);
    CHECK(client.wait_for_server(amply));
    CHECK(kernel().count(Op::rest) > 0);
  }
  SECTION("damage is mended") {
    silent.objects.header().mark.magic = 0;
    kernel().at(Op::rest, "", [&] { silent.objects.header().mark.magic = detail::segment_magic; });
    CHECK(client.wait_for_server(amply));
  }
  SECTION("it does not come") {
    silent.objects.kill();
    const Stopwatch watch;
    CHECK(error_of(client.call(fake::Ask{1}, 50ms)) == Errc::no_server);
    CHECK(watch.elapsed() >= 50ms);
  }
  SECTION("the system refuses") {
    kernel().fail(Op::open_memory, "page", {Errc::access_denied, 13});
    CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::access_denied);
    CHECK(kernel().count(Op::rest) == 0);
  }
}

TEST_CASE("fake attach: what was made before fork() serves nobody in the child") {
  Silent silent;
  fake::Channel::Client client("attach");
  kernel().is_child = true;
  CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::forked);
  CHECK(error_of(client.wait_for_server(0ns)) == Errc::forked);
  CHECK_FALSE(client.connected());
  CHECK(error_of(silent.server.serve_one([](const fake::Ask& ask) { return fake::Answer{ask.id}; }, 0ns)) ==
        Errc::forked);
  silent.server.stop();
  kernel().is_child = false;
  CHECK(silent.attach());  // that stop() was the child's
}

}  // namespace fake_attach_test
