// The seam's contract, as detail/platform/contract.hpp has it in words, for whichever system this is built for.
#include "support/catch.hpp"

#include <atomic>
#include <algorithm>
#include <future>
#include <thread>
#include <vector>
#if !defined(_WIN32)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/seam.hpp"
#include "support/time.hpp"

namespace seam_test {

using namespace std::chrono_literals;
using namespace test_support;
using shared_channel::Errc;
using namespace shared_channel::detail::platform;

namespace {

// A segment with its signals and a beacon that this process lights; gone with its object.
struct Served {
  Served() { beacon = segment.light(); }
  ~Served() {
    beacon.reset();
    segment.remove();
  }

  std::string name = unique_name("seam");
  Segment segment = Segment::create(name);
  Signal signal = segment.create_signal();
  ClientMutex mutex = segment.create_client_mutex();
  shared_channel::detail::UniquePtr<Beacon> beacon;
};

Process playing(const char* role, const char* says, const std::string& name, const std::string& more = "") {
  Process process = more.empty() ? peer(role, name) : peer(role, name, more);
  REQUIRE(process.read_line() == says);
  return process;
}

}  // namespace

TEST_CASE("seam mapping: new memory is zero and of the size that was asked") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  const std::string object = names.segment(1);
  const auto mapping = Mapping::create(names, object, 10'000, Segment::access());
  REQUIRE(mapping);
  CHECK(mapping->size() >= 10'000);
  for (std::size_t i = 0; i < 10'000; ++i) REQUIRE(mapping->data()[i] == std::byte{0});
  CHECK(reinterpret_cast<std::uintptr_t>(mapping->data()) % 4096 == 0);
  Mapping::remove(object);
}

TEST_CASE("seam mapping: who opens it sees the same memory") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  const std::string object = names.segment(1);
  const auto made = Mapping::create(names, object, 4096, Segment::access());
  const auto opened = Mapping::open(names, object);
  REQUIRE((made && opened));
  CHECK(made->data() != opened->data());
  made->data()[17] = std::byte{42};
  CHECK(opened->data()[17] == std::byte{42});
  CHECK(opened->size() >= 4096);
  Mapping::remove(object);
}

TEST_CASE("seam mapping: create refuses what is there already") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  const std::string object = names.segment(1);
  const auto first = Mapping::create(names, object, 4096, Segment::access());
  REQUIRE(first);
  first->data()[0] = std::byte{1};
  const auto second = Mapping::create(names, object, 8192, Segment::access());
  REQUIRE_FALSE(second);
  CHECK(second.error().native() != 0);
  CHECK(first->data()[0] == std::byte{1});
  Mapping::remove(object);
}

TEST_CASE("seam mapping: open finds nothing where nothing is") {
  const Names names = Segment::names_of(unique_name("seam"));
  CHECK(error_of(Mapping::open(names, names.segment(1))) == Errc::no_server);
}

TEST_CASE("seam mapping: it outlives its name and goes with its last user") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  const std::string object = names.segment(1);
  {
    const auto made = Mapping::create(names, object, 4096, Segment::access());
    REQUIRE(made);
    const auto opened = Mapping::open(names, object);
    REQUIRE(opened);
    Mapping::remove(object);
    made->data()[5] = std::byte{9};
    CHECK(opened->data()[5] == std::byte{9});
  }
  CHECK(error_of(Mapping::open(names, object)) == Errc::no_server);
}

TEST_CASE("seam server lease: one holder at a time") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  {
    const auto lease = ServerLease::acquire(names, Segment::access());
    REQUIRE(lease);
    CHECK(peer("seam_server_lease", name).wait().code == 1);
  }
  Process holder = playing("seam_server_lease", "held", name);
  holder.write_line("let go");
  CHECK(holder.wait() == ExitStatus{0, false});
  CHECK_FALSE(error_of(ServerLease::acquire(names, Segment::access())));
}

TEST_CASE("seam server lease: a killed holder's is free") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  for (int round = 0; round < 3; ++round) {
    Process holder = playing("seam_server_lease", "held", name);
    holder.kill();
    holder.wait();
    CHECK_FALSE(error_of(ServerLease::acquire(names, Segment::access())));
  }
}

TEST_CASE("seam server lease: a suspended holder keeps it") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  Process holder = playing("seam_server_lease", "held", name);
  holder.suspend();
  CHECK(error_of(ServerLease::acquire(names, Segment::access())) == Errc::name_in_use);
}

TEST_CASE("seam server lease: clients see the record's generation while it is held") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  CHECK(error_of(ServerLease::current_generation(names)) == Errc::no_server);
  {
    const auto lease = ServerLease::acquire(names, Segment::access());
    REQUIRE(lease);
    CHECK(error_of(ServerLease::current_generation(names)) == Errc::no_server);
    lease->record().magic = rendezvous_magic;
    lease->record().version = abi_version;
    lease->record().generation.store(Segment::generation);
    CHECK(ServerLease::current_generation(names).value().generation == Segment::generation);
    lease->record().version = abi_version + 1;
    CHECK(error_of(ServerLease::current_generation(names)) == Errc::layout_mismatch);
  }
  CHECK(error_of(ServerLease::current_generation(names)) == Errc::no_server);
}

TEST_CASE("seam server lease: it leaves nothing behind") {
  const auto name = unique_name("seam");
  const Names names = Segment::names_of(name);
  { const auto warm_up = ServerLease::acquire(names, Segment::access()); }
  const Footprint before(name);
  for (int round = 0; round < 10; ++round) CHECK_FALSE(error_of(ServerLease::acquire(names, Segment::access())));
  CHECK(eventually([&] { return Footprint(name) == before; }));
}

TEST_CASE("seam client lease: a number is held once") {
  const Served served;
  const auto mine = served.segment.take_lease(1);
  REQUIRE(mine);
  CHECK(peer("seam_client_lease", served.name, "1").read_line() == "busy");
  Process other = playing("seam_client_lease", "held", served.name, "2");
  CHECK(mine->is_held(2));
  CHECK_FALSE(mine->is_held(3));
}

TEST_CASE("seam client lease: its holder's end frees it") {
  const Served served;
  const auto mine = served.segment.take_lease(1);
  REQUIRE(mine);
  {
    Process other = playing("seam_client_lease", "held", served.name, "2");
    other.write_line("let go");
    other.wait();
    CHECK(eventually([&] { return !mine->is_held(2); }));
  }
  Process other = playing("seam_client_lease", "held", served.name, "2");
  other.kill();
  CHECK(eventually([&] { return !mine->is_held(2); }));
  CHECK_FALSE(error_of(Segment::open(served.name).take_lease(2)));
}

TEST_CASE("seam client lease: a suspended holder keeps it") {
  const Served served;
  const auto mine = served.segment.take_lease(1);
  REQUIRE(mine);
  Process other = playing("seam_client_lease", "held", served.name, "2");
  other.suspend();
  CHECK(mine->is_held(2));
  CHECK(peer("seam_client_lease", served.name, "2").read_line() == "busy");
}

TEST_CASE("seam client lease: several in one process are told apart") {
  const Served served;
  const Segment first = Segment::open(served.name);
  const Segment second = Segment::open(served.name);
  const auto one = first.take_lease(1);
  REQUIRE(one);
  CHECK(error_of(second.take_lease(1)) == Errc::busy);
  {
    const auto two = second.take_lease(2);
    REQUIRE(two);
    CHECK(one->is_held(2));
    CHECK(two->is_held(1));
  }
}

TEST_CASE("seam client lease: the largest number is a number") {
  const Served served;
  const auto mine = served.segment.take_lease(1);
  REQUIRE(mine);
  Process other = playing("seam_client_lease", "held", served.name, std::to_string(ClientLease::last));
  CHECK(mine->is_held(ClientLease::last));
  CHECK_FALSE(mine->is_held(ClientLease::last - 1));
}

TEST_CASE("seam beacon: a watch sees it lit, and out after a graceful end") {
  Served served;
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  CHECK(watch->look() == Peer::alive);
  served.beacon.reset();
  CHECK(watch->glance() == Peer::stopped);
  CHECK(watch->look() == Peer::stopped);
  CHECK(watch->look() == Peer::stopped);
  CHECK(error_of(served.segment.watch()) == Errc::no_server);
}

TEST_CASE("seam beacon: another process's graceful end is no death") {
  Served served;
  served.beacon.reset();
  Process server = playing("seam_beacon", "lit", served.name);
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  CHECK(watch->look() == Peer::alive);
  server.write_line("out");
  REQUIRE(server.read_line() == "out");
  CHECK(watch->look() == Peer::stopped);
  server.close_input();
  server.wait();
  CHECK(watch->look() == Peer::stopped);
}

TEST_CASE("seam beacon: a killed process's goes out by itself") {
  Served served;
  served.beacon.reset();
  Process server = playing("seam_beacon", "lit", served.name);
  const Segment other = Segment::open(served.name);
  const auto first = served.segment.watch();
  const auto second = other.watch();
  REQUIRE((first && second));
  server.kill();
  CHECK(eventually([&] { return first->look() == Peer::died; }));
  CHECK(second->look() == Peer::died);
  CHECK(first->look() == Peer::died);
  CHECK(error_of(served.segment.watch()) == Errc::no_server);
}

TEST_CASE("seam beacon: a glance sees a death, though others have just glanced") {
  Served served;
  served.beacon.reset();
  Process server = playing("seam_beacon", "lit", served.name);
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  CHECK(watch->glance() == Peer::alive);
  server.kill();
  CHECK(eventually([&] { return watch->glance() == Peer::died; }));
  CHECK(watch->glance() == Peer::died);
  CHECK(watch->look() == Peer::died);
}

TEST_CASE("seam beacon: a suspended process's stays lit") {
  Served served;
  served.beacon.reset();
  Process server = playing("seam_beacon", "lit", served.name);
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  server.suspend();
  std::this_thread::sleep_for(50ms);
  CHECK(watch->look() == Peer::alive);
}

TEST_CASE("seam signal: it wakes a thread in another process's stead") {
  Served served;
  Process ringer = playing("seam_signal", "open", served.name);
  Word& word = served.segment.header().exec.sequence;
  for (int round = 0; round < 5; ++round) {
    const auto seen = word.load();
    ringer.write_line("ring");
    Deadline deadline(amply);
    while (word.load() == seen) REQUIRE(served.signal.wait(seen, deadline) == Wake::signalled);
    CHECK(ringer.read_line() == "rung");
  }
}

TEST_CASE("seam signal: it does not sleep on a word that has changed") {
  Served served;
  Word& word = served.segment.header().exec.sequence;
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  const auto seen = word.load();
  ++word;
  Deadline deadline(amply);
  const Stopwatch stopwatch;
  CHECK(served.signal.wait(seen, deadline) == Wake::signalled);
  CHECK(served.signal.wait(seen, deadline, *watch) == Wake::signalled);
  CHECK(stopwatch.elapsed() < promptly);
}

TEST_CASE("seam signal: a ring after the word changed is never lost") {
  Served served;
  Word& word = served.segment.header().exec.sequence;
  auto opened = served.segment.open_signal();
  REQUIRE(opened);
  constexpr std::uint32_t rounds = 2000;
  std::jthread ringing([&] {
    for (std::uint32_t round = 0; round < rounds; ++round) {
      while (word.load() != 2 * round) std::this_thread::yield();
      ++word;
      opened->ring();
    }
  });
  const Stopwatch stopwatch;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    Deadline deadline(amply);
    while (word.load() == 2 * round) REQUIRE(served.signal.wait(2 * round, deadline) == Wake::signalled);
    ++word;
  }
  CHECK(stopwatch.elapsed() < amply);
}

TEST_CASE("seam signal: it keeps the deadline") {
  Served served;
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  const auto seen = served.segment.header().exec.sequence.load();
  for (const bool watching : {false, true}) {
    const Stopwatch stopwatch;
    Deadline deadline(30ms);
    Wake outcome = Wake::signalled;
    while (outcome == Wake::signalled) {
      outcome = watching ? served.signal.wait(seen, deadline, *watch) : served.signal.wait(seen, deadline);
    }
    CHECK(outcome == Wake::timed_out);
    CHECK(stopwatch.elapsed() >= 30ms);
    CHECK(stopwatch.elapsed() < promptly);
  }
}

TEST_CASE("seam signal: with a watch it returns when the server ends") {
  Served served;
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  const auto seen = served.segment.header().exec.sequence.load();
  auto outcome = std::async(std::launch::async, [&] {
    Deadline deadline(amply);
    auto wake = Wake::signalled;
    while (wake == Wake::signalled) wake = served.signal.wait(seen, deadline, *watch);
    return wake;
  });
  CHECK(outcome.wait_for(50ms) == std::future_status::timeout);
  served.beacon.reset();
  REQUIRE(outcome.wait_for(promptly) == std::future_status::ready);
  CHECK(outcome.get() == Wake::server_gone);
}

TEST_CASE("seam signal: with a watch every sleeper returns when the server dies") {
  Served served;
  served.beacon.reset();
  Process server = playing("seam_beacon", "lit", served.name);
  const auto seen = served.segment.header().exec.sequence.load();
  std::vector<std::future<Wake>> sleepers;
  for (int i = 0; i < 4; ++i) {
    sleepers.push_back(std::async(std::launch::async, [&] {
      auto signal = served.segment.open_signal().value();
      const auto watch = served.segment.watch().value();
      Deadline deadline(amply);
      auto wake = Wake::signalled;
      while (wake == Wake::signalled) wake = signal.wait(seen, deadline, watch);
      return wake;
    }));
  }
  CHECK(sleepers.back().wait_for(200ms) == std::future_status::timeout);
  const Stopwatch stopwatch;
  server.kill();
  for (auto& sleeper : sleepers) CHECK(sleeper.get() == Wake::server_gone);
  CHECK(stopwatch.elapsed() < promptly);
}

TEST_CASE("seam client mutex: one holder at a time") {
  Served served;
  const auto lease = served.segment.take_lease(1);
  const auto watch = served.segment.watch();
  REQUIRE((lease && watch));
  Deadline deadline(amply);
  REQUIRE(served.mutex.lock(1, *lease, deadline, *watch) == Lock::locked);
  Process next = peer("seam_mutex", served.name, "2", "aloud");
  REQUIRE(next.read_line() == "begins");
  CHECK_THROWS(next.read_line(200ms));
  served.mutex.unlock();
  CHECK(next.read_line() == "locked");
  Deadline soon(30ms);
  const Stopwatch stopwatch;
  CHECK(served.mutex.lock(1, *lease, soon, *watch) == Lock::timed_out);
  CHECK(stopwatch.elapsed() >= 30ms);
  CHECK(stopwatch.elapsed() < promptly);
  next.write_line("unlock");
  REQUIRE(next.read_line() == "unlocked");
  CHECK(served.mutex.lock(1, *lease, deadline, *watch) == Lock::locked);
  served.mutex.unlock();
}

TEST_CASE("seam client mutex: without time it tries once") {
  Served served;
  const auto lease = served.segment.take_lease(1);
  const auto watch = served.segment.watch();
  REQUIRE((lease && watch));
  Deadline none(0ns);
  CHECK(served.mutex.lock(1, *lease, none, *watch) == Lock::locked);
  served.mutex.unlock();
  Process holder = playing("seam_mutex", "locked", served.name, "2");
  CHECK(served.mutex.lock(1, *lease, none, *watch) == Lock::timed_out);
}

TEST_CASE("seam client mutex: taken from a holder that was killed it is abandoned") {
  Served served;
  const auto lease = served.segment.take_lease(1);
  const auto watch = served.segment.watch();
  REQUIRE((lease && watch));
  for (int round = 0; round < 2; ++round) {
    Process holder = playing("seam_mutex", "locked", served.name, "2");
    holder.kill();
    holder.wait();
    Deadline deadline(amply);
    CHECK(served.mutex.lock(1, *lease, deadline, *watch) == Lock::abandoned);
    served.mutex.unlock();
    CHECK(served.mutex.lock(1, *lease, deadline, *watch) == Lock::locked);
    served.mutex.unlock();
  }
}

TEST_CASE("seam client mutex: a waiter gets it when its holder is killed") {
  Served served;
  Process holder = playing("seam_mutex", "locked", served.name, "2");
  Process waiter = peer("seam_mutex", served.name, "3", "aloud");
  REQUIRE(waiter.read_line() == "begins");
  CHECK_THROWS(waiter.read_line(200ms));
  holder.kill();
  CHECK(waiter.read_line() == "abandoned");
}

TEST_CASE("seam client mutex: a suspended holder keeps it") {
  Served served;
  const auto lease = served.segment.take_lease(1);
  const auto watch = served.segment.watch();
  REQUIRE((lease && watch));
  Process holder = playing("seam_mutex", "locked", served.name, "2");
  holder.suspend();
  Deadline soon(100ms);
  CHECK(served.mutex.lock(1, *lease, soon, *watch) == Lock::timed_out);
}

TEST_CASE("seam client mutex: a waiter returns when the server ends or dies") {
  for (const bool by_death : {false, true}) {
    Served served;
    served.beacon.reset();
    Process server = playing("seam_beacon", "lit", served.name);
    Process holder = playing("seam_mutex", "locked", served.name, "2");
    Process waiter = peer("seam_mutex", served.name, "3", "aloud");
    REQUIRE(waiter.read_line() == "begins");
    CHECK_THROWS(waiter.read_line(200ms));
    const Stopwatch stopwatch;
    if (by_death)
      server.kill();
    else
      server.write_line("out");
    CHECK(waiter.read_line() == "server gone");
    CHECK(stopwatch.elapsed() < promptly);
  }
}

TEST_CASE("seam client mutex: threads of many processes exclude each other") {
  Served served;
  const auto watch = served.segment.watch();
  REQUIRE(watch);
  // Each thread has a mapping of its own: ThreadSanitizer does not see that one word is behind them.
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::jthread> threads;
  for (std::uint32_t number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      const Segment segment = Segment::open(served.name);
      const auto lease = segment.take_lease(number).value();
      auto mutex = segment.open_client_mutex().value();
      for (int i = 0; i < 200; ++i) {
        Deadline deadline(amply);
        if (mutex.lock(number, lease, deadline, *watch) != Lock::locked) continue;
        most = std::max(most.load(), ++inside);
        std::this_thread::yield();
        --inside;
        mutex.unlock();
      }
    });
  }
  threads.clear();
  CHECK(most == 1);
  CHECK(inside == 0);
}

TEST_CASE("seam process: it has an id, and rests") {
  CHECK(process_id() != 0);
  CHECK_FALSE(ForkMark().in_child());
  const Stopwatch stopwatch;
  rest(20ms);
  CHECK(stopwatch.elapsed() >= 20ms);
}

TEST_CASE("seam thread: it has one number, in every module, and no other living thread has it") {
  const std::uint32_t mine = thread_number();
  CHECK(mine != 0);
  CHECK(thread_number() == mine);
  std::uint32_t other = 0;
  std::thread([&] { other = thread_number(); }).join();
  CHECK(other != 0);
  CHECK(other != mine);
#if defined(_WIN32)
  CHECK(mine == ::GetCurrentThreadId() / 4);
#else
  CHECK(mine == static_cast<std::uint32_t>(::syscall(SYS_gettid)));
#endif
}

}  // namespace seam_test
