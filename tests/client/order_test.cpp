// The calls that one thread has in flight are executed as it posted them, whichever slots they lie in.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace order_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

using Pending = PendingCall<Answer>;

// What a server executed, in that order.
class Record {
 public:
  Answer operator()(const Ask& ask) {
    const std::lock_guard lock(mutex_);
    ids_.push_back(ask.id);
    return {ask.id, ids_.size()};
  }
  [[nodiscard]] std::vector<std::uint64_t> ids() const {
    const std::lock_guard lock(mutex_);
    return ids_;
  }
  // How many calls were executed after one that their caller had posted later. The upper half of an id tells the
  // caller.
  [[nodiscard]] int out_of_order() const {
    std::map<std::uint64_t, std::uint64_t> latest;
    int count = 0;
    for (const std::uint64_t id : ids()) {
      std::uint64_t& before = latest[id >> 32];
      if (id < before) ++count;
      before = (std::max)(before, id);
    }
    return count;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> ids_;
};

ServerOptions with_slots(unsigned slots, unsigned threads = 1) {
  ServerOptions options;
  options.max_calls = slots;
  options.threads = threads;
  return options;
}

// A caller with `width` calls in flight, whose slots become free in an order of their own.
class Caller {
 public:
  Caller(Channel::Client& client, std::uint64_t number, std::size_t width)
      : client_(client), next_(number << 32), width_(width), random_(number * 7919 + width) {}

  void post() {
    while (in_flight_.size() < width_) in_flight_.push_back(client_.call_async(echo(++next_), amply));
  }
  // Takes the answer of some call, or drops it.
  void let_one_go() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const auto at = in_flight_.begin() + static_cast<std::ptrdiff_t>((random_ >> 33) % in_flight_.size());
    if ((random_ >> 60) != 0) static_cast<void>(at->get().value());
    in_flight_.erase(at);
  }
  void call() { static_cast<void>(client_.call(echo(++next_), amply).value()); }
  void finish() {
    for (Pending& pending : in_flight_) static_cast<void>(pending.get().value());
    in_flight_.clear();
  }

 private:
  Channel::Client& client_;
  std::uint64_t next_;
  std::size_t width_;
  std::uint64_t random_;
  std::deque<Pending> in_flight_;
};

void keep_calling(Caller& caller, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    caller.post();
    caller.let_one_go();
    if (round % 16 == 0) caller.call();
  }
  caller.finish();
}

}  // namespace

TEST_CASE("order: slots that are reused change nothing") {
  const auto name = unique_name("order");
  Channel::Server server(name, with_slots(8));
  Channel::Client client(name);
  std::vector<std::optional<Pending>> pending(8);
  std::uint64_t id = 0;
  for (auto& call : pending) call = client.call_async(echo(++id), amply);
  // Withdrawn calls leave slots to later ones, before and between those of earlier ones.
  for (const std::size_t at : {5u, 0u, 2u, 7u, 0u, 3u}) {
    pending[at].reset();
    pending[at] = client.call_async(echo(++id), amply);
  }
  Record record;
  for (int i = 0; i < 8; ++i) CHECK(server.serve_one(std::ref(record), amply).value());
  CHECK(record.ids() == std::vector<std::uint64_t>{2, 5, 7, 9, 11, 12, 13, 14});
}

TEST_CASE("order: a plain call comes after the calls that its thread has in flight") {
  const auto name = unique_name("order");
  Channel::Server server(name, with_slots(3));
  Channel::Client client(name);
  std::vector<std::optional<Pending>> pending(3);
  for (std::size_t at = 0; at < 3; ++at) pending[at] = client.call_async(echo(at + 1), amply);
  pending[0].reset();
  pending[0] = client.call_async(echo(4), amply);
  pending[1].reset();
  Record record;
  bool all_wait = false;
  std::jthread serving([&] {
    all_wait = eventually([&] { return server.stats().waiting == 3; });
    for (int i = 0; i < 3; ++i) static_cast<void>(server.serve_one(std::ref(record), amply).value());
  });
  CHECK(client.call(echo(5), amply).value().id == 5);
  serving.join();
  CHECK(all_wait);
  CHECK(record.ids() == std::vector<std::uint64_t>{3, 4, 5});
}

TEST_CASE("order: any number of calls in flight, any number of clients") {
  for (const unsigned clients : {1u, 2u, 8u}) {
    for (const std::size_t width : {1u, 2u, 7u, 64u}) {
      const auto name = unique_name("order");
      Record record;
      Channel::Server server(name, with_slots((static_cast<unsigned>(width) + 1) * clients));
      server.start(std::ref(record)).value();
      std::vector<std::jthread> threads;
      for (std::uint64_t number = 1; number <= clients; ++number) {
        threads.emplace_back([&, number] {
          Channel::Client client(name);
          Caller caller(client, number, width);
          keep_calling(caller, 400);
        });
      }
      threads.clear();
      INFO(clients << " clients, " << width << " calls");
      CHECK(record.out_of_order() == 0);
    }
  }
}

TEST_CASE("order: threads that share a client have an order each") {
  const auto name = unique_name("order");
  Record record;
  Channel::Server server(name, with_slots(32));
  server.start(std::ref(record)).value();
  Channel::Client client(name);
  std::vector<std::jthread> threads;
  for (std::uint64_t number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      Caller caller(client, number, 5);
      keep_calling(caller, 500);
    });
  }
  threads.clear();
  CHECK(record.out_of_order() == 0);
}

TEST_CASE("order: a server with several threads takes the earlier call first") {
  const auto name = unique_name("order");
  Record record;
  std::atomic<bool> holds{false}, open{false};
  Channel::Server server(name, with_slots(8, 2));
  Channel::Client client(name);
  server
      .start([&](const Ask& ask) {
        if (ask.what == Ask::What::nap) {
          holds = true;
          while (!open) std::this_thread::sleep_for(1ms);
          return Answer{ask.id, 0};
        }
        return record(ask);
      })
      .value();
  auto held = client.call_async(nap(0, 1), amply);  // by one thread, so that the other one executes all that follows
  REQUIRE(eventually([&] { return holds.load(); }));
  Caller caller(client, 1, 6);
  keep_calling(caller, 2000);
  open = true;
  CHECK(held.get());
  CHECK(record.out_of_order() == 0);
}

TEST_CASE("order: several threads serve many callers, and no call is left behind") {
  const auto name = unique_name("order");
  std::atomic<std::uint64_t> runs{0};
  Channel::Server server(name, with_slots(24, 3));
  server.start([&](const Ask& ask) { return Answer{ask.id, ++runs}; }).value();
  std::vector<std::jthread> threads;
  for (std::uint64_t number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      Channel::Client client(name);
      Caller caller(client, number, 6);
      keep_calling(caller, 1000);
    });
  }
  threads.clear();
  CHECK(runs > 0);
}

TEST_CASE("order: a client that moves to a new server keeps it") {
  const auto name = unique_name("order");
  ClientOptions options;
  options.wait_for_server = true;
  Channel::Client client(name, options);
  std::vector<std::uint64_t> executed;
  std::atomic<bool> over{false};
  std::jthread caller([&] {
    std::deque<Pending> pending;
    std::uint64_t id = 1ull << 32;
    while (!over) {
      while (pending.size() < 6) pending.push_back(client.call_async(echo(++id), amply));
      (void)pending[static_cast<std::size_t>(id % 6)].get();  // a server that stops does not execute all of them
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(id % 6));
    }
  });
  for (int generation = 0; generation < 10; ++generation) {
    Record record;
    {
      Channel::Server server(name, with_slots(16));
      server.start(std::ref(record)).value();
      CHECK(eventually([&] { return record.ids().size() >= 50; }));
      if (generation == 9) {
        over = true;
        caller.join();
      }
    }
    CHECK(record.out_of_order() == 0);
    const auto ids = record.ids();
    executed.insert(executed.end(), ids.begin(), ids.end());
  }
  CHECK(std::is_sorted(executed.begin(), executed.end()));
}

TEST_CASE("order: a call that was refused because the server stops is followed by none") {
  for (int round = 0; round < 100; ++round) {
    const auto name = unique_name("order");
    Record record;
    Channel::Server server(name, with_slots(8));
    Channel::Client client(name);
    std::vector<Pending> pending;
    for (std::uint64_t id = 1; id <= 8; ++id) pending.push_back(client.call_async(echo(id), amply));
    server.start(std::ref(record)).value();
    while (record.ids().size() < static_cast<std::size_t>(round % 4)) std::this_thread::yield();
    server.stop();
    bool is_refused = false, follows = false;
    for (Pending& call : pending) {
      const bool is_answered = static_cast<bool>(call.get());
      follows = follows || (is_answered && is_refused);
      is_refused = is_refused || !is_answered;
    }
    REQUIRE_FALSE(follows);
  }
}

TEST_CASE("order: places compare within one thread, and their numbers wrap around") {
  using faults::detail::Place;
  constexpr std::uint32_t last = (1u << Place::number_bits) - 1;
  CHECK(Place(1, 4).precedes(Place(1, 5)));
  CHECK_FALSE(Place(1, 5).precedes(Place(1, 5)));
  CHECK_FALSE(Place(1, 5).precedes(Place(1, 4)));
  CHECK(Place(1, last).precedes(Place(1, 0)));
  CHECK(Place(Place::most_threads, last).precedes(Place(Place::most_threads, last + 1)));
  CHECK_FALSE(Place(1, 0).precedes(Place(1, last)));
  CHECK(Place(1, 0).is_of_thread_of(Place(1, last)));
  CHECK_FALSE(Place(1, 0).is_of_thread_of(Place(2, 0)));
  CHECK(Place().is_alone());
  CHECK_FALSE(Place(1, 0).is_alone());
}

TEST_CASE("order: what a call says of the one before it") {
  using faults::detail::Before;
  constexpr std::uint32_t last = (1u << Before::sequence_bits) - 1;
  const Before call(max_slots - 1, 3 * (last + 1) + 7);
  CHECK(call.is_known());
  CHECK(call.may_follow_others());
  CHECK(call.index() == max_slots - 1);
  CHECK(call.is_sequence(7));
  CHECK(call.is_sequence(last + 8));
  CHECK_FALSE(call.is_sequence(8));
  CHECK(Before(call.word()) == call);
  CHECK(Before(0, 0).is_known());
  CHECK_FALSE(Before().is_in_flight());
  CHECK(Before::first().is_in_flight());
  CHECK_FALSE(Before::first().may_follow_others());
  CHECK(Before::unknown().may_follow_others());
  CHECK_FALSE(Before::unknown().is_known());
}

TEST_CASE("order: calls say which call their thread posted before them, if that tells the server anything") {
  using faults::detail::Before;
  const auto name = unique_name("order");
  Record record;
  Channel::Server server(name, with_slots(3));
  Channel::Client client(name);
  faults::LiveSegment segment(name);
  const auto before = [&](std::uint32_t index) { return Before(segment.slot_array()[index].before.load()); };
  std::vector<std::optional<Pending>> pending(3);
  const auto post = [&](std::size_t at) { pending[at] = client.call_async(echo(at + 1), amply); };
  post(0);
  post(1);
  post(2);
  CHECK(before(0) == Before::first());
  CHECK(before(1) == Before(0, 1));
  CHECK(before(2) == Before(1, 1));
  pending[1].reset();
  post(1);
  CHECK(before(1) == Before(2, 1));
  pending[0].reset();
  post(0);
  CHECK(before(0) == Before::unknown());  // the call before has one before it, in its slot, that was given up
  std::thread([&] {
    pending[2].reset();
    post(2);
  }).join();
  CHECK_FALSE(before(2).is_known());  // nothing of that thread is in flight
  for (int i = 0; i < 3; ++i) CHECK(server.serve_one(std::ref(record), amply).value());
  for (auto& call : pending) CHECK(call->get());
  post(0);
  CHECK(before(0) == Before::first());
  pending[0].reset();
  std::jthread serving([&] { static_cast<void>(server.serve_one(std::ref(record), amply).value()); });
  CHECK(client.call(echo(9), amply));
  CHECK(before(0) == Before());
  CHECK(segment.slot_array()[0].place.load() == 0);
}

TEST_CASE("order: a call is found wherever it lies, also if the next one is expected elsewhere") {
  const auto name = unique_name("order");
  ServerOptions options = with_slots(8);
  options.wait = WaitPolicy::sleep();  // one look of each kind
  Channel::Server server(name, options);
  Channel::Client client(name);
  Record record;
  const auto serve = [&] { return server.serve_one(std::ref(record), 0ns).value(); };
  std::vector<std::optional<Pending>> pending(8);
  std::uint64_t id = 0;
  for (int round = 0; round < 3; ++round) {  // the server learns which slot comes after which
    for (auto& call : pending) call = client.call_async(echo(++id), amply);
    for (auto& call : pending) {
      CHECK(serve());
      CHECK(call->get());
    }
  }
  for (auto& call : pending) call = client.call_async(echo(++id), amply);
  for (int served = 0; served < 3; ++served) CHECK(serve());
  // Slot 3 is expected next, and free; of those in flight the next lies behind it.
  pending[3].reset();
  for (int served = 4; served < 8; ++served) CHECK(serve());
  CHECK_FALSE(serve());
  Channel::Client other(name);
  auto elsewhere = other.call_async(echo(++id), amply);
  CHECK(serve());
  CHECK(elsewhere.get());
}

TEST_CASE("order: places that lead in a circle do not hold the server up") {
  const auto name = unique_name("order");
  Channel::Server server(name, with_slots(max_slots));
  faults::LiveSegment segment(name);
  segment.header().high_water.store(max_slots);
  constexpr std::uint32_t circle = 3;  // each goes before the next, as numbers that wrap around may
  for (std::uint32_t at = 0; at < circle; ++at) {
    auto& slot = segment.slot_array()[max_slots - 1 - at];
    slot.owner.store(1);
    slot.place.store(faults::detail::Place(1, (1u << faults::detail::Place::number_bits) / circle * at).word());
    slot.before.store(faults::detail::Before::unknown().word());
    slot.request.store(faults::detail::State(1, faults::detail::Phase::posted).word());
  }
  Record record;
  for (std::uint32_t at = 0; at < circle; ++at) CHECK(server.serve_one(std::ref(record), promptly).value());
  CHECK(record.ids().size() == circle);
}

}  // namespace order_test
