// What must hold of a state from which nothing leads on by itself.
#pragma once

#include "roles.hpp"

namespace explorer {

inline bool stands_in_every_slot(const State& state) {
  for (int i = 0; i < plan.slots; ++i) {
    const Value owner = state.memory[static_cast<std::size_t>(slot_cells + slot_width * i)];
    if (owner == 0 || state.thread[owner - 1u].is_alive != stands_still) return false;
  }
  return true;
}

inline bool stands_in_queue(const State& state) {
  return state.mutex_holder != 0 && state.thread[state.mutex_holder - 1u].is_alive == stands_still;
}

/// Nothing happens any more of itself: what is wrong with that, if anything.
inline const char* judge_end(const State& state) {
  const char* violation = nullptr;
  for (int i = 0; i < thread_count(); ++i) {
    const Thread& thread = state.thread[static_cast<std::size_t>(i)];
    if (thread.is_alive != 1 || thread.stage == finished) continue;
    if (i < plan.clients && thread.stage < a_begin && thread.local[has_slot] == 0 && stands_in_every_slot(state) &&
        (state.memory[stopping] == 0 || stands_in_queue(state)))
      continue;  // until its deadline
    if (i == loop_notice() && (state.memory[stopping] == 0 || thread.stage == n_fired)) continue;
    if (i == foreign_loop() && state.memory[stopping] == 0) continue;  // until something waits for them
    if (i < plan.clients)
      violation = "a client waits indefinitely";
    else if (thread.asleep_on == 0 && i != responder() && !state.beacon_out)
      violation = "a worker is stuck";
    else if (state.memory[stopping] != 0 && i != responder() && !state.beacon_out)
      violation = "a worker sleeps through stop()";
  }
  if (state.beacon_out || violation != nullptr) return violation;  // slots end with their generation
  machine.state = state;
  machine.alone = true;
  for (int i = 0; i < plan.slots; ++i) {
    constexpr std::uint32_t somebody_new = max_threads + 1;
    const std::uint32_t owner = slots[i].owner.load(std::memory_order_relaxed);
    if (owner != 0 && state.thread[owner - 1].is_alive == stands_still) continue;
    const bool orphaned = owner != 0 && !state.thread[owner - 1].is_alive;
    const detail::Claim outcome =
        orphaned ? detail::recover(slots[i], owner, somebody_new) : detail::claim(slots[i], somebody_new);
    if (outcome != detail::Claim::claimed) violation = "a slot is lost";
  }
  machine.alone = false;
  return violation;
}

}  // namespace explorer
