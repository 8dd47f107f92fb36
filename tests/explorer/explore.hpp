// Visits every state that a plan can reach, depth first, and judges each end.
#pragma once

#include <string>
#include <vector>

#include "ends.hpp"
#include "events.hpp"
#include "history.hpp"

namespace explorer {

struct Findings {
  std::size_t states = 0;
  std::size_t walks = 0;
  std::size_t transitions = 0;
  std::size_t ends = 0;
  std::size_t deepest = 0;
  std::string violation;  // empty: every property held
  std::vector<std::string> history;
};

class Explorer {
 public:
  explicit Explorer(const Plan& its_plan) { begin(its_plan); }

  Findings run() {
    visited_.insert(key());
    std::vector<Frame> path;
    enter(path);
    while (!path.empty() && findings_.violation.empty()) {
      if (path.size() > findings_.deepest) findings_.deepest = path.size();
      Frame& frame = path.back();
      if (!advance(frame, path.size() - 1)) {
        if (!frame.has_step) judge(frame.state);
        if (findings_.violation.empty()) path.pop_back();
        continue;
      }
      ++findings_.transitions;
      if (machine.violation != nullptr) {
        findings_.violation = machine.violation;
      } else if (visited_.insert(key())) {
        enter(path);
      }
    }
    findings_.states = visited_.size();
    if (!findings_.violation.empty()) tell(path);
    return findings_;
  }

 private:
  struct Frame {
    State state;
    int next;  // kind and thread
    int made;
    Choices choices;
    bool has_step;
  };

  /// By which the machine's state is known again.
  static std::uint64_t key() {
    const std::uint64_t known = fingerprint(machine.state);
    if (!is_stale()) return known;
    tidy();
    return machine.stale.fingerprint(known);
  }

  void enter(std::vector<Frame>& path) {
    path.push_back(Frame{machine.state, 0, 0, {}, false});
    if (!is_stale()) return;
    if (histories_.size() < path.size()) histories_.emplace_back();
    histories_[path.size() - 1].copy_from(machine.stale);
  }

  void judge(const State& state) {
    ++findings_.ends;
    if (const char* const violation = judge_end(state)) findings_.violation = violation;
  }

  /// Makes the next possible event of the frame's state, in machine.state. False: there is none left.
  bool advance(Frame& frame, std::size_t at) {
    while (frame.next < kinds * max_threads) {
      const int thread = frame.next % max_threads;
      const auto kind = static_cast<Kind>(frame.next / max_threads);
      if (thread >= thread_count() || !is_possible(frame.state, kind, thread)) {
        ++frame.next;
        continue;
      }
      machine.state = frame.state;
      if (is_stale()) machine.stale.copy_from(histories_[at]);
      machine.violation = nullptr;
      machine.choices = frame.choices;
      machine.choices.begin();
      const bool has_happened = happens(kind, thread);
      if (machine.choices.is_full()) machine.fail("a step has more outcomes than the machine can try");
      frame.made = frame.next;
      frame.choices = machine.choices;
      if (!frame.choices.next()) {
        frame.choices = {};
        ++frame.next;
      }
      if (!has_happened) continue;
      if (is_step(kind)) frame.has_step = true;
      return true;
    }
    return false;
  }

  /// The history that led to the violation, as the words saw it.
  void tell(const std::vector<Frame>& path) {
    for (const Frame& frame : path) {
      if (frame.made >= kinds * max_threads) continue;
      findings_.history.push_back(
          line_of(frame.state, static_cast<Kind>(frame.made / max_threads), frame.made % max_threads));
    }
  }

  Visited visited_;
  std::vector<StaleMemory> histories_;  // beside the path
  Findings findings_;
};

}  // namespace explorer
