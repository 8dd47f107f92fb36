// Visits every state that a plan can reach, depth first, and judges each end.
//
// Besides the steps of threads there are events from outside: a store leaves its buffer, a client or the server dies, a
// deadline passes, a sleeper wakes for no reason, the kernel tells a sleeper that the server is gone. Those that must
// come sooner or later count as steps; those that only may come (death, deadline, spurious wake-up)
// do not excuse a thread that waits for them: a state from which only such events lead on is an end.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "roles.hpp"

namespace explorer {

struct Findings {
  std::size_t states = 0;
  std::size_t transitions = 0;
  std::size_t ends = 0;
  std::size_t deepest = 0;
  bool is_complete = true;
  std::string violation;  // empty: every property held
  std::vector<std::string> history;
};

class Explorer {
 public:
  explicit Explorer(const Plan& its_plan) {
    plan = its_plan;
    machine.memory = plan.memory;
    machine.kernel = plan.kernel;
    machine.is_weakened = &is_weakened;
    machine.order_of_load = &order_of_load;
    machine.is_private = &is_private;
    machine.stale_word = &stale_word;
    machine.rung_word = &rung_word;
    machine.has_fence = &has_fence;
    machine.judge = &judge_order;
  }

  /// At most about `limit` states.
  Findings run(std::size_t limit) {
    State first{};
    for (int i = 0; i < thread_count(); ++i) {
      Thread& thread = first.thread[static_cast<std::size_t>(i)];
      thread.is_alive = 1;
      thread.stage = i < plan.clients      ? (plan.in_flight > 0 && i == 0 ? a_begin : c_begin)
                     : i == stopper()      ? s_begin
                     : i == responder()    ? d_begin
                     : i == loop_notice()  ? n_look
                     : i == foreign_loop() ? l_wait
                                           : w_begin;
    }
    machine.state = first;
    machine.stale.begin(is_stale() ? stale_words() : 0);
    if (plan.has_claimed) claim_slots();
    visited_.insert(key());
    std::vector<Frame> path;
    enter(path);
    while (!path.empty() && findings_.violation.empty()) {
      if (visited_.size() >= limit) {
        findings_.is_complete = false;
        break;
      }
      if (path.size() > findings_.deepest) findings_.deepest = path.size();
      Frame& frame = path.back();
      if (!advance(frame, path.size() - 1)) {
        if (!frame.has_step) judge_end(frame.state);
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
  /// What may happen in a state, to which thread; a thread's step may have several outcomes.
  enum Kind { step, flush, told_of_death, look_around, dies, stops, server_dies, expires, wakes_up, kinds };

  struct Frame {
    State state;
    int next;  // kind and thread
    int made;
    Choices choices;
    bool has_step;
  };

  static bool is_stale() { return plan.memory == Memory::stale_reads; }

  /// By which the machine's state is known again.
  static std::uint64_t key() {
    const std::uint64_t known = fingerprint(machine.state);
    if (!is_stale()) return known;
    machine.stale.tidy(
        plan.values,
        [](int number) {
          const Thread& thread = machine.state.thread[static_cast<std::size_t>(number)];
          return number < thread_count() && thread.is_alive == 1 && thread.stage != finished;
        },
        [](int number) { return number < plan.clients && plan.deaths > 0; });
    return machine.stale.fingerprint(known);
  }

  void enter(std::vector<Frame>& path) {
    path.push_back(Frame{machine.state, 0, 0, {}, false});
    if (!is_stale()) return;
    if (histories_.size() < path.size()) histories_.emplace_back();
    histories_[path.size() - 1].copy_from(machine.stale);
  }

  static void claim_slots() {
    machine.alone = true;
    for (int i = 0; i < plan.clients; ++i) {
      Thread& client = machine.state.thread[static_cast<std::size_t>(i)];
      client.stage = c_hold;
      client.local[index] = static_cast<Value>(i);
      detail::claim(slots[i], me_of(i));
    }
    machine.alone = false;
    if (!is_stale()) return;
    for (int cell = 0; cell < slot_cells + slot_width * plan.slots; ++cell)
      machine.stale.begin_with(cell, machine.state.memory[static_cast<std::size_t>(cell)]);
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
      if (kind <= look_around) frame.has_step = true;
      return true;
    }
    return false;
  }

  static bool is_possible(const State& state, Kind kind, int number) {
    const Thread& thread = state.thread[static_cast<std::size_t>(number)];
    if (!thread.is_alive) return false;
    if (thread.is_alive == stands_still && kind != flush) return false;
    const bool is_client = number < plan.clients;
    const bool sleeps = thread.asleep_on != 0;
    switch (kind) {
      case step:
        return thread.stage != finished && !sleeps;
      case flush:
        return thread.stores > 0;
      case told_of_death:
        return is_client && sleeps && state.beacon_out;
      case look_around:  // SlotClaim::recover_interval: nobody rings for the dead, nor for those that stand
        return is_client && thread.asleep_on == slot_freed_signal + 1 && (state.deaths > 0 || state.standstills > 0) &&
               may_find_slot(state);
      case dies:
        return thread.stage != finished && (is_client ? state.deaths < plan.deaths : state.beacon_out != 0);
      case stops:
        return thread.stage != finished && is_client && state.standstills < plan.standstills;
      case server_dies:
        return number == 0 && plan.server_may_die && !state.beacon_out;
      case expires:
        return is_client && !thread.expired && state.expiries < plan.expiries && (sleeps || thread.stage == c_lock);
      case wakes_up:
        return sleeps && state.spurious < plan.spurious;
      case kinds:
        break;
    }
    return false;
  }

  /// False: it does not after all, because the thread is blocked.
  static bool happens(Kind kind, int number) {
    State& state = machine.state;
    Thread& thread = state.thread[static_cast<std::size_t>(number)];
    switch (kind) {
      case step:
        return make_step(number);
      case flush:
        machine.flush_one(thread);
        break;
      case told_of_death:
        machine.wake(thread, server_gone);
        break;
      case look_around:
        machine.wake(thread, looked_around);
        break;
      case dies:
        if (number < plan.clients) ++state.deaths;
        machine.flush(thread);
        thread = Thread{};
        break;
      case stops:
        ++state.standstills;
        thread.is_alive = stands_still;
        break;
      case server_dies:
        state.beacon_out = 1;
        break;  // workers run on until the kernel reaches them
      case expires:
        thread.expired = 1;
        ++state.expiries;
        if (thread.asleep_on != 0) machine.wake(thread, timed_out);
        break;
      case wakes_up:
        ++state.spurious;
        machine.wake(thread, go_on);
        break;
      case kinds:
        break;
    }
    return true;
  }

  /// False: the thread sleeps, is blocked or has finished.
  static bool make_step(int number) {
    Thread& thread = machine.state.thread[static_cast<std::size_t>(number)];
    if (thread.stage == finished || thread.asleep_on != 0) return false;
    machine.running = number;
    machine.stepped = false;
    if (setjmp(machine.pause) == 0) {
      for (;;) {
        machine.replayed = 0;
        Locals local = thread.local;
        const Stage next = run_stage(number, static_cast<Stage>(thread.stage), local);
        thread.local = local;
        thread.stage = next;
        thread.answer = {};
        thread.answers = 0;
        if (next == finished) {
          thread.local = {};
          return true;
        }
        if ((next == c_begin || next == a_begin) && number < plan.clients) thread.expired = 0;
      }
    }
    return machine.stepped || machine.state.thread[static_cast<std::size_t>(number)].asleep_on != 0;
  }

  static bool stands_in_every_slot(const State& state) {
    for (int i = 0; i < plan.slots; ++i) {
      const Value owner = state.memory[static_cast<std::size_t>(slot_cells + slot_width * i)];
      if (owner == 0 || state.thread[owner - 1u].is_alive != stands_still) return false;
    }
    return true;
  }

  /// Nothing happens any more of itself: is everybody well?
  void judge_end(const State& state) {
    ++findings_.ends;
    for (int i = 0; i < thread_count(); ++i) {
      const Thread& thread = state.thread[static_cast<std::size_t>(i)];
      if (thread.is_alive != 1 || thread.stage == finished) continue;
      if (i < plan.clients && thread.local[has_slot] == 0 && stands_in_every_slot(state))
        continue;                                               // until its deadline
      if (i == foreign_loop() || i == loop_notice()) continue;  // until something waits for them
      if (i < plan.clients)
        findings_.violation = "a client waits indefinitely";
      else if (thread.asleep_on == 0 && i != responder() && !state.beacon_out)
        findings_.violation = "a worker is stuck";
      else if (state.memory[stopping] != 0 && i != responder() && !state.beacon_out)
        findings_.violation = "a worker sleeps through stop()";
    }
    if (state.beacon_out || !findings_.violation.empty()) return;  // slots end with their generation
    machine.state = state;
    machine.alone = true;
    for (int i = 0; i < plan.slots; ++i) {
      constexpr std::uint32_t somebody_new = max_threads + 1;
      const std::uint32_t owner = slots[i].owner.load(std::memory_order_relaxed);
      if (owner != 0 && state.thread[owner - 1].is_alive == stands_still) continue;
      const bool orphaned = owner != 0 && !state.thread[owner - 1].is_alive;
      const detail::Claim outcome =
          orphaned ? detail::recover(slots[i], owner, somebody_new) : detail::claim(slots[i], somebody_new);
      if (outcome != detail::Claim::claimed) findings_.violation = "a slot is lost";
    }
    machine.alone = false;
  }

  /// The history that led to the violation, as the words saw it.
  void tell(const std::vector<Frame>& path) {
    static const char* const stages[] = {"finished",
                                         "begin",
                                         "claim",
                                         "recover",
                                         "no_slot",
                                         "lock",
                                         "slice",
                                         "slice.recover",
                                         "passed_head",
                                         "announce",
                                         "head_waits",
                                         "hold",
                                         "leave_line",
                                         "fill",
                                         "post",
                                         "look",
                                         "sleep",
                                         "give_up",
                                         "stopped",
                                         "read",
                                         "release",
                                         "begin",
                                         "high_water",
                                         "examine",
                                         "not_found",
                                         "sleep",
                                         "unannounce",
                                         "handle",
                                         "conclude",
                                         "refuse",
                                         "refuse.examine",
                                         "refuse.conclude",
                                         "refuse.end",
                                         "stop",
                                         "defer.begin",
                                         "defer.conclude",
                                         "defer.look",
                                         "notice.look",
                                         "notice.announce",
                                         "notice.sleep",
                                         "notice.unannounce",
                                         "notice.fire",
                                         "notice.fired",
                                         "loop.wait",
                                         "loop.rearm",
                                         "loop.clear",
                                         "loop.tell",
                                         "async.begin",
                                         "async.claim",
                                         "async.post",
                                         "async.pick",
                                         "async.look",
                                         "async.stopped",
                                         "async.give_up",
                                         "async.read",
                                         "async.release"};
    static const char* const names[kinds] = {"",
                                             "stores",
                                             "is told of the server's death",
                                             "looks around",
                                             "dies",
                                             "stands still",
                                             "the server dies",
                                             "expires",
                                             "wakes for no reason"};
    for (const Frame& frame : path) {
      if (frame.made >= kinds * max_threads) continue;
      const int number = frame.made % max_threads;
      const int kind = frame.made / max_threads;
      std::string line = (number < plan.clients ? "client " : "server ") + std::to_string(number) + " " + names[kind] +
                         " at " + stages[frame.state.thread[static_cast<std::size_t>(number)].stage] + " [";
      for (const Value value : frame.state.memory) line += std::to_string(value) + " ";
      line.back() = ']';
      findings_.history.push_back(line);
    }
  }

  Visited visited_;
  std::vector<StaleMemory> histories_;  // beside the path
  Findings findings_;
};

}  // namespace explorer
