// Everything at once, for minutes: clients and servers killed, paused and replaced, sleepers woken without need,
// deadlines missed, while calls of every kind go on in messages of fixed and of any length. Its figures stand in
// docs/faults.md.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "faults/storm.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace soak_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

std::chrono::seconds duration() {
  if (const char* wanted = std::getenv("SHARED_CHANNEL_SOAK_SECONDS")) return std::chrono::seconds(std::atoi(wanted));
  return 10min;
}

struct Injected {
  int servers_killed = 0, servers_stopped = 0, servers_paused = 0, clients_killed = 0, clients_paused = 0, wakes = 0;

  [[nodiscard]] int all() const {
    return servers_killed + servers_stopped + servers_paused + clients_killed + clients_paused;
  }
  void print() const {
    std::printf(
        "%d faults injected: %d servers killed, %d stopped and %d paused; %d clients killed and %d paused; and %d "
        "spurious wake-ups of everyone\n",
        all(), servers_killed, servers_stopped, servers_paused, clients_killed, clients_paused, wakes);
  }
};

/// A channel whose peers suffer one fault after the other. Two callers are never touched: they are the measure of
/// lateness.
class Arena {
 public:
  Arena(const std::string& what, const std::string& kind) : storm_(what, kind), server_(storm_.server(slots)) {
    for (int i = 0; i < 2; ++i) steady_.push_back(storm_.caller());
    for (int i = 0; i < 3; ++i) victims_.push_back(storm_.victim());
  }

  void suffer(Injected& injected) {
    Process& victim = victims_[static_cast<std::size_t>(at_random(0, 2))];
    switch (at_random(0, 5)) {
      case 0:
        server_.kill();
        server_ = storm_.server(slots);
        ++injected.servers_killed;
        break;
      case 1:
        Storm::stop(server_);
        server_ = storm_.server(slots);
        ++injected.servers_stopped;
        break;
      case 2:
        pause(server_);
        ++injected.servers_paused;
        break;
      case 3:
        victim.kill();
        victim = storm_.victim();
        ++injected.clients_killed;
        break;
      case 4:
        pause(victim);
        ++injected.clients_paused;
        break;
      default:
        injected.wakes += wake_everyone();
    }
  }

  Verdict end() {
    storm_.check_slot_is_free();
    for (Process& one : steady_) Storm::end(one);
    for (Process& one : victims_) Storm::end(one);
    Storm::stop(server_);
    CHECK(shm_entries("shared_channel." + storm_.channel).empty());
    const Verdict verdict = storm_.verdict();
    CHECK(verdict.holds());
    return verdict;
  }

 private:
  static constexpr int slots = 3;  // fewer than callers

  static void pause(Process& process) {
    process.suspend();
    std::this_thread::sleep_for(std::chrono::milliseconds(at_random(1, 150)));
    process.resume();
  }

  int wake_everyone() {
    constexpr int times = 200;
    Bells bells(storm_.channel);
    for (int i = 0; i < times; ++i) {
      bells.ring();
      std::this_thread::sleep_for(100us);
    }
    return times;
  }

  Storm storm_;
  Process server_;
  std::vector<Process> steady_, victims_;
};

}  // namespace

TEST_CASE("soak: everything at once", "[.soak]") {
  Injected injected;
  Verdict total;
  const Footprint before("soak");
  for (const Stopwatch watch; watch.elapsed() < duration();) {
    Arena jobs("soak", ""), letters("soak", "letter_");
    for (const Stopwatch round; round.elapsed() < std::min<std::chrono::nanoseconds>(20s, duration());) {
      std::this_thread::sleep_for(std::chrono::milliseconds(at_random(1, 30)));
      (at_random(0, 1) == 0 ? jobs : letters).suffer(injected);
    }
    total += jobs.end();
    total += letters.end();
  }
  CHECK(Footprint("soak") == before);
  injected.print();
  total.print("soak");
  std::printf("%zu calls missed their deadlines\n", total.timed_out);
  CHECK(injected.all() > 0);
}

}  // namespace soak_faults
