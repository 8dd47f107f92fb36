// A peer that may write the segment writes anything at all, anywhere, all the time.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <future>
#include <random>
#include <string>
#include <thread>

#include "faults/fault_peer.hpp"
#include "faults/judge.hpp"
#include "faults/segment.hpp"
#include "support/asleep.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace hostile_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// Something that goes on in a thread until the end of the scope.
class Meanwhile {
 public:
  template <class Work>
  explicit Meanwhile(Work work)
      : thread_([this, work]() mutable {
          while (!over_) work();
        }) {}
  ~Meanwhile() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// Values that look like states more often than chance would have it.
std::uint32_t nonsense(std::mt19937& numbers) {
  switch (numbers() % 3) {
    case 0:
      return static_cast<std::uint32_t>(numbers());
    case 1:
      return static_cast<std::uint32_t>(numbers() % 0x400);
    default:
      return 0;
  }
}

/// Calls for as long, and sees to it that each ends in time. How many were answered.
int call_on(const std::string& channel, std::chrono::nanoseconds how_long) {
  Jobs::Client client(channel);
  int answered = 0;
  const Stopwatch watch;
  while (watch.elapsed() < how_long) {
    const Stopwatch one;
    answered += client.call({unrecorded, 0, 0}, 5ms).has_value();
    if (one.elapsed() > promptly) FAIL("a call took " << one.elapsed().count() << " ns");
  }
  return answered;
}

}  // namespace

TEST_CASE("hostile: random words all over a live segment") {
  const auto channel = unique_name("scribbler");
  const Records executions(channel + ".executions");
  for (int round = 0; round < 4; ++round) {
    Process server = fault_peer("server", channel, executions.path, std::to_string(round));
    REQUIRE(server.read_line() == "ready");
    LiveSegment segment(channel);
    {
      std::mt19937 numbers(static_cast<unsigned>(round));
      const Meanwhile scribbling([&] {
        for (int i = 0; i < 4; ++i) segment.word(numbers() % segment.words()) = nonsense(numbers);
        std::this_thread::sleep_for(50us);
      });
      std::printf("scribbled on: %d calls answered\n", call_on(channel, 600ms));
    }
    server.write_line("stop");
    CHECK(server.wait() == ExitStatus{});  // alive to the end, and it ends
  }
  Process next = fault_peer("server", channel, executions.path, "0");
  REQUIRE(next.read_line() == "ready");
  CHECK(Jobs::Client(channel).call({unrecorded, 0, 0}, amply));
}

TEST_CASE("hostile: random states in the slots, and a server that goes on") {
  const auto channel = unique_name("bad-slots");
  ServerOptions options;
  options.max_calls = 2;
  Jobs::Server server(channel, options);
  CHECK_FALSE(error_of(server.start([](const Job& job) { return Done{job.id, check_of(job.id)}; })));
  LiveSegment segment(channel);
  const detail::SlotArray slots = segment.slot_array();
  std::mt19937 numbers(7);
  for (int round = 0; round < 200; ++round) {
    detail::Slot& slot = slots[numbers() % 2];
    slot.owner = numbers() % 2 == 0 ? 0 : static_cast<std::uint32_t>(numbers() | 0x100u);
    slot.last = nonsense(numbers);
    slot.request = nonsense(numbers);
    slot.reply = nonsense(numbers);
    slot.taken = nonsense(numbers);
    slot.length = nonsense(numbers);
    const Stopwatch watch;
    const auto answer = Jobs::Client(channel).call({static_cast<std::uint64_t>(round) + 2, 0, 0}, amply);
    INFO("round " << round << (answer ? "" : answer.error().message()));
    if (answer)
      CHECK(answer->check == check_of(static_cast<std::uint64_t>(round) + 2));
    else
      CHECK(error_of(answer) == Errc::corrupt);
    CHECK(watch.elapsed() < promptly);
    CHECK(Jobs::Client(channel).call({1, 0, 0}, amply));
  }
  // What says that a worker is in it, and none is.
  for (detail::Slot* slot : {&slots[0], &slots[1]}) {
    slot->owner = 0;
    slot->last = 0;
    slot->request = detail::State(77, detail::Phase::withdrawn).word();
    slot->reply = 0;
    slot->taken = detail::State(77, detail::Phase::taken).word();
  }
  CHECK(Jobs::Client(channel).call({1, 0, 0}, amply));
  CHECK(server.damaged_slots() > 0);
}

TEST_CASE("hostile: a call is not executed whose request lies under the late reply to another") {
  const auto channel = unique_name("overrun");
  ServerOptions options;
  options.max_calls = 1;
  Jobs::Server server(channel, options);
  std::promise<void> gate;
  std::atomic<std::uint64_t> begun{0}, last{0};
  CHECK_FALSE(error_of(server.start([&, opened = gate.get_future().share()](const Job& job) {
    last = job.id;
    if (++begun == 1) opened.wait();
    return Done{job.id, check_of(job.id)};
  })));
  Jobs::Client client(channel);
  auto late = client.call_async({5, 0, 0}, amply);
  REQUIRE(eventually([&] { return begun == 1; }));
  late.cancel();
  CHECK(error_of(late.get()) == Errc::cancelled);
  const LiveSegment segment(channel);
  detail::Slot& slot = segment.slot_array()[0];
  slot.taken = 0;  // as if no handler ran
  auto next = std::async(std::launch::async, [&] { return client.call({9, 0, 0}, amply); });
  const bool is_posted = eventually([&] { return detail::load_request(slot).phase() == detail::Phase::posted; });
  gate.set_value();
  REQUIRE(is_posted);
  CHECK(error_of(next.get()) == Errc::corrupt);
  CHECK(begun == 1);
  CHECK(client.call({11, 0, 0}, amply).value().check == check_of(11));
  CHECK(last == 11);
}

TEST_CASE("hostile: a request word of another number hides no worker") {
  auto stray = detail::Phase::withdrawn;
  SECTION("withdrawn") {}
  SECTION("posted") { stray = detail::Phase::posted; }
  const auto channel = unique_name("hidden");
  ServerOptions options;
  options.max_calls = 1;
  Jobs::Server server(channel, options);
  std::promise<void> gate;
  std::atomic<bool> has_begun{false};
  CHECK_FALSE(error_of(server.start([&, opened = gate.get_future().share()](const Job& job) {
    if (job.id == 5) {
      has_begun = true;
      opened.wait();
    }
    return Done{job.id, check_of(job.id)};
  })));
  Jobs::Client client(channel);
  CHECK(client.call({3, 0, 0}, amply));
  const LiveSegment segment(channel);
  detail::Slot& slot = segment.slot_array()[0];
  const std::uint32_t before = detail::load_reply(slot).sequence();
  auto late = client.call_async({5, 0, 0}, amply);
  REQUIRE(eventually([&] { return has_begun.load(); }));
  late.cancel();
  CHECK(error_of(late.get()) == Errc::cancelled);
  slot.request = detail::State(before, stray).word();  // and that call was answered
  CHECK(error_of(client.call({9, 0, 0}, 50ms)) == Errc::busy);
  gate.set_value();
  CHECK(client.call({11, 0, 0}, amply).value().check == check_of(11));
}

TEST_CASE("hostile: a slot that asks for another call whenever one is taken holds no worker, and no stop") {
  Process server = fault_peer("restless", unique_name("restless"));
  CHECK(server.read_line() == "answered");
  CHECK(server.read_line() == "counted");
  CHECK(server.read_line() == "over");
  CHECK(server.wait() == ExitStatus{});
}

TEST_CASE("hostile: requests that cannot be read, one after another, hold next() no longer than its timeout") {
  Process server = fault_peer("unreadable", unique_name("unreadable"));
  CHECK(server.read_line() == "let go");
  CHECK(server.read_line() == "some read");
  CHECK(server.wait() == ExitStatus{});
}

TEST_CASE("hostile: a request that changes while it is read") {
  struct Twin {
    std::uint64_t one, two;
  };
  using Twins = SharedChannel<Twin>;
  const auto channel = unique_name("twins");
  ServerOptions options;
  options.max_calls = 1;
  Twins::Server server(channel, options);
  std::atomic<std::uint64_t> looks{0}, changes{0};
  CHECK_FALSE(error_of(server.start([&](const Twin& twin) {
    const volatile Twin& seen = twin;
    const std::uint64_t first = seen.one;
    for (int i = 0; i < 200; ++i) changes += seen.one != first;
    looks += 200;
    return twin;
  })));
  Twins::Client client(channel);
  CHECK(client.call({1, 1}, amply));
  LiveSegment segment(channel);
  const detail::SlotArray slots = segment.slot_array();
  std::byte* const bytes = slots.request(slots[0]).fixed();
  std::uint64_t torn_replies = 0;
  {
    const Meanwhile flipping([&, value = std::uint64_t{0}]() mutable {
      for (int i = 0; i < 100; ++i) {
        ++value;
        std::memcpy(bytes, &value, sizeof value);
      }
    });
    while (looks < 1'000'000) {
      const auto reply = client.call({1, 2}, amply);
      if (!reply) continue;
      const volatile Twin& seen = *reply;
      const std::uint64_t first = seen.one;
      for (int i = 0; i < 20; ++i) torn_replies += seen.one != first;
    }
  }
  CHECK(changes == 0);
  CHECK(torn_replies == 0);
}

TEST_CASE("hostile: a bell that says nobody sleeps") {
  const auto channel = unique_name("deaf");
  ServerOptions options;
  options.wait = WaitPolicy::sleep();
  Jobs::Server server(channel, options);
  std::atomic<std::uint32_t> worker{0};
  CHECK_FALSE(error_of(server.start([&](const Job& job) {
    worker = detail::platform::thread_number();
    return answer_to(job);
  })));
  Jobs::Client client(channel);
  CHECK(client.call({2, 0, 0}, amply));
  LiveSegment segment(channel);
  const auto falls_asleep = [&] {
    return eventually([&] { return segment.header().exec.sleepers != 0 && is_asleep(worker); });
  };
  bool is_deaf = false;
  for (int tries = 0; tries < 5 && !is_deaf; ++tries) {  // it may wake for its upkeep, and find the call
    REQUIRE(falls_asleep());
    segment.header().exec.sleepers = 0;
    is_deaf = error_of(client.call({3, 0, 0}, 50ms)) == Errc::timed_out;
  }
  CHECK(is_deaf);
  CHECK(client.call({4, 0, 0}, amply));
  REQUIRE(falls_asleep());
  segment.header().exec.sleepers = 0;
  server.stop();  // and its end does not wait indefinitely
}

#ifdef __linux__
TEST_CASE("hostile: a truncated segment kills its users, as documented, and no one after them") {
#if defined(__SANITIZE_THREAD__)
  SKIP_TEST("ThreadSanitizer hangs at SIGBUS");
#endif
  const auto channel = unique_name("truncated");
  const Records calls(channel + ".calls"), executions(channel + ".executions");
  Process server = fault_peer("server", channel, executions.path, "0");
  REQUIRE(server.read_line() == "ready");
  Process caller = fault_peer("caller", channel, calls.path, "4096");
  REQUIRE(eventually([&] { return !Journal<Record>::read(calls.path).empty(); }));
  for (const std::string& object : shm_entries("shared_channel." + channel + ".")) {
    std::filesystem::resize_file("/dev/shm/" + object, 0);
  }
  server.close_input();  // has it stop: one that slept when the caller died would sleep on, and touch nothing
  CHECK(server.wait() != ExitStatus{});  // SIGBUS, or a sanitizer's report of it
  CHECK(caller.wait() != ExitStatus{});
  server = fault_peer("server", channel, executions.path, "0");
  REQUIRE(server.read_line() == "ready");
  CHECK(Jobs::Client(channel).call({unrecorded, 0, 0}, amply));
  server.write_line("stop");
  CHECK(server.wait() == ExitStatus{});
  CHECK(shm_entries("shared_channel." + channel).empty());
}
#endif

}  // namespace hostile_faults
