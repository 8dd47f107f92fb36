// What the roles have in common: their stages, the words that a stage keeps, and what several of them do.
#pragma once

#include <array>
#include <cstddef>

#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "judge.hpp"

namespace explorer {

enum Stage : Value {
  finished,
  c_begin,
  c_claim,
  c_recover,
  c_no_slot,
  c_lock,
  c_slice,
  c_slice_recover,
  c_passed_head,
  c_announce,
  c_head_waits,
  c_hold,
  c_leave_queue,
  c_fill,
  c_post,
  c_look,
  c_sleep,
  c_give_up,
  c_look_again,
  c_stopped,
  c_read,
  c_release,
  w_begin,
  w_high_water,
  w_examine,
  w_not_found,
  w_sleep,
  w_unannounce,
  w_handle,
  w_conclude,
  w_leave,
  r_begin,
  r_examine,
  r_conclude,
  r_end,
  s_begin,
  s_end,
  d_begin,
  d_conclude,
  d_look,
  n_look,
  n_repair,
  n_posted,
  n_announce,
  n_sleep,
  n_unannounce,
  n_fire,
  n_set,
  n_fired,
  l_wait,
  l_rearm,
  l_clear,
  l_tell,
  a_begin,
  a_claim,
  a_wait,
  a_recover,
  a_post,
  a_pick,
  a_look,
  a_stopped,
  a_give_up,
  a_look_again,
  a_read,
  a_release
};

/// To be called when the caller has not posted yet.
inline void is_made(Value id) {
  if (plan.has_stopper && machine.state.thread[static_cast<std::size_t>(stopper())].stage == finished)
    machine.state.disowned[static_cast<std::size_t>(id - 1)] = late;
}

/// Whether T1, about to be made, takes a call while an earlier one of the same thread waits. Refusals go by
/// slots.
inline void judge_order(Value cell, Value value) {
  if (plan.in_flight == 0 || machine.self().stage != w_examine || cell < slot_cells || cell >= lock_cells ||
      (cell - slot_cells) % slot_width != 3)
    return;
  const detail::State taken(value);
  const auto word = [](int slot, int which) {
    return machine.state.memory[static_cast<std::size_t>(slot_cells + slot_width * slot + which)];
  };
  const int mine = (cell - slot_cells) / slot_width;
  const Value id = word(mine, 4);
  if (!detail::State(word(mine, 1)).is(Phase::posted, taken.sequence()) || taken.phase() != Phase::taken ||
      id > max_calls)
    return;
  for (int other = 0; other < plan.slots; ++other) {
    const detail::State request(word(other, 1));
    const Value its = word(other, 4);
    if (request.phase() == Phase::posted && its > 0 && its < id &&
        first_of_caller(its - 1u) == first_of_caller(id - 1u) && machine.state.executed[its - 1u] == 0 &&
        !detail::State(word(other, 3)).is(Phase::taken, request.sequence()))
      machine.fail("a call was taken before one that its thread had posted earlier");
  }
}

enum ClientLocal { call_number, index, tried, sequence, in_queue, gave_back, has_slot, ticket, failed, concluded };
enum WorkerLocal { w_index, w_looked, w_count, w_sequence, w_announced, w_ticket, w_found, w_cursor, w_held, w_scan };
enum AsyncLocal {
  a_posted,
  a_index,
  a_pocket,
  a_slot,
  a_sequence = a_slot + 2,
  a_call = a_sequence + 2,
  a_concluded = a_call + 2,
  a_latest  // slot + 1 and sequence of the call that was posted last
};

/// The locals of the stage that runs; kept only if the stage ends.
using Locals = std::array<Value, locals_room>;

inline Value me_of(int thread) { return static_cast<Value>(thread + 1); }
inline Value id_of(int thread, const Locals& local) {
  return static_cast<Value>(1 + thread * plan.calls + local[call_number]);
}

inline bool passed() {
  return machine.step([&]() -> Value {
    Thread& me = machine.self();
    if (me.expired) return 1;
    if (machine.state.expiries >= plan.expiries) return 0;
    if (machine.choices.among(2) == 0) return 0;
    me.expired = 1;
    ++machine.state.expiries;
    return 1;
  }) != 0;
}
inline bool server_ended() {
  if (!plan.server_may_die) return false;
  return machine.step([&]() -> Value { return machine.state.beacon_out; }) != 0;
}

/// The lease: the kernel's word that client `number` is gone.
inline bool looks_for_the_dead() { return plan.deaths > 0 || is(Break::steals_from_the_living); }
inline bool is_gone(std::uint32_t number) {
  if (is(Break::steals_from_the_living)) return true;
  return machine.step([&]() -> Value {
    if (machine.state.thread[number - 1].is_alive) return 0;
    machine.outlives(static_cast<int>(number - 1));
    return 1;
  }) != 0;
}

/// Every call then ends in its answer or in "not executed".
inline bool is_orderly() { return plan.deaths == 0 && plan.expiries == 0 && !plan.server_may_die; }

/// Looking around in vain leads back to the same state, but for bells rung once more: without this, without end.
inline bool may_find_slot(const State& state, bool of_the_dead = true) {
  for (int i = 0; i < plan.slots; ++i) {
    const auto cells = static_cast<std::size_t>(slot_cells + slot_width * i);
    const Value owner = state.memory[cells];
    if (of_the_dead && owner != 0 && !state.thread[static_cast<std::size_t>(owner - 1)].is_alive) return true;
    const detail::State request(state.memory[cells + 1]), reply(state.memory[cells + 2]),
        taken(state.memory[cells + 3]);
    if (owner == 0 && (reply.concludes(request.sequence()) || !taken.is(Phase::taken, request.sequence()))) return true;
  }
  return false;
}

/// SlotClaim::hold()
inline void raise_high_water(std::uint32_t at) {
  std::uint32_t high =
      high_water_word.load(is(Break::high_water_is_acquire) ? std::memory_order_acquire : std::memory_order_seq_cst);
  while (high <= at &&
         !high_water_word.compare_exchange_strong(high, at + 1, std::memory_order_seq_cst, std::memory_order_seq_cst)) {
  }
}

inline detail::Claim claim(Slot& slot, std::uint32_t me) {
  if (!is(Break::no_settling)) return detail::claim(slot, me);
  if (!detail::take_ownership(slot, 0, me)) return detail::Claim::occupied;
  detail::leave_settled(slot, detail::load_request(slot).sequence());
  return detail::Claim::claimed;
}

inline bool concludes(detail::State reply, Value call) {
  return is(Break::any_reply) ? reply.phase() == Phase::done : reply.concludes(call);
}

inline void tell_slot_freed() {
  if (detail::must_tell_slot_freed(slot_freed)) machine.ring(slot_freed_signal);
}
inline bool is_stopping() { return plan.has_stopper && stopping_word.load(std::memory_order_seq_cst) != 0; }
/// Doorbell::ring_anyway()
inline void ring_exec_anyway() {
  exec_bell.sequence.fetch_add(1, std::memory_order_seq_cst);
  machine.ring(exec_signal);
}
inline void ring_exec() {
  if (detail::must_ring(exec_bell)) machine.ring(exec_signal);
}

/// Where a worker's announcement lives between stages. Its bell is the same for all, and its ticket is kept in the
/// locals.
inline detail::Sleeper<DoorbellWords>* sleeper() {
  alignas(detail::Sleeper<DoorbellWords>) static std::byte storage[sizeof(detail::Sleeper<DoorbellWords>)];
  return reinterpret_cast<detail::Sleeper<DoorbellWords>*>(storage);
}

}  // namespace explorer
