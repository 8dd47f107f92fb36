// The system behaves in ways that are allowed and unpleasant.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "faults/fault_peer.hpp"
#include "faults/judge.hpp"
#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/scoped_env.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <signal.h>
#include <sys/time.h>
#endif

namespace disturbance_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

constexpr std::uint32_t until_given_up = ~std::uint32_t{0};  // a nap

Done answer(const Job& job, const CallContext& context) {
  if (job.nap_in_microseconds == until_given_up) {
    while (!context.cancelled()) std::this_thread::sleep_for(1ms);
  } else if (job.nap_in_microseconds > 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(job.nap_in_microseconds));
  }
  return answer_to(job);
}

/// For as long: calls that sleep and are answered, and calls that run into their deadlines. True if every one ended as
/// it should.
bool all_is_well(const std::string& name, std::chrono::nanoseconds how_long) {
  ClientOptions asleep;
  asleep.wait = WaitPolicy::sleep();
  Jobs::Client client(name, asleep);
  bool well = true;
  const Stopwatch watch;
  for (std::uint64_t id = 2; watch.elapsed() < how_long; ++id) {
    const auto reply = client.call({id, id % 4 == 0 ? 500u : 0u, 0}, amply);
    well = well && reply && reply->check == check_of(id);
    if (id % 50 != 0) continue;
    const Stopwatch late;
    const auto none = client.call({id, until_given_up, 0}, 20ms);
    well = well && error_of(none) == Errc::timed_out && late.elapsed() >= 20ms && late.elapsed() < promptly;
  }
  return well;
}

struct Serving {
  explicit Serving(const char* what) : name(unique_name(what)), server(name, options()) {
    CHECK_FALSE(error_of(server.start(answer)));
  }
  static ServerOptions options() {
    ServerOptions asleep;
    asleep.max_calls = 2;
    asleep.wait = WaitPolicy::sleep();
    return asleep;
  }
  std::string name;
  Jobs::Server server;
};

}  // namespace

TEST_CASE("disturbance: spurious wake-ups of every sleeper, ten thousand a second") {
  Serving serving("spurious");
  Bells bells(serving.name);
  std::atomic<bool> over{false};
  std::thread storm([&] {
    while (!over) {
      bells.ring();
      std::this_thread::sleep_for(100us);
    }
  });
  CHECK(all_is_well(serving.name, 1s));
  over = true;
  storm.join();
}

#ifdef __linux__

namespace {

void signal_storm(int flags) {
  Serving serving("signals");
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  action.sa_flags = flags;
  ::sigaction(SIGALRM, &action, &before);
  const itimerval millisecond{{0, 1000}, {0, 1000}};
  const itimerval none{};
  ::setitimer(ITIMER_REAL, &millisecond, nullptr);
  const bool well = all_is_well(serving.name, 1s);
  bool attached = true;
  for (int i = 0; i < 50; ++i) {
    const auto reply = Jobs::Client(serving.name).call({9, 0, 0}, amply);
    attached = attached && reply && reply->id == 9;
  }
  ::setitimer(ITIMER_REAL, &none, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  CHECK(well);
  CHECK(attached);
}

void without_waitv(const char* error) {
  const auto name = unique_name("no-waitv");
  Process server = fault_peer("dying_server", name, "hang");
  REQUIRE(server.read_line() == "ready");
  Process caller = fault_peer("caller_without_waitv", name, error);
  REQUIRE(server.read_line() == "taken");
  std::this_thread::sleep_for(50ms);
  const Stopwatch watch;
  server.kill();
  CHECK(caller.read_line() == "server_died");
  std::printf("without futex_waitv (%s): the server's death was told after %.2f ms\n", error,
              1e-6 * static_cast<double>(watch.elapsed().count()));
  CHECK(watch.elapsed() < promptly);
}

}  // namespace

TEST_CASE("disturbance: a signal every millisecond") { signal_storm(0); }
TEST_CASE("disturbance: a signal every millisecond, restarting system calls") { signal_storm(SA_RESTART); }
TEST_CASE("disturbance: futex_waitv unknown to the kernel") { without_waitv("ENOSYS"); }
TEST_CASE("disturbance: futex_waitv forbidden") { without_waitv("EPERM"); }

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("disturbance: the wall clock jumps by hours") {
  const auto channel = unique_name("wall-clock");
  const Records calls(channel + ".calls"), executions(channel + ".executions");
  {
    const ScopedEnv preload("LD_PRELOAD", WALL_CLOCK_LIBRARY);
    Process server = fault_peer("server", channel, executions.path, "0");
    REQUIRE(server.read_line() == "ready");
    Process caller = fault_peer("caller", channel, calls.path, "4096");
    std::this_thread::sleep_for(1s);
    caller.write_line("over");
    REQUIRE(caller.read_line() == "over");
  }
  const Verdict verdict(Journal<Record>::read(calls.path), Journal<std::uint64_t>::read(executions.path));
  verdict.print("wall clock");
  CHECK(verdict.holds());
  CHECK(verdict.late_by(1) < in_milliseconds(promptly));
}
#endif

#endif

#ifdef _WIN32
TEST_CASE("disturbance: OpenProcess is refused") {
  const auto name = unique_name("denied");
  Process server = fault_peer("dying_server", name, "hang");
  REQUIRE(server.read_line() == "ready");
  Process caller = fault_peer("caller_denied", name);
  REQUIRE(server.read_line() == "taken");
  std::this_thread::sleep_for(50ms);
  const Stopwatch watch;
  server.kill();
  CHECK(caller.read_line() == "server_died");
  std::printf("without OpenProcess: the server's death was told after %.2f ms\n",
              1e-6 * static_cast<double>(watch.elapsed().count()));
  CHECK(watch.elapsed() < promptly);
}
#endif

}  // namespace disturbance_faults
