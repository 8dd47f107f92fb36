// Callers beyond the slots, on a system whose processes end where they stand.
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <stop_token>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/fake_platform.hpp"
#include "support/time.hpp"

namespace fake_queue_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using detail::Phase;
using detail::State;
using fake::kernel;
using fake::Op;

namespace {

constexpr std::uint32_t nobody = 999;  // a lease number that nobody holds

// A server of few slots and a client that is attached; its lease is number 1.
struct Queue {
  explicit Queue(unsigned count = 1, bool serves = true) {
    ServerOptions options;
    options.max_calls = count;
    options.wait = WaitPolicy::sleep();
    server.emplace("queue", options);
    if (serves) server->start(std::ref(handler)).value();
    ClientOptions asleep;
    asleep.wait = WaitPolicy::sleep();
    first.emplace("queue", asleep);
    first->wait_for_server(0ns).value();
    client.emplace("queue", asleep);
    client->wait_for_server(0ns).value();
    objects.emplace("queue");
  }
  ~Queue() { handler.let_go(); }

  // The only slot is taken by a call that its handler holds.
  PendingCall<fake::Answer> occupy() {
    auto call = first->call_async(fake::Ask{1, 1}, amply);
    CHECK(handler.is_called());
    return call;
  }
  auto call_in_background(std::uint32_t id = 2) {
    return std::async(std::launch::async, [this, id] { return client->call(fake::Ask{id}, amply); });
  }
  bool has_head() const {
    return eventually([&] { return kernel().sleepers(objects->header().slot_freed.sequence) == 1; });
  }

  fake::World world;
  fake::Handler handler;
  std::optional<fake::Channel::Server> server;
  std::optional<fake::Channel::Client> first;
  std::optional<fake::Channel::Client> client;
  std::optional<fake::Objects> objects;
};

void check_ended(const Result<fake::Answer>& result, Errc code) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == code);
  CHECK(result.error().not_executed());
}

}  // namespace

TEST_CASE("fake queue: a freed slot wakes the head of the queue, by one ring") {
  Queue queue;
  auto occupant = queue.occupy();
  auto call = queue.call_in_background();
  REQUIRE(queue.has_head());
  CHECK(kernel().count(Op::ring, "slot_freed") == 0);
  queue.handler.let_go();
  CHECK(occupant.get().value().id == 1);
  CHECK(call.get().value().id == 2);
  CHECK(kernel().count(Op::ring, "slot_freed") <= 1);  // none if the head looked by itself just then
  CHECK(queue.objects->header().client_mutex == 0);
  CHECK(queue.objects->header().slot_freed.starving == 0);
  CHECK(queue.objects->header().slot_freed.announced == 0);
}

TEST_CASE("fake queue: a caller that finds no slot in time was not executed") {
  Queue queue;
  const auto occupant = queue.occupy();
  const Stopwatch watch;
  SECTION("after some time") {
    check_ended(queue.client->call(fake::Ask{2}, 30ms), Errc::busy);
    CHECK(watch.elapsed() >= 30ms);
  }
  SECTION("at once") { check_ended(queue.client->call(fake::Ask{2}, 0ns), Errc::busy); }
  SECTION("though it wakes for nothing") {
    kernel().spurious = 1'000'000'000;
    check_ended(queue.client->call(fake::Ask{2}, 30ms), Errc::busy);
    CHECK(watch.elapsed() >= 30ms);
    kernel().spurious = 0;
  }
  SECTION("though the mutex is held all the time") {
    queue.objects->header().client_mutex = 1;  // the first client's number
    check_ended(queue.client->call(fake::Ask{2}, 120ms), Errc::busy);
    CHECK(watch.elapsed() >= 120ms);
    CHECK(kernel().count(Op::lock_mutex) >= 2);  // in slices, with a look at the slots between them
    queue.objects->header().client_mutex = 0;
  }
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("fake queue: a caller with a stop token keeps its place as others do, until it is called away") {
  Queue queue;
  const auto occupant = queue.occupy();
  queue.objects->header().client_mutex = 1;  // the first client's number
  std::stop_source source;
  SECTION("in the same slices") {
    check_ended(queue.client->call(fake::Ask{2}, 120ms, source.get_token()), Errc::busy);
    CHECK(kernel().count(Op::lock_mutex) <= 10);
  }
  SECTION("woken") {
    auto call =
        std::async(std::launch::async, [&] { return queue.client->call(fake::Ask{2}, amply, source.get_token()); });
    REQUIRE(eventually([&] { return kernel().sleepers(queue.objects->header().client_mutex) == 1; }));
    source.request_stop();
    check_ended(call.get(), Errc::cancelled);
    CHECK(kernel().count(Op::ring_set) == 1);  // not found out in the next slice
  }
  queue.objects->header().client_mutex = 0;
}

TEST_CASE("fake queue: a server's end ends the queue, wherever a caller stands in it") {
  Queue queue;
  const auto occupant = queue.occupy();
  const auto end = GENERATE(Errc::server_died, Errc::server_stopped);
  const auto go = [&] {
    if (end == Errc::server_died) return queue.objects->kill();
    queue.objects->page().alive = 0;
    kernel().end_holder(queue.objects->names().rendezvous());
    kernel().wake(queue.objects->page().alive, fake::Kernel::everyone);
    queue.objects->record().generation = 0;
  };
  SECTION("waiting for the mutex") {
    queue.objects->header().client_mutex = 1;
    kernel().at(Op::lock_mutex, "", go);
    check_ended(queue.client->call(fake::Ask{2}, amply), end);
    queue.objects->header().client_mutex = 0;
  }
  SECTION("at its head") {
    kernel().at(Op::wait, "slot_freed", go);
    check_ended(queue.client->call(fake::Ask{2}, amply), end);
    CHECK(queue.objects->header().client_mutex == 0);
  }
  SECTION("at the mutex, at the deadline") {
    queue.objects->header().client_mutex = 1;
    kernel().at(Op::lock_mutex, "", go);
    check_ended(queue.client->call(fake::Ask{2}, 0ns), end);
    queue.objects->header().client_mutex = 0;
  }
}

TEST_CASE("fake queue: a server that stops while its handlers run ends the queue") {
  Queue queue;
  const auto occupant = queue.occupy();
  SECTION("for the head") {
    auto call = queue.call_in_background();
    REQUIRE(queue.has_head());
    queue.server->stop();
    check_ended(call.get(), Errc::server_stopped);
  }
  SECTION("for one that never gets the mutex") {
    queue.objects->header().client_mutex = 1;
    queue.server->stop();
    check_ended(queue.client->call(fake::Ask{2}, 10ms), Errc::server_stopped);
    queue.objects->header().client_mutex = 0;
  }
}

TEST_CASE("fake queue: a mutex whose holder is dead is taken over") {
  Queue queue;
  auto occupant = queue.occupy();
  queue.objects->header().client_mutex = nobody;
  auto call = queue.call_in_background();
  REQUIRE(queue.has_head());
  CHECK(queue.objects->header().client_mutex == 2);
  CHECK(kernel().count(Op::ask_lease, std::to_string(nobody)) == 1);
  queue.handler.let_go();
  CHECK(occupant.get());
  CHECK(call.get().value().id == 2);
  CHECK(queue.objects->header().client_mutex == 0);
}

TEST_CASE("fake queue: a holder that stands still is passed by, and newcomers need not queue behind it") {
  Queue queue;
  auto occupant = queue.occupy();
  queue.objects->header().client_mutex = 1;
  queue.objects->header().slot_freed.starving = 1;
  auto call = queue.call_in_background();
  CHECK(eventually([] { return kernel().count(Op::lock_mutex) >= 1; }));
  queue.handler.let_go();
  CHECK(occupant.get());
  CHECK(call.get().value().id == 2);
  CHECK(queue.objects->header().client_mutex == 1);
  CHECK(queue.objects->header().slot_freed.starving == 0);
  const unsigned locks = kernel().count(Op::lock_mutex);
  CHECK(queue.client->call(fake::Ask{3}, amply).value().id == 3);
  CHECK(kernel().count(Op::lock_mutex) == locks);
  queue.objects->header().client_mutex = 0;
}

TEST_CASE("fake queue: behind a holder that stands still, callers ask for some owners at a time") {
  constexpr std::uint32_t count = 14;
  Queue queue(count);
  queue.objects->header().client_mutex = 1;
  queue.objects->header().slot_freed.starving = 1;
  for (std::uint32_t index = 0; index < count; ++index)
    queue.objects->slot(index).owner = index % 2 == 0 ? 1 : nobody + index;
  SECTION("and find the dead one, wherever it is") {
    const std::uint32_t dead = GENERATE(1u, 7u, 13u);
    for (std::uint32_t index = 1; index < count; index += 2)
      if (index != dead) kernel().fail(Op::ask_lease, std::to_string(nobody + index), {}, 100'000);
    CHECK(queue.client->call(fake::Ask{2}, amply).value().id == 2);
    CHECK(queue.objects->slot(dead).owner == 0);
    CHECK(queue.objects->header().slot_freed.starving == 0);
  }
  SECTION("however long they wait") {
    kernel().fail(Op::ask_lease, "", {}, 100'000);
    check_ended(queue.client->call(fake::Ask{2}, 220ms), Errc::busy);
    unsigned asked = 0;
    for (std::uint32_t index = 1; index < count; index += 2)
      asked += kernel().count(Op::ask_lease, std::to_string(nobody + index));
    CHECK(asked > 0);
    CHECK(asked <= 4 * kernel().count(Op::lock_mutex));
  }
  CHECK(queue.objects->header().client_mutex == 1);
  for (std::uint32_t index = 0; index < count; ++index) queue.objects->slot(index).owner = 0;
  queue.objects->header().client_mutex = 0;
}

TEST_CASE("fake queue: a call in the slot of the dead that a worker has is left to it") {
  Queue queue(1, false);
  queue.objects->header().client_mutex = 1;
  detail::Slot& slot = queue.objects->slot(0);
  slot.owner = nobody;
  slot.request = State(7, Phase::posted).word();
  slot.taken = State(7, Phase::taken).word();
  queue.objects->header().slot_freed.announced = 1;  // by the holder of the mutex
  check_ended(queue.client->call(fake::Ask{2}, 120ms), Errc::busy);
  CHECK(slot.owner == 0);
  CHECK(State(slot.request).is(Phase::withdrawn, 7));
  CHECK(queue.objects->header().slot_freed.announced == 0);  // told: it may have passed the slot by
  queue.objects->header().client_mutex = 0;
}

TEST_CASE("fake queue: who waits for nothing has no claim before those that have waited") {
  Queue queue;
  queue.objects->header().slot_freed.starving = 1;
  queue.objects->header().client_mutex = 1;
  check_ended(queue.client->call(fake::Ask{2}, 0ns), Errc::busy);
  queue.objects->header().client_mutex = 0;
  CHECK(queue.client->call(fake::Ask{3}, amply).value().id == 3);  // by the queue
  CHECK(queue.objects->header().slot_freed.starving == 0);
}

TEST_CASE("fake queue: a slot whose owner is dead is taken over, and the system asked but once for neighbours") {
  Queue queue(4);
  SECTION("all are of the dead") {
    for (std::uint32_t index = 0; index < 4; ++index) queue.objects->slot(index).owner = nobody;
    CHECK(queue.client->call(fake::Ask{2}, amply).value().id == 2);
    int taken_over = 0;
    for (std::uint32_t index = 0; index < 4; ++index) taken_over += queue.objects->slot(index).owner == 0 ? 1 : 0;
    CHECK(taken_over == 1);
    CHECK(kernel().count(Op::ask_lease, std::to_string(nobody)) == 1);
  }
  SECTION("most are of one that lives") {
    for (std::uint32_t index = 0; index < 4; ++index) queue.objects->slot(index).owner = index < 3 ? 1 : nobody;
    CHECK(queue.client->call(fake::Ask{2}, amply).value().id == 2);
    CHECK(queue.objects->slot(3).owner == 0);
    CHECK(kernel().count(Op::ask_lease, "1") == 1);
    for (std::uint32_t index = 0; index < 3; ++index) queue.objects->slot(index).owner = 0;
  }
  SECTION("nobody knows") {
    for (std::uint32_t index = 0; index < 4; ++index) queue.objects->slot(index).owner = nobody;
    kernel().fail(Op::ask_lease, std::to_string(nobody), {}, 100'000);
    check_ended(queue.client->call(fake::Ask{2}, 20ms), Errc::busy);
    CHECK(queue.objects->slot(0).owner == nobody);
  }
  SECTION("our own are not asked for") {
    for (std::uint32_t index = 0; index < 4; ++index) queue.objects->slot(index).owner = 2;
    check_ended(queue.client->call(fake::Ask{2}, 20ms), Errc::busy);
    CHECK(kernel().count(Op::ask_lease) == 0);
  }
}

TEST_CASE("fake queue: a dead owner's request that nobody took never runs") {
  Queue queue(1, false);
  detail::Slot& slot = queue.objects->slot(0);
  slot.owner = nobody;
  slot.request = State(7, Phase::posted).word();
  SECTION("a worker may have it") {
    slot.taken = State(7, Phase::taken).word();
    check_ended(queue.client->call(fake::Ask{2}, 30ms), Errc::busy);
    CHECK(slot.owner == 0);
    CHECK(State(slot.request).is(Phase::withdrawn, 7));
  }
  SECTION("nobody has") {
    check_ended(queue.client->call(fake::Ask{2}, 30ms), Errc::timed_out);
    CHECK(State(slot.request).is(Phase::withdrawn, 8));
  }
}

TEST_CASE("fake queue: the head wakes the server for a slot that was found damaged") {
  Queue queue;
  detail::Slot& slot = queue.objects->slot(0);
  CHECK(queue.client->call(fake::Ask{1}, amply));
  REQUIRE(eventually([&] { return kernel().sleepers(queue.objects->header().exec.sequence) == 1; }));
  slot.last = 0;
  slot.request = State(7, Phase::withdrawn).word();
  slot.taken = State(7, Phase::taken).word();
  const unsigned rings = kernel().count(Op::ring, "exec");
  unsigned rings_before_sleep = 0;
  kernel().at(Op::wait, "slot_freed", [&] { rings_before_sleep = kernel().count(Op::ring, "exec") - rings; });
  CHECK(queue.client->call(fake::Ask{2}, amply).value().id == 2);
  CHECK(rings_before_sleep == 1);
  CHECK(queue.server->damaged_slots() == 1);
}

TEST_CASE("fake queue: newcomers queue behind a head that has waited in vain") {
  Queue queue;
  auto occupant = queue.occupy();
  auto call = queue.call_in_background();
  CHECK(eventually([&] { return queue.objects->header().slot_freed.starving == 1; }));
  check_ended(queue.first->call(fake::Ask{3}, 0ns), Errc::busy);
  queue.handler.let_go();
  CHECK(occupant.get());
  CHECK(call.get().value().id == 2);
  CHECK(queue.objects->header().slot_freed.starving == 0);
}

TEST_CASE("fake queue: a client tells of each slot that it frees") {
  SECTION("after a call") {
    Queue queue;
    queue.objects->header().slot_freed.announced = 1;
    CHECK(queue.client->call(fake::Ask{1}, amply));
    CHECK(queue.objects->header().slot_freed.announced == 0);
    CHECK(kernel().count(Op::ring, "slot_freed") == 1);
  }
  SECTION("that it held for a moment") {
    Queue queue(1, false);
    detail::Slot& slot = queue.objects->slot(0);
    slot.request = State(7, Phase::posted).word();  // a worker has it
    slot.taken = State(7, Phase::taken).word();
    queue.objects->header().slot_freed.announced = 1;  // by the holder of the mutex
    queue.objects->header().client_mutex = 1;
    check_ended(queue.client->call(fake::Ask{2}, 0ns), Errc::busy);
    CHECK(queue.objects->header().slot_freed.announced == 0);
    CHECK(kernel().count(Op::ring, "slot_freed") == 1);
    queue.objects->header().client_mutex = 0;
  }
  SECTION("that it held for a moment before it found another") {
    Queue queue(2);
    detail::Slot& slot = queue.objects->slot(0);
    slot.request = State(7, Phase::posted).word();  // a worker has it
    slot.taken = State(7, Phase::taken).word();
    queue.objects->header().slot_freed.announced = 1;  // by the head, which then passes this slot by
    auto call = queue.client->call_async(fake::Ask{1, 1}, amply);
    REQUIRE(queue.handler.is_called());
    CHECK(queue.objects->slot(1).owner != 0);
    CHECK(queue.objects->header().slot_freed.announced == 0);
    queue.handler.let_go();
    CHECK(call.get());
  }
  SECTION("that it held for a moment, past a head that stands still") {
    Queue queue(2, false);
    queue.objects->header().client_mutex = 1;
    queue.objects->header().slot_freed.starving = 1;
    detail::Slot& slot = queue.objects->slot(0);
    slot.request = State(7, Phase::posted).word();  // a worker has it
    slot.taken = State(7, Phase::taken).word();
    queue.objects->header().slot_freed.announced = 1;
    auto call = queue.client->call_async(fake::Ask{2}, amply);
    CHECK(queue.objects->slot(1).owner != 0);
    CHECK(queue.objects->header().slot_freed.announced == 0);
    queue.objects->header().client_mutex = 0;
  }
}

TEST_CASE("fake queue: a client uses the lowest slot that it gave back") {
  Queue queue(4);
  auto first = queue.client->call_async(fake::Ask{1}, amply);
  auto second = queue.client->call_async(fake::Ask{2}, amply);
  CHECK(queue.objects->slot(1).owner == 2);
  CHECK(first.get().value().id == 1);
  auto third = queue.client->call_async(fake::Ask{3}, amply);
  CHECK(queue.objects->slot(0).owner == 2);
  CHECK(queue.objects->slot(2).owner == 0);
}

TEST_CASE("fake queue: a server tells of each slot that it frees") {
  Queue queue;
  detail::Slot& slot = queue.objects->slot(0);
  detail::SlotFreed& freed = queue.objects->header().slot_freed;
  SECTION("when the handler ends whose caller has left") {
    {
      const auto call = queue.client->call_async(fake::Ask{1, 1}, amply);
      REQUIRE(queue.handler.is_called());
    }
    freed.announced = 1;
    queue.handler.let_go();
  }
  SECTION("when it mends one that looked taken") {
    CHECK(queue.client->call(fake::Ask{1}, amply));
    REQUIRE(eventually([&] { return kernel().sleepers(queue.objects->header().exec.sequence) == 1; }));
    freed.announced = 1;
    slot.taken = State(7, Phase::taken).word();
    slot.request = State(7, Phase::withdrawn).word();
    kernel().wake(queue.objects->header().exec.sequence, 1);
  }
  CHECK(eventually([&] { return freed.announced == 0; }));
  CHECK(eventually([] { return kernel().count(Op::ring, "slot_freed") == 1; }));
}

TEST_CASE("fake queue: a client that goes leaves its slots and its lease") {
  Queue queue;
  auto call = std::optional(queue.first->call_async(fake::Ask{1}, amply));
  CHECK(queue.objects->slot(0).owner == 1);
  CHECK(kernel().is_leased(queue.objects->generation(), 1));
  call.reset();
  CHECK(queue.objects->slot(0).owner == 0);
  queue.first.reset();
  CHECK_FALSE(kernel().is_leased(queue.objects->generation(), 1));
}

}  // namespace fake_queue_test
