// Processes are killed at random while others check every answer.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "faults/storm.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace storm_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// So many clients, one of which at a time is killed and replaced. Those that live on are told by `latest` after their
/// deadlines.
void kill_clients(int victims, std::chrono::nanoseconds how_long, std::chrono::nanoseconds latest = promptly) {
  Storm storm("storm");
  const Footprint before(storm.channel);
  int killed = 0;
  {
    Process server = storm.server();
    std::vector<Process> survivors, doomed;
    for (int i = 0; i < 2; ++i) survivors.push_back(storm.caller());
    for (int i = 0; i < victims; ++i) doomed.push_back(storm.victim());
    for (const Stopwatch watch; watch.elapsed() < how_long; ++killed) {
      std::this_thread::sleep_for(std::chrono::milliseconds(at_random(5, 40)));
      Process& unlucky = doomed[static_cast<std::size_t>(at_random(0, victims - 1))];
      unlucky.kill();
      unlucky.wait();
      unlucky = storm.victim();
    }
    for (Process& one : doomed) one.kill();
    killed += victims;
    doomed.clear();
    storm.check_slot_is_free();
    for (Process& one : survivors) Storm::end(one);
    Storm::stop(server);
  }
  CHECK(Footprint(storm.channel) == before);
  CHECK(storm.judge(std::to_string(killed) + " clients killed").late_by(1) < in_milliseconds(latest));
}

void kill_servers(std::chrono::nanoseconds how_long, std::chrono::nanoseconds latest = promptly) {
  Storm storm("restarts");
  const Footprint before(storm.channel);
  int killed = 0;
  {
    std::vector<Process> callers;
    for (int i = 0; i < 8; ++i) callers.push_back(storm.caller());
    for (const Stopwatch watch; watch.elapsed() < how_long; ++killed) {
      Process server = storm.server();
      std::this_thread::sleep_for(std::chrono::milliseconds(at_random(10, 60)));
      server.kill();
    }
    Process server = storm.server();
    storm.check_slot_is_free();
    for (Process& one : callers) Storm::end(one);
    Storm::stop(server);
  }
  CHECK(Footprint(storm.channel) == before);
  CHECK(storm.judge(std::to_string(killed) + " servers killed").late_by(1) < in_milliseconds(latest));
}

}  // namespace

TEST_CASE("storm: clients killed at random") { kill_clients(8, 2s); }
TEST_CASE("storm: a hundred clients killed at random", "[.soak]") { kill_clients(100, 20s, 2s); }
TEST_CASE("storm: servers killed and restarted under load") { kill_servers(3s); }
TEST_CASE("storm: servers killed and restarted under load for a minute", "[.soak]") { kill_servers(60s, 2s); }

TEST_CASE("storm: callers paused while the server is replaced") {
  Storm storm("paused");
  {
    std::vector<Process> callers;
    for (int i = 0; i < 2; ++i) callers.push_back(storm.victim());
    for (int round = 0; round < 10; ++round) {
      Process server = storm.server();
      std::this_thread::sleep_for(20ms);
      for (Process& one : callers) one.suspend();
      server.kill();
      server = storm.server();
      for (Process& one : callers) one.resume();
      std::this_thread::sleep_for(20ms);
      Storm::stop(server);
    }
    Process server = storm.server();
    storm.check_slot_is_free();
    for (Process& one : callers) Storm::end(one);
    Storm::stop(server);
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
    Storm::stop(server);
  }
  CHECK(storm.judge("a paused server").late_by(1) < in_milliseconds(promptly));
}

}  // namespace storm_faults
