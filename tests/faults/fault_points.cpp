// A process is killed, stopped or delayed at every step of the protocol while others go on calling.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "faults/fault_peer.hpp"
#include "faults/judge.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace points_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

constexpr const char* all_points[] = {
#include "points.inc"
};

/// How often each fault is injected at each point.
int repetitions() {
  if (const char* wanted = std::getenv("SHARED_CHANNEL_FAULT_REPETITIONS")) return std::atoi(wanted);
#if defined(_WIN32) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 3;
#elif defined(__clang__) || !defined(__LP64__)
  return 5;  // once in full is enough
#else
  return 20;
#endif
}

/// When a Trial that is short of time goes over to one injection a point.
constexpr auto enough = 40s;

bool belongs_to(const std::string& role, const std::string& point) {
  return point.starts_with(role) || !(point.starts_with("client_") || point.starts_with("server_"));
}

/// Reached only where a stop meets a worker in the act of taking a call, which lasts nanoseconds. The explorer stops
/// and kills there.
bool is_seldom(const std::string& point) { return point == "client_posted_again"; }

/// One channel, its servers and callers, and the judge of all that they did.
class Trial {
 public:
  Trial(std::string role, std::string fault)
      : role_(std::move(role)),
        fault_(std::move(fault)),
        channel_(unique_name("fault")),
        calls_(channel_ + ".calls"),
        executions_(channel_ + ".executions") {}

  void run() {
    const Footprint before(channel_);
    {
      for (int i = 0; i < 2; ++i) callers_.push_back(fault_peer("caller", channel_, calls_.path, next_ids()));
      if (role_ == "client") serve();
      for (const std::string point : all_points) {
        if (belongs_to(role_, point) && !wants_quiet(point)) suffer_at(point);
      }
      for (Process& caller : callers_) {
        caller.write_line("over");
        CHECK(caller.read_line() == "over");
        CHECK(caller.wait() == ExitStatus{});
      }
      callers_.clear();
      for (const std::string point : all_points) {
        if (belongs_to(role_, point) && wants_quiet(point)) suffer_at(point);
      }
      if (role_ == "client") stop_serving();
    }
    CHECK(Footprint(channel_) == before);
    judge();
  }

 private:
  std::string next_ids() { return std::to_string((++series_) << 32); }

  void serve() {
    server_.push_back(fault_peer("server", channel_, executions_.path, std::to_string(series_)));
    REQUIRE(server_.back().read_line() == "ready");
  }
  void stop_serving() {
    server_.back().write_line("stop");
    CHECK(server_.back().wait() == ExitStatus{});
    server_.clear();
  }

  void suffer_at(const std::string& point) {
    INFO(fault_ << " at " << point);
    int reached = 0;
    misses_ = 0;
    const Stopwatch here;
    const auto is_awaited = [&] {
      return is_seldom(point) ? misses_ < 1 : misses_ < 10 || here.elapsed() < 40s;  // on a busy machine
    };
    const auto is_wanted = [&](int tries) {
      if (reached == 0) return tries < repetitions() || is_awaited();
      return tries < repetitions() && watch_.elapsed() < enough;
    };
    for (int i = 0; is_wanted(i); ++i) {
      if (point == "client_found_dead_owner") REQUIRE(suffer_once("client_filled", "kill", 1));
      const int times = reached == 0 && !is_seldom(point) ? 1 + std::min(misses_, 6) : 1;  // on a busy machine
      const bool came = suffer_once(point, fault_, wants_quiet(point) ? 1 : 1 + i % 3, times);
      (came ? reached : misses_) += 1;
      if (role_ == "client") check_slot_is_free();
    }
    if (role_ == "server") {
      serve();
      check_slot_is_free();
      stop_serving();
      CHECK(shm_entries("shared_channel." + channel_).empty());
    }
    CHECK((reached > 0 || is_seldom(point)));
    ++points_;
    hits_ += reached;
  }

  /// Points that a client comes to only if nobody else does first, or if the server is replaced, which others should
  /// not feel.
  static bool wants_quiet(const std::string& point) {
    return point == "client_found_dead_owner" || point == "client_disconnects";
  }

  /// The fault, once. Whether the victim came to the point in `times` the usual time.
  bool suffer_once(const std::string& point, const std::string& fault, int nth, int times = 1) {
    const std::chrono::milliseconds patience = (role_ == "client" ? 400ms : 600ms) * times;
    const char* slow = point == "server_lets_go" ? "server_marked_taken" : "nowhere";
    Process victim = fault_peer(role_ == "client" ? "victim_client" : "victim_server", channel_,
                                role_ == "client" ? calls_.path : executions_.path,
                                role_ == "client" ? next_ids() : std::to_string(++series_), point, fault,
                                std::to_string(nth), slow, std::to_string(patience.count()));
    if (point == "client_disconnects") {
      std::this_thread::sleep_for(20ms * (1 + misses_));  // until it is connected
      stop_serving();
      serve();
    }
    std::string said;
    try {
      said = victim.read_line();
      if (said == "here") {
        victim.suspend();
        std::this_thread::sleep_for(20ms);
        victim.resume();
        victim.write_line("go");
        said = victim.read_line();
      }
    } catch (const std::exception&) {
      CHECK(victim.wait().killed);
      CHECK(fault == "kill");
      return true;
    }
    CHECK(victim.wait() == ExitStatus{});
    return said == "hit";
  }

  /// The only slot: whoever gets an answer had it.
  void check_slot_is_free() {
    const auto answer = Jobs::Client(channel_).call({1, 0, 0}, 10s);
    INFO((answer ? "" : answer.error().message()));
    CHECK(answer);
  }

  void judge() {
    const Verdict verdict(Journal<Record>::read(calls_.path), Journal<std::uint64_t>::read(executions_.path));
    verdict.print(role_ + " " + fault_ + ", " + std::to_string(points_) + " points, " + std::to_string(hits_) +
                  " hits");
    CHECK(verdict.holds());
    // Of scheduling; what it is on an idle machine stands in docs/faults.md.
    CHECK(verdict.late_by(1) < in_milliseconds(promptly));
  }

  const std::string role_, fault_, channel_;
  const Records calls_, executions_;
  std::vector<Process> server_, callers_;
  std::uint64_t series_ = 0;
  int points_ = 0;
  int hits_ = 0;
  int misses_ = 0;  // at the present point
  const Stopwatch watch_;
};

/// Whether a point is reached while callers call, nobody dies and the server stays.
bool is_on_a_calls_way(const std::string& point) {
  return belongs_to("client", point) && !is_seldom(point) && point != "client_found_dead_owner" &&
         point != "client_disconnects";
}

/// A client that calls among others until it comes to the point, where it is to be stopped. False: it came too late.
bool is_stopped_at(Process& client) {
  if (client.read_line() != "here") return false;
  client.suspend();
  return true;
}

}  // namespace

TEST_CASE("fault points: a client that stands still at any of them costs the others its own slot at most") {
  const std::string channel = unique_name("still");
  const Records calls(channel + ".calls"), executions(channel + ".executions");
  std::uint64_t series = 0;
  const auto first_id = [&] { return std::to_string((++series) << 32); };
  Process server = fault_peer("server", channel, executions.path, "0", "2");
  REQUIRE(server.read_line() == "ready");
  std::vector<Process> callers;  // three callers, two slots: so that there is a queue
  for (int i = 0; i < 3; ++i) callers.push_back(fault_peer("caller", channel, calls.path, first_id()));
  int answered = 0, points = 0;
  for (const std::string point : all_points) {
    if (!is_on_a_calls_way(point)) continue;
    INFO(point);
    bool is_reached = false;
    for (int tries = 0; tries < 30 && !is_reached; ++tries) {
      Process victim =
          fault_peer("victim_client", channel, calls.path, first_id(), point, "stop", "1", "nowhere", "400");
      is_reached = is_stopped_at(victim);
      if (!is_reached) continue;
      Jobs::Client other(channel);
      for (std::uint64_t i = 0; i < 10; ++i) {
        const auto answer = other.call({unrecorded, 0, 0}, promptly);
        INFO((answer ? "" : answer.error().message()));
        CHECK(answer);
        answered += answer.has_value();
      }
      victim.resume();
      victim.write_line("go");
      CHECK(victim.read_line() == "hit");
    }
    CHECK(is_reached);
    ++points;
  }
  for (Process& caller : callers) {
    caller.write_line("over");
    CHECK(caller.read_line() == "over");
  }
  std::printf("a client stopped at each of %d points: %d calls of others answered\n", points, answered);
  server.write_line("stop");
  CHECK(server.wait() == ExitStatus{});
  const Verdict verdict(Journal<Record>::read(calls.path), Journal<std::uint64_t>::read(executions.path));
  CHECK(verdict.holds());
}

TEST_CASE("fault points: a client killed at each") { Trial("client", "kill").run(); }
TEST_CASE("fault points: a client stopped at each") { Trial("client", "stop").run(); }
TEST_CASE("fault points: a client delayed at each") { Trial("client", "delay").run(); }
TEST_CASE("fault points: a server killed at each") { Trial("server", "kill").run(); }
TEST_CASE("fault points: a server stopped at each") { Trial("server", "stop").run(); }
TEST_CASE("fault points: a server delayed at each") { Trial("server", "delay").run(); }

}  // namespace points_faults
