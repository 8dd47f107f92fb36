// What may happen in a state, beside the steps of threads: a store leaves its buffer, a client or the server dies, a
// deadline passes, a sleeper wakes for no reason, the kernel tells a sleeper that the server is gone.
//
// Those that must come sooner or later count as steps; those that only may come (death, deadline, spurious wake-up)
// do not excuse a thread that waits for them: a state from which only such events lead on is an end.
#pragma once

#include "roles.hpp"

namespace explorer {

/// To which thread it happens belongs to it; a thread's step may have several outcomes.
enum Kind { step, flush, told_of_death, look_around, dies, stops, server_dies, expires, wakes_up, kinds };
inline bool is_step(Kind kind) { return kind <= look_around; }

inline bool is_stale() { return plan.memory == Memory::stale_reads; }

inline void claim_slots() {
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

/// Makes the machine the plan's, in its first state.
inline void begin(const Plan& its_plan) {
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
}

/// Forgets what can no longer be told.
inline void tidy() {
  machine.stale.tidy(
      plan.values,
      [](int number) {
        const Thread& thread = machine.state.thread[static_cast<std::size_t>(number)];
        return number < thread_count() && thread.is_alive == 1 && thread.stage != finished;
      },
      [](int number) { return number < plan.clients && plan.deaths > 0; });
}

inline bool is_possible(const State& state, Kind kind, int number) {
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

/// False: the thread sleeps, is blocked or has finished.
inline bool make_step(int number) {
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

/// False: it does not after all, because the thread is blocked.
inline bool happens(Kind kind, int number) {
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

}  // namespace explorer
