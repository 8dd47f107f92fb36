// Threads that have nothing to do sleep, and nothing wakes them.
#include "support/catch.hpp"

#ifdef __linux__

#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace idle_faults {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// How often the threads of a process have gone to sleep.
long sleeps_of(const Process& process) {
  long all = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(process.pid()) + "/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string word; status >> word;) {
      long count = 0;
      if (word == "voluntary_ctxt_switches:" && status >> count) all += count;
    }
  }
  return all;
}

/// Wake-ups a second of all of them together.
double wakes_of(const std::vector<const Process*>& processes) {
  std::this_thread::sleep_for(500ms);  // until nobody spins any more
  const auto sleeps = [&] {
    long all = 0;
    for (const Process* process : processes) all += sleeps_of(*process);
    return all;
  };
  const Stopwatch watch;
  const long before = sleeps();
  std::this_thread::sleep_for(4s);
  return static_cast<double>(sleeps() - before) / std::chrono::duration<double>(watch.elapsed()).count();
}

}  // namespace

TEST_CASE("idle: a server without calls and a caller without an answer sleep") {
#if defined(__SANITIZE_THREAD__)
  SKIP_TEST("ThreadSanitizer has a thread that wakes ten times a second");
#endif
  const auto name = unique_name("idle");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  CHECK(Channel::Client(name).call(echo(1), amply));
  const double idle = wakes_of({&server});
  std::vector<Process> callers;
  for (int i = 0; i < 4; ++i) callers.push_back(peer("hang", name));
  for (Process& caller : callers) REQUIRE(caller.read_line() == "asking");
  REQUIRE(server.read_line() == "taken");
  const double waiting = wakes_of({&callers[0], &callers[1], &callers[2], &callers[3]}) / 4;
  std::printf("wake-ups a second: %.1f of an idle server, %.1f of a caller that waits\n", idle, waiting);
  CHECK(idle < 1.5);     // one every two seconds: the server mends its words
  CHECK(waiting < 2.5);  // one look around a second
}

}  // namespace idle_faults

#endif
