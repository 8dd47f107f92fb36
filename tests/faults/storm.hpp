// A channel under load, and the judge at its end.
#pragma once

#include "support/catch.hpp"

#include <cstdint>
#include <random>
#include <string>

#include "faults/fault_peer.hpp"
#include "faults/judge.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace faults {

inline int at_random(int first, int last) {
  static std::mt19937 numbers(std::random_device{}());
  return std::uniform_int_distribution<int>(first, last)(numbers);
}

/// Peers write down what they were told and what they did. `kind` says what is sent: jobs (""), or letters ("letter_").
class Storm {
 public:
  explicit Storm(const std::string& what, std::string kind = "")
      : channel(test_support::unique_name(what)),
        kind_(std::move(kind)),
        calls_(channel + ".calls"),
        victims_(channel + ".victims"),
        executions_(channel + ".executions") {}

  test_support::Process caller() { return caller_into(calls_); }
  /// One that will be paused or killed: how late it is says nothing.
  test_support::Process victim() { return caller_into(victims_); }

  test_support::Process server(int slots = 1) {
    auto made = fault_peer((kind_ + "server").c_str(), channel, executions_.path, std::to_string(++servers_),
                           std::to_string(slots));
    REQUIRE(made.read_line() == "ready");
    return made;
  }

  static void end(test_support::Process& caller) {
    caller.write_line("over");
    CHECK(caller.read_line() == "over");
    CHECK(caller.wait() == test_support::ExitStatus{});
  }
  static void stop(test_support::Process& server) {
    server.write_line("stop");
    CHECK(server.wait() == test_support::ExitStatus{});
  }

  void check_slot_is_free() const {
    if (kind_.empty())
      CHECK(Jobs::Client(channel).call({unrecorded, 0, 0}, test_support::amply));
    else
      CHECK(Letters::Client(channel).call({unrecorded, 0, ""}, test_support::amply));
  }

  /// What all callers were told; how late it was, of those that nobody hindered.
  Verdict verdict() const {
    const auto executed = Journal<std::uint64_t>::read(executions_.path);
    const Verdict victims = Verdict(Journal<Record>::read(victims_.path), executed);
    Verdict all(Journal<Record>::read(calls_.path), executed);
    auto late = std::move(all.late);
    all += victims;
    all.late = std::move(late);
    return all;
  }
  Verdict judge(const std::string& what) const {
    const Verdict all = verdict();
    all.print(what);
    CHECK(all.holds());
    return all;
  }

  const std::string channel;

 private:
  test_support::Process caller_into(const Records& journal) {
    return fault_peer((kind_ + "caller").c_str(), channel, journal.path, std::to_string(++series_ << 32));
  }

  const std::string kind_;
  const Records calls_, victims_, executions_;
  std::uint64_t series_ = 0, servers_ = 0;
};

}  // namespace faults
