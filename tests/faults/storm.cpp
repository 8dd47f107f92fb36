// Processes are killed at random while others check every answer.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "faults/fault_peer.hpp"
#include "faults/judge.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace storm_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

#if defined(_WIN32) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int victims = 8;
constexpr int kills = 16;
constexpr int restarts = 10;
#else
constexpr int victims = 10;
constexpr int kills = 100;
constexpr int restarts = 60;
#endif

/// A channel under load, and the judge at its end.
class Storm {
 public:
  explicit Storm(const char* what) : channel(unique_name(what)), calls_(channel + ".calls"), executions_(channel + ".executions") {}

  Process caller() { return fault_peer("caller", channel, calls_.path, std::to_string(++series_ << 32)); }
  Process server() {
    Process made = fault_peer("server", channel, executions_.path, std::to_string(++servers_));
    REQUIRE(made.read_line() == "ready");
    return made;
  }
  static void end(Process& caller) {
    caller.write_line("over");
    CHECK(caller.read_line() == "over");
    CHECK(caller.wait() == ExitStatus{});
  }
  void check_slot_is_free() const { CHECK(Channel::Client(channel).call({unrecorded, 0, 0}, 10s)); }
  Verdict judge(const std::string& what) const {
    const Verdict verdict(Journal<Record>::read(calls_.path), Journal<std::uint64_t>::read(executions_.path));
    verdict.print(what);
    CHECK(verdict.holds());
    return verdict;
  }

  const std::string channel;

 private:
  const File calls_, executions_;
  std::uint64_t series_ = 0, servers_ = 0;
};

int at_random(int first, int last) {
  static std::mt19937 numbers(std::random_device{}());
  return std::uniform_int_distribution<int>(first, last)(numbers);
}

}  // namespace

TEST_CASE("storm: clients killed at random") {
  Storm storm("storm");
  const Footprint before(storm.channel);
  {
    Process server = storm.server();
    std::vector<Process> survivors, doomed;
    for (int i = 0; i < 2; ++i) survivors.push_back(storm.caller());
    for (int i = 0; i < victims; ++i) doomed.push_back(storm.caller());
    for (int killed = 0; killed < kills; ++killed) {
      std::this_thread::sleep_for(std::chrono::milliseconds(at_random(5, 40)));
      Process& unlucky = doomed[static_cast<std::size_t>(at_random(0, victims - 1))];
      unlucky.kill();
      unlucky.wait();
      unlucky = storm.caller();
    }
    for (Process& one : doomed) one.kill();
    doomed.clear();
    storm.check_slot_is_free();
    for (Process& one : survivors) Storm::end(one);
    server.write_line("stop");
    CHECK(server.wait() == ExitStatus{});
  }
  CHECK(Footprint(storm.channel) == before);
  CHECK(storm.judge(std::to_string(kills) + " clients killed").late_by(1) < 2000);
}

TEST_CASE("storm: servers killed and restarted under load") {
  Storm storm("restarts");
  const Footprint before(storm.channel);
  {
    std::vector<Process> callers;
    for (int i = 0; i < 8; ++i) callers.push_back(storm.caller());
    for (int restart = 0; restart < restarts; ++restart) {
      Process server = storm.server();
      std::this_thread::sleep_for(std::chrono::milliseconds(at_random(10, 60)));
      server.kill();
    }
    Process server = storm.server();
    storm.check_slot_is_free();
    for (Process& one : callers) Storm::end(one);
    server.write_line("stop");
    CHECK(server.wait() == ExitStatus{});
  }
  CHECK(Footprint(storm.channel) == before);
  CHECK(storm.judge(std::to_string(restarts) + " servers killed").late_by(1) < 2000);
}

TEST_CASE("storm: callers paused while the server is replaced") {
  Storm storm("paused");
  {
    std::vector<Process> callers;
    for (int i = 0; i < 2; ++i) callers.push_back(storm.caller());
    for (int round = 0; round < 10; ++round) {
      Process server = storm.server();
      std::this_thread::sleep_for(20ms);
      for (Process& one : callers) one.suspend();
      server.kill();
      server = storm.server();
      for (Process& one : callers) one.resume();
      std::this_thread::sleep_for(20ms);
      server.write_line("stop");
      CHECK(server.wait() == ExitStatus{});
    }
    Process server = storm.server();
    storm.check_slot_is_free();
    for (Process& one : callers) Storm::end(one);
    server.write_line("stop");
    CHECK(server.wait() == ExitStatus{});
  }
  storm.judge("paused callers");
}

TEST_CASE("storm: the server paused for a second") {
  Storm storm("pause");
  {
    Process server = storm.server();
    std::vector<Process> callers;
    for (int i = 0; i < 2; ++i) callers.push_back(storm.caller());
    std::this_thread::sleep_for(100ms);
    server.suspend();
    std::this_thread::sleep_for(1s);
    server.resume();
    storm.check_slot_is_free();
    for (Process& one : callers) Storm::end(one);
    server.write_line("stop");
    CHECK(server.wait() == ExitStatus{});
  }
  CHECK(storm.judge("a paused server").late_by(1) < 1000);
}

}  // namespace storm_faults
