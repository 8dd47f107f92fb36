// Many servers start at once under one name: one of them has it.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "faults/fault_peer.hpp"
#include "faults/job.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace start_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

#ifdef _WIN32
constexpr int starters = 4;
constexpr int rounds = 20;
#else
constexpr int starters = 16;
constexpr int rounds = 100;
#endif

/// All start together; exactly one wins, serves, and goes again.
void race(std::vector<Process>& all, const std::string& name) {
  for (Process& one : all) one.write_line(name);
  int won = 0;
  std::size_t winner = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string said = all[i].read_line();
    CHECK((said == "won" || said == "name_in_use"));
    if (said != "won") continue;
    ++won;
    winner = i;
  }
  REQUIRE(won == 1);
  CHECK(Jobs::Client(name).call({5, 0, 0}, amply).value().id == 5);
  all[winner].write_line("drop");
  CHECK(all[winner].read_line() == "dropped");
}

std::vector<Process> start_all() {
  std::vector<Process> all;
  for (int i = 0; i < starters; ++i) all.push_back(fault_peer("starter"));
  return all;
}

}  // namespace

TEST_CASE("start: many servers at once") {
  std::vector<Process> all = start_all();
  const auto name = unique_name("start");
  const Stopwatch watch;
  for (int round = 0; round < rounds; ++round) race(all, name);
  CHECK(watch.elapsed() / rounds < 1s);
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("start: many servers at once over what a killed one left") {
  std::vector<Process> all = start_all();
  for (int round = 0; round < rounds / 5; ++round) {
    const auto name = unique_name("start");
    {
      Process killed = fault_peer("dying_server", name, "hang");
      REQUIRE(killed.read_line() == "ready");
      killed.kill();
    }
    race(all, name);
    CHECK(shm_entries("shared_channel." + name).empty());
  }
}

}  // namespace start_faults
