// Clients, workers and a stopper on the machine. What slot_protocol.hpp, order.hpp and doorbell.hpp decide is called
// here; what surrounds it in client/call.hpp, client/slot_claim.hpp, server/slots.hpp and server/finder.hpp (which need
// clocks, kernels and mappings) is told again, in stages.
#pragma once

#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include "machine.hpp"

namespace explorer {

namespace detail = shared_channel::detail;
using detail::Phase;

/// What may be wrong with the protocol on purpose. The explorer must find each out.
enum class Break {
  nothing,
  post_is_release,          // P1
  waiter_is_release,        // A1
  reply_is_release,         // F1
  withdrawal_is_release,    // W1
  taken_is_release,         // T1
  sleeper_is_release,       // S1 of a worker
  slot_wait_is_release,     // S1 of the head of the queue
  owner_is_release,         // R1 of slot-freed: giving a slot back
  any_reply,                // the caller takes whatever concludes any call
  no_second_look,           // the worker does not look again after it marked the call as taken (T2)
  no_settling,              // a withdrawn slot is used although a worker is in it
  steals_from_the_living,   // a slow process counts as dead
  settles_blindly,          // the slot is left settled though its call was given up
  keeps_last,               // the post does not take back that the slot is settled
  no_slot_lock,             // two workers, one slot
  no_conclusion,            // the server forgets which call it executed last
  no_ring,                  // the request is posted, nobody is woken
  no_slot_freed_told,       // a worker lets go of a slot and tells nobody
  same_sequence,            // every call of a slot has the same number
  late_ticket,              // the head of the queue takes its ticket after its announcement
  stops_before_it_closes,   // workers see the stop before callers do
  stale_look,               // a worker takes what it saw before it locked the slot
  second_high_water,        // a worker asks once how many slots to look at, and once more where to begin
  silent_responder,         // a responder unlocks the slot and looks for nothing
  stop_is_a_deadline,       // a caller that finds the server stopped leaves whatever a worker does
  no_look_after_let_go,     // the worker lets go and does not see that the withdrawal was taken back (T4)
  let_go_is_release,        // T3
  no_places,                // the client says nothing of the order of its calls
  no_order,                 // the worker does not ask for it
  early_comparison,         // the worker looks for earlier calls before it looks at the call itself
  no_way_back,              // the worker that went for an earlier call, given up meanwhile, forgets the later one
  no_slices,                // a caller in the queue waits for the one before it, whatever that does
  only_head_recovers,       // a caller in the queue takes free slots past a standing head, but none of the dead
  executes_while_refusing,  // a worker does not look whether earlier calls are being refused
  clears_late,              // the loop's object is cleared after its thread was armed
  high_water_is_acquire,    // the look at the high-water mark before a post
  busy_is_acquire,          // the look whether a slot is locked
  no_sleeper_fence,         // between a worker's announcement and its last look
  no_slot_wait_fence,       // likewise of the head of the queue
  no_responder_fence,       // between the slot's unlocking and the look at its next call
};

struct Plan {
  int clients = 2;
  int calls = 1;      // of each client
  int in_flight = 0;  // the first client has as many calls in flight, if any
  int slots = 1;
  int workers = 1;
  bool has_stopper = false;
  bool defers = false;    // handlers leave their calls to a responder's thread
  bool has_loop = false;  // no workers: a loop of the program's own serves, and LoopNotice tells it when
  bool server_may_die = false;
  int deaths = 0;            // of clients, in one history
  int standstills = 0;       // of clients, in one history
  int expiries = 0;          // deadlines that pass, in one history
  int spurious = 0;          // wake-ups for no reason
  bool looks_first = true;   // workers look once before they announce that they sleep
  bool has_claimed = false;  // each client begins with the slot of its number
  bool last_stands = false;  // the last client stands still as soon as it has raised the high-water mark
  bool polls = false;        // callers look until they are answered, so that only workers sleep
  int values = 100;          // of each word, the newest, can be read
  Memory memory = Memory::sequential;
  Kernel kernel = Kernel::futex;
  Break broken = Break::nothing;
};

inline Plan plan;

/// Threads in this order: clients, workers, the stopper, the responder, LoopNotice's and the loop's.
inline int stopper() { return plan.has_stopper ? plan.clients + plan.workers : -1; }
inline int responder() { return plan.defers ? plan.clients + plan.workers + (plan.has_stopper ? 1 : 0) : -1; }
inline int loop_notice() {
  return plan.has_loop ? plan.clients + plan.workers + (plan.has_stopper ? 1 : 0) + (plan.defers ? 1 : 0) : -1;
}
inline int foreign_loop() { return plan.has_loop ? loop_notice() + 1 : -1; }
inline int thread_count() {
  return plan.clients + plan.workers + (plan.has_stopper ? 1 : 0) + (plan.defers ? 1 : 0) + (plan.has_loop ? 2 : 0);
}
inline bool is(Break what) { return plan.broken == what; }

// ---- shared memory ----

inline constexpr int max_slots = 3;
inline constexpr int slot_width = 7;
enum Cell : Value {
  exec_sequence,
  exec_sleepers,
  slot_wait_announced,
  slot_freed_sequence,
  service,
  stopping,
  high_water,
  refusing,
  starving,
  slot_cells,  // owner, request, reply, taken, bytes, last, place of slot 0, then of the others
  desk_cells = slot_cells + slot_width * max_slots,  // busy, concluded
  end_of_cells = desk_cells + 2 * max_slots
};
static_assert(end_of_cells <= max_cells);

struct Slot {
  explicit Slot(int index)
      : owner(slot_cells + slot_width * index),
        request(slot_cells + slot_width * index + 1),
        reply(slot_cells + slot_width * index + 2),
        taken(slot_cells + slot_width * index + 3),
        bytes(slot_cells + slot_width * index + 4),
        last(slot_cells + slot_width * index + 5),
        place(slot_cells + slot_width * index + 6) {}
  Word owner, request, reply, taken;
  Word bytes;  // the message: request and reply lie in the same place, as inline ones do
  Word last;
  PlaceWord place;
};
struct DoorbellWords {
  Word sequence{exec_sequence}, sleepers{exec_sleepers};
};
struct SlotFreed {
  Word announced{slot_wait_announced}, sequence{slot_freed_sequence};
};
template <int Index>
struct Busy : Word {
  explicit Busy(int) : Word(desk_cells + 2 * Index) {}
};
template <int Index>
struct Concluded : Word {
  explicit Concluded(int) : Word(desk_cells + 2 * Index + 1) {}
};
inline Slot slots[max_slots]{Slot(0), Slot(1), Slot(2)};
inline DoorbellWords exec_bell;
inline SlotFreed slot_freed;
inline detail::BasicSlotLock<Busy<0>, Concluded<0>> desk0;
inline detail::BasicSlotLock<Busy<1>, Concluded<1>> desk1;
inline detail::BasicSlotLock<Busy<2>, Concluded<2>> desk2;
inline Word service_word{service}, stopping_word{stopping}, high_water_word{high_water}, refusing_word{refusing},
    starving_word{starving};

template <class Body>
auto with_desk(int index, Body body) {
  return index == 0 ? body(desk0) : index == 1 ? body(desk1) : body(desk2);
}

enum HandOvers { client_mutex, responder_queue, notice_mutex };
enum Signals : Value { exec_signal, slot_freed_signal, done_signals };
inline constexpr Value service_open = 0, service_stopped = 1;

inline bool has_fence(Value cell) {
  return !(is(Break::no_sleeper_fence) && cell == exec_sleepers) &&
         !(is(Break::no_slot_wait_fence) && cell == slot_wait_announced);
}

/// Whose sleepers a signal wakes.
inline Value rung_word(Value signal) {
  if (signal == exec_signal) return exec_sequence;
  if (signal == slot_freed_signal) return slot_freed_sequence;
  return static_cast<Value>(slot_cells + slot_width * (signal - done_signals) + 2);
}

inline bool is_private(Value cell) {
  return cell >= desk_cells && plan.workers == 1 && !plan.has_stopper && !plan.defers;
}

/// The number of a word among those that this plan uses.
inline int stale_word(Value cell) {
  const int end_of_slots = slot_cells + slot_width * plan.slots;
  return cell < desk_cells ? cell : end_of_slots + cell - desk_cells;
}
inline int stale_words() { return slot_cells + (slot_width + 2) * plan.slots; }

inline std::memory_order order_of_load(Value cell, std::memory_order order) {
  const bool is_busy = cell >= desk_cells && (cell - desk_cells) % 2 == 0;
  return is(Break::busy_is_acquire) && is_busy ? std::memory_order_acquire : order;
}

inline bool is_weakened(Value cell, Value value) {
  const Phase phase = detail::State(value).phase();
  switch (plan.broken) {
    case Break::sleeper_is_release:
      return cell == exec_sleepers && value == 1;
    case Break::slot_wait_is_release:
      return cell == slot_wait_announced && value == 1;
    default:
      break;
  }
  if (cell < slot_cells || cell >= desk_cells) return false;
  switch ((cell - slot_cells) % slot_width) {
    case 0:
      return is(Break::owner_is_release) && value == 0;
    case 1:
      return (is(Break::post_is_release) && phase == Phase::posted && !detail::State(value).has_waiter()) ||
             (is(Break::waiter_is_release) && detail::State(value).has_waiter()) ||
             (is(Break::withdrawal_is_release) && phase == Phase::withdrawn);
    case 2:
      return is(Break::reply_is_release);
    case 3:
      return (is(Break::taken_is_release) && phase == Phase::taken) ||
             (is(Break::let_go_is_release) && phase == Phase::idle);
    default:
      return false;
  }
}

// ---- what the judge knows ----

inline constexpr Value reply_of = 0x100;  // added to a request's id by the handler

inline constexpr Value refused = 2;  // in `disowned`
inline std::size_t first_of_caller(std::size_t call) {
  return plan.in_flight == 0 ? call : call - call % static_cast<std::size_t>(plan.calls);
}

inline void executes(Value id) {
  const auto at = static_cast<std::size_t>(id - 1);
  if (id > reply_of) return machine.fail("a handler saw a reply as its request");
  if (machine.state.executed[at]++ != 0) machine.fail("a call was executed twice");
  if (machine.state.disowned[at] != 0)
    machine.fail("a call was executed although its caller was told that it never is");
  for (std::size_t earlier = first_of_caller(at); earlier < at; ++earlier) {
    if (machine.state.disowned[earlier] == refused)
      machine.fail("a call was executed after an earlier one was refused");
  }
}
/// The server told a call with a place that it stops: none of the later ones may have been executed.
inline void was_refused(Value id) {
  const auto at = static_cast<std::size_t>(id - 1);
  machine.state.disowned[at] = refused;
  for (std::size_t later = at + 1; first_of_caller(later) == first_of_caller(at) && later < max_calls; ++later) {
    if (machine.state.executed[later] != 0) machine.fail("a call was executed after an earlier one was refused");
  }
}
inline void disowns(Value id) {
  const auto at = static_cast<std::size_t>(id - 1);
  if (machine.state.executed[at] != 0) machine.fail("a caller was told that its call was not executed, and it was");
  machine.state.disowned[at] = 1;
}
inline void answered(Value id, Value bytes) {
  if (bytes != id + reply_of) machine.fail("a caller got an answer that is not its own");
  if (machine.state.executed[static_cast<std::size_t>(id - 1)] != 1)
    machine.fail("a caller got an answer of a call that was not executed once");
}

// ---- stages ----

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
  c_leave_line,
  c_fill,
  c_post,
  c_look,
  c_sleep,
  c_give_up,
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
  r_begin,
  r_examine,
  r_conclude,
  r_end,
  s_begin,
  d_begin,
  d_conclude,
  d_look,
  n_look,
  n_announce,
  n_sleep,
  n_unannounce,
  n_fire,
  n_fired,
  l_wait,
  l_rearm,
  l_clear,
  l_tell,
  a_begin,
  a_claim,
  a_post,
  a_pick,
  a_look,
  a_stopped,
  a_give_up,
  a_read,
  a_release
};

/// Whether T1, about to be made, takes a call while an earlier one of the same thread waits. Refusals go by
/// slots.
inline void judge_order(Value cell, Value value) {
  if (plan.in_flight == 0 || machine.self().stage != w_examine || cell < slot_cells || cell >= desk_cells ||
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

enum ClientLocal { call_number, index, tried, sequence, in_line, gave_back, has_slot, ticket, failed, concluded };
enum WorkerLocal { w_index, w_looked, w_count, w_sequence, w_announced, w_ticket, w_found, w_cursor, w_held, w_scan };
enum AsyncLocal {
  a_posted,
  a_index,
  a_pocket,
  a_slot,
  a_sequence = a_slot + 2,
  a_call = a_sequence + 2,
  a_concluded = a_call + 2
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
inline void ring_exec() {
  if (detail::must_ring(exec_bell)) machine.ring(exec_signal);
}

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

/// Call::claim() and claim_as_head(): after every slot was looked at.
inline Stage next_slot(Locals& local, Stage same, Stage after) {
  local[index] = static_cast<Value>((local[index] + 1) % plan.slots);
  if (++local[tried] < plan.slots) return same;
  local[tried] = 0;
  return after;
}

/// Every call then ends in its answer or in "not executed".
inline bool is_orderly() { return plan.deaths == 0 && plan.expiries == 0 && !plan.server_may_die; }

inline Stage run_client(int thread, Stage stage, Locals& local) {
  Slot& slot = slots[local[index]];
  const auto got = [&](detail::Claim outcome) {
    if (outcome == detail::Claim::given_back) local[gave_back] = 1;
    return outcome == detail::Claim::claimed;
  };
  const auto recovers = [&] {
    const std::uint32_t owner = slot.owner.load(std::memory_order_relaxed);
    return owner != 0 && owner != me_of(thread) && is_gone(owner) && got(detail::recover(slot, owner, me_of(thread)));
  };
  const auto no_slot = [&] { return local[in_line] ? c_head_waits : c_no_slot; };
  const auto ends = [&](bool never_executed) {
    if (never_executed)
      disowns(id_of(thread, local));
    else if (is_orderly())
      machine.fail("a caller was told \"perhaps\" without a death or a deadline");
    return c_release;
  };
  switch (stage) {
    case c_begin:
      if (local[call_number] == plan.calls) return finished;
      local[tried] = local[in_line] = local[gave_back] = local[has_slot] = local[failed] = local[ticket] =
          local[sequence] = local[concluded] = 0;
      if (plan.standstills > 0 && starving_word.load(std::memory_order_relaxed) != 0) return c_lock;
      return c_claim;
    case c_claim:
      if (got(claim(slot, me_of(thread)))) return c_hold;
      return next_slot(local, c_claim, looks_for_the_dead() ? c_recover : no_slot());
    case c_recover:
      if (recovers()) return c_hold;
      return next_slot(local, c_recover, no_slot());
    case c_no_slot:
      if (local[gave_back]) tell_slot_freed();
      local[gave_back] = 0;
      return c_lock;
    case c_lock: {
      const Value answer = machine.step([&]() -> Value {
        Value& line = machine.state.line;
        if (line == 0 || !machine.state.thread[static_cast<std::size_t>(line - 1)].is_alive) {
          line = me_of(thread);
          machine.take_over(client_mutex);
          return go_on;
        }
        if (plan.standstills > 0 && !is(Break::no_slices) &&
            may_find_slot(machine.state, !is(Break::only_head_recovers)))
          return looked_around;
        if (machine.state.beacon_out) return server_gone;
        if (machine.self().expired) return timed_out;
        machine.block();
      });
      if (answer == looked_around) return c_slice;
      if (answer != go_on) return ends(true);
      local[in_line] = 1;
      return c_announce;
    }
    case c_slice:  // SlotClaim::take_past_the_head()
      if (got(claim(slot, me_of(thread)))) return c_passed_head;
      return next_slot(local, c_slice,
                       looks_for_the_dead() && !is(Break::only_head_recovers) ? c_slice_recover : c_no_slot);
    case c_slice_recover:  // asks for one owner; the next slice asks for the next one's
      if (recovers()) return c_passed_head;
      local[index] = static_cast<Value>((local[index] + 1) % plan.slots);
      return c_no_slot;
    case c_passed_head:
      starving_word.store(0, std::memory_order_relaxed);
      return c_hold;
    case c_announce:
      if (is(Break::late_ticket)) {
        slot_freed.announced.store(1, std::memory_order_seq_cst);
        local[ticket] = static_cast<Value>(slot_freed.sequence.load(std::memory_order_seq_cst));
      } else {
        local[ticket] = static_cast<Value>(detail::announce_slot_wait(slot_freed));
      }
      return c_claim;
    case c_head_waits:
      if (server_ended() || passed()) {
        local[failed] = 1;
        disowns(id_of(thread, local));
        return c_leave_line;
      }
      if (plan.standstills > 0) starving_word.store(1, std::memory_order_relaxed);
      ring_exec();
      machine.wait(slot_freed_signal, slot_freed_sequence, local[ticket]);
      return c_announce;
    case c_hold: {
      local[has_slot] = 1;
      raise_high_water(local[index]);
      local[tried] = local[gave_back] = local[ticket] = 0;
      if (plan.last_stands && thread == plan.clients - 1) {
        machine.self().is_alive = stands_still;
        return finished;
      }
      return local[in_line] ? c_leave_line : c_fill;
    }
    case c_leave_line:
      if (plan.standstills > 0) starving_word.store(0, std::memory_order_relaxed);
      slot_freed.announced.store(0, std::memory_order_relaxed);
      machine.step([&]() -> Value {
        machine.flush(machine.self());
        machine.hand_over(client_mutex);
        if (machine.state.line == me_of(thread)) machine.state.line = 0;
        return 0;
      });
      return local[failed] ? c_release : c_fill;
    case c_fill:
      slot.bytes.store(id_of(thread, local), std::memory_order_relaxed);
      return c_post;
    case c_post:
      if (is(Break::same_sequence)) {
        local[sequence] = 1;
        slot.request.store(detail::State(1, Phase::posted).word(), std::memory_order_seq_cst);
      } else {
        local[sequence] = static_cast<Value>(detail::post(slot));
      }
      if (is(Break::keeps_last)) detail::leave_settled(slot, local[sequence] - 1u);
      if (!is(Break::no_ring)) ring_exec();
      if (plan.has_stopper && service_word.load(std::memory_order_seq_cst) != service_open) return c_stopped;
      return c_look;
    case c_look:
      if (plan.polls) {
        machine.step([&]() -> Value {
          const auto reply = static_cast<std::size_t>(slot_cells + slot_width * local[index] + 2);
          if (!concludes(detail::State(machine.state.memory[reply]), local[sequence])) machine.block();
          return 0;
        });
      }
      return concludes(detail::load_reply(slot), local[sequence]) ? c_read : plan.polls ? c_look : c_sleep;
    case c_sleep: {
      if (passed()) return c_give_up;
      const detail::State reply = detail::announce_waiter(slot, local[sequence]);
      if (concludes(reply, local[sequence])) return c_read;
      const Value answer = machine.wait(static_cast<Value>(done_signals + local[index]),
                                        static_cast<Value>(slot_cells + slot_width * local[index] + 2),
                                        static_cast<Value>(reply.word()));
      return answer == server_gone ? c_give_up : c_sleep;
    }
    case c_stopped:  // Call::is_withdrawn_at_stop()
      if (detail::load_taken(slot).is(Phase::taken, local[sequence])) return c_look;
      if (is(Break::stop_is_a_deadline)) return c_give_up;
      switch (detail::withdraw_unless_taken(slot, local[sequence])) {
        case detail::StopOutcome::withdrawn:
          return ends(true);
        case detail::StopOutcome::served:
          return c_look;
        case detail::StopOutcome::again:
          return c_stopped;
      }
      return finished;
    case c_give_up:
      switch (detail::withdraw(slot, local[sequence])) {
        case detail::Withdrawal::answered:
          return c_read;
        case detail::Withdrawal::withdrawn:
          return ends(true);
        case detail::Withdrawal::abandoned:
          return ends(false);
      }
      return finished;
    case c_read: {
      local[concluded] = 1;
      const detail::State reply = detail::load_reply(slot);
      if (reply.phase() == Phase::refused) return ends(true);
      const auto bytes = static_cast<Value>(slot.bytes.load(std::memory_order_relaxed));
      answered(id_of(thread, local), bytes);
      return c_release;
    }
    case c_release:
      if (local[has_slot]) {
        if (local[concluded] || is(Break::settles_blindly)) detail::leave_settled(slot, local[sequence]);
        detail::release(slot);
        tell_slot_freed();
      }
      ++local[call_number];
      return c_begin;
    default:
      return finished;
  }
}

/// ServerSlots::first_of_thread()
inline int first_of_thread(int at) {
  detail::Place place = detail::place_in(slots[at]);
  int first = at;
  if (place.is_alone()) return first;
  for (int other = 0; other < plan.slots; ++other) {
    if (other != first &&
        with_desk(other, [&](auto& lock) { return detail::goes_before(slots[other], lock, slots[first], place); }))
      first = other;
  }
  return first;
}

/// Where a worker's lock is when a look at a slot begins: not there, there since the look before, and that let go.
enum Held : Value { unlocked, locked, let_go };

/// ServerSlots::examine(), of which take() is the heart, and take_first(). Taken: the worker has the call, and the
/// lock. Again: it has the lock of w_index, and examines that.
enum class Examined { nothing, taken, again };
inline Examined examine(int at, Locals& local, bool in_order) {
  const bool compares = in_order && plan.in_flight > 0 && !is(Break::no_order);
  return with_desk(at, [&](auto& lock) {
    Slot& slot = slots[at];
    const auto goes_to = [&](int next) {
      lock.unlock();
      local[w_held] = unlocked;
      if (!with_desk(next, [](auto& other) { return other.try_lock(); })) return Examined::nothing;
      local[w_index] = static_cast<Value>(next);
      local[w_held] = locked;
      return Examined::again;
    };
    const bool goes_on = local[w_held] != unlocked;
    const int early = compares && is(Break::early_comparison) && !goes_on ? first_of_thread(at) : at;
    const detail::State seen = goes_on ? detail::State(0) : detail::load_request(slot);
    const auto waits = [&](detail::State request) {
      return is(Break::no_conclusion) ? request.phase() == Phase::posted : detail::is_waiting(lock, request);
    };
    const auto looks_damaged = [&] {
      return detail::looks_executing(slot, seen) || detail::has_lost_reply(slot, lock, seen);
    };
    const bool is_suspect = !goes_on && looks_damaged();
    if (!goes_on && !is_suspect && !waits(seen)) return Examined::nothing;
    if (!goes_on && !is(Break::no_slot_lock) && !lock.try_lock()) return Examined::nothing;
    const detail::State request = is(Break::stale_look) && !goes_on ? seen : detail::load_request(slot);
    if (compares && detail::is_in_order(slot)) {
      const int next = is(Break::early_comparison) ? early : first_of_thread(at);
      if (next != at) return goes_to(next);
      if (plan.has_stopper && !is(Break::executes_while_refusing) &&
          refusing_word.load(std::memory_order_seq_cst) != 0) {
        lock.unlock();
        local[w_held] = unlocked;
        return Examined::nothing;
      }
    }
    const std::uint32_t call = request.sequence();
    detail::Take outcome{};
    if (is(Break::no_second_look) || is(Break::no_conclusion)) {
      outcome = waits(request) ? detail::Take::taken : detail::Take::nothing;
      if (outcome == detail::Take::taken)
        slot.taken.store(detail::State(call, Phase::taken).word(), std::memory_order_seq_cst);
    } else {
      outcome = detail::take(slot, lock, request);
    }
    local[w_sequence] = static_cast<Value>(call);
    if (outcome == detail::Take::taken) {
      local[w_held] = unlocked;
      return Examined::taken;
    }
    if (outcome == detail::Take::let_go && !is(Break::no_look_after_let_go)) {
      local[w_held] = let_go;
      return Examined::again;
    }
    if ((local[w_held] == let_go || outcome == detail::Take::let_go) && !is(Break::no_slot_freed_told))
      tell_slot_freed();
    if (compares && at != local[w_scan] && !is(Break::no_way_back)) return goes_to(local[w_scan]);
    if (is_suspect && !is(Break::no_slot_lock) && looks_damaged())
      machine.fail("a slot looks damaged though all peers are correct");
    lock.unlock();
    local[w_held] = unlocked;
    return Examined::nothing;
  });
}

inline void conclude(Locals& local, Phase answer) {
  const int at = local[w_index];
  with_desk(at, [&](auto& lock) {
    switch (detail::finish(slots[at], lock, local[w_sequence], answer)) {
      case detail::Finish::nothing:
        break;
      case detail::Finish::wake:
        machine.ring(static_cast<Value>(done_signals + at));
        break;
      case detail::Finish::tell_slot_freed:
        if (!is(Break::no_slot_freed_told)) tell_slot_freed();
        break;
    }
    lock.unlock();
  });
  local[w_sequence] = 0;
}

/// Where a worker's announcement lives between stages. Its bell is the same for all, and its ticket is kept in the
/// locals.
inline detail::Sleeper<DoorbellWords>* sleeper() {
  alignas(detail::Sleeper<DoorbellWords>) static std::byte storage[sizeof(detail::Sleeper<DoorbellWords>)];
  return reinterpret_cast<detail::Sleeper<DoorbellWords>*>(storage);
}

inline Stage run_worker(int thread, Stage stage, Locals& local) {
  switch (stage) {
    case w_begin:  // Finder::next()
      local[w_announced] = local[w_ticket] = local[w_found] = local[w_looked] = local[w_sequence] = 0;
      if (plan.has_stopper && stopping_word.load(std::memory_order_seq_cst) != 0) return r_begin;
      return plan.looks_first ? w_high_water : w_not_found;
    case w_high_water: {
      const std::uint32_t used = high_water_word.load(std::memory_order_acquire);
      const std::uint32_t bound = is(Break::second_high_water) ? high_water_word.load(std::memory_order_acquire) : used;
      local[w_count] = static_cast<Value>(used);
      local[w_looked] = 0;
      local[w_index] = local[w_scan] = local[w_cursor] < bound ? local[w_cursor] : Value{0};
      return used == 0 ? w_not_found : w_examine;
    }
    case w_examine: {
      const Examined examined = examine(local[w_index], local, true);
      if (examined == Examined::again) return w_examine;
      if (examined == Examined::taken) {
        local[w_cursor] = static_cast<Value>((local[w_scan] + 1) % plan.slots);
        local[w_scan] = 0;
        local[w_found] = 1;
        local[w_count] = local[w_looked] = local[w_ticket] = 0;
        return local[w_announced] ? w_unannounce : w_handle;
      }
      local[w_index] = local[w_scan] = static_cast<Value>((local[w_scan] + 1) % local[w_count]);
      return ++local[w_looked] < local[w_count] ? w_examine : w_not_found;
    }
    case w_not_found:
      if (thread == foreign_loop()) return l_rearm;
      if (local[w_announced]) return w_sleep;
      ::new (static_cast<void*>(sleeper()))
          detail::Sleeper<DoorbellWords>(exec_bell, static_cast<std::uint32_t>(plan.workers));
      local[w_ticket] = static_cast<Value>(sleeper()->ticket());
      local[w_announced] = 1;
      return w_high_water;
    case w_sleep:
      if (plan.has_stopper && stopping_word.load(std::memory_order_seq_cst) != 0) return w_unannounce;
      machine.wait(exec_signal, exec_sequence, local[w_ticket]);
      return w_unannounce;
    case w_unannounce:
      sleeper()->~Sleeper();
      local[w_announced] = 0;
      return local[w_found] ? w_handle : w_begin;
    case w_handle: {
      if (plan.workers > 1 && exec_bell.sleepers.load(std::memory_order_seq_cst) != 0) {  // Dispatcher::pass_ring_on()
        bool posted = false;
        const std::uint32_t high = high_water_word.load(std::memory_order_acquire);
        for (int at = 0; at < static_cast<int>(high) && !posted; ++at) {
          posted = with_desk(at, [&](auto& lock) {
            return !lock.is_locked() && detail::is_waiting(lock, detail::load_request(slots[at]));
          });
        }
        if (posted) ring_exec();
      }
      Slot& slot = slots[local[w_index]];
      const Value id = machine.step([&] {
        const auto cell = static_cast<Value>(slot_cells + slot_width * local[w_index] + 4);
        const Value bytes = machine.load(cell, std::memory_order_relaxed);
        executes(bytes);
        return bytes;
      });
      slot.bytes.store(id + reply_of, std::memory_order_relaxed);
      if (!plan.defers) return w_conclude;
      machine.step([&]() -> Value {
        machine.flush(machine.self());
        machine.hand_over(responder_queue);
        machine.state.deferred = local[w_sequence];
        machine.state.deferred_slot = local[w_index];
        return 0;
      });
      local[w_sequence] = 0;
      return w_begin;
    }
    case w_conclude:
      conclude(local, Phase::done);
      return thread == foreign_loop() ? l_tell : w_begin;

    case s_begin:  // ServerCore::stop()
      if (is(Break::stops_before_it_closes)) stopping_word.store(1, std::memory_order_seq_cst);
      service_word.store(service_stopped, std::memory_order_seq_cst);
      if (!is(Break::stops_before_it_closes)) stopping_word.store(1, std::memory_order_seq_cst);
      machine.fence();
      return r_begin;

    case d_begin: {  // ServerCore::conclude(), called by a Responder
      const Value call = machine.step([&]() -> Value {
        if (machine.state.deferred == 0) machine.block();
        machine.take_over(responder_queue);
        return std::exchange(machine.state.deferred, Value{0});
      });
      local[w_sequence] = call;
      local[w_index] = machine.step([&] { return std::exchange(machine.state.deferred_slot, Value{0}); }, false);
      return d_conclude;
    }
    case d_conclude:
      conclude(local, Phase::done);
      if (is(Break::silent_responder)) return d_begin;
      if (!is(Break::no_responder_fence)) machine.fence();
      return plan.has_stopper && stopping_word.load(std::memory_order_seq_cst) != 0 ? r_begin : d_look;
    case d_look:
      if (with_desk(local[w_index],
                    [&](auto& lock) { return detail::is_waiting(lock, detail::load_request(slots[local[w_index]])); }))
        ring_exec();
      local[w_index] = 0;
      return d_begin;

    case r_begin:  // ServerSlots::refuse_all()
      if (plan.in_flight > 0) refusing_word.store(1, std::memory_order_seq_cst);
      local[w_index] = 0;
      return r_examine;
    case r_examine:
      switch (examine(local[w_index], local, false)) {
        case Examined::taken:
          return r_conclude;
        case Examined::again:
          return r_examine;
        case Examined::nothing:
          break;
      }
      return ++local[w_index] < plan.slots ? r_examine : r_end;
    case r_conclude:
      conclude(local, Phase::refused);
      return ++local[w_index] < plan.slots ? r_examine : r_end;
    case r_end:
      ring_exec();
      return thread == responder() ? d_begin : finished;
    default:
      return finished;
  }
}

/// ServerSlots::has_posted()
inline bool has_posted() {
  const std::uint32_t high = high_water_word.load(std::memory_order_acquire);
  for (int at = 0; at < static_cast<int>(high); ++at) {
    const bool posted = with_desk(
        at, [&](auto& lock) { return !lock.is_locked() && detail::is_waiting(lock, detail::load_request(slots[at])); });
    if (posted) return true;
  }
  return false;
}

/// LoopNotice, ServerCore::await_for_loop() and tell_loop(); and a loop that calls serve_one() while the object is set.
inline Stage run_loop(Stage stage, Locals& local) {
  const auto under_mutex = [](auto body) {
    machine.step([&]() -> Value {
      machine.take_over(notice_mutex);
      body();
      machine.hand_over(notice_mutex);
      return 0;
    });
  };
  switch (stage) {
    case n_look:
      local[w_found] = has_posted();
      if (local[w_announced]) return local[w_found] ? n_unannounce : n_sleep;
      return local[w_found] ? n_fire : n_announce;
    case n_announce:
      ::new (static_cast<void*>(sleeper())) detail::Sleeper<DoorbellWords>(exec_bell, 2);
      local[w_ticket] = static_cast<Value>(sleeper()->ticket());
      local[w_announced] = 1;
      return n_look;
    case n_sleep:
      machine.wait(exec_signal, exec_sequence, local[w_ticket]);
      return n_unannounce;
    case n_unannounce:
      sleeper()->~Sleeper();
      local[w_announced] = local[w_ticket] = 0;
      return local[w_found] ? n_fire : n_look;
    case n_fire:
      local[w_found] = 0;
      ring_exec();
      under_mutex([] { machine.state.notice_set = machine.state.notice_fired = 1; });
      return n_fired;
    case n_fired:
      under_mutex([] {
        if (machine.state.notice_fired) machine.block();
      });
      return n_look;
    case l_wait:
      machine.step([&]() -> Value {
        if (!machine.state.notice_set) machine.block();
        return 0;
      });
      return w_begin;
    case l_rearm: {  // LoopNotice::rearm()
      under_mutex([] {
        if (machine.state.notice_fired && !is(Break::clears_late)) machine.state.notice_set = 0;
        machine.state.notice_fired = 0;
      });
      return is(Break::clears_late) ? l_clear : l_tell;
    }
    case l_clear:
      under_mutex([] { machine.state.notice_set = 0; });
      return l_tell;
    case l_tell:
      if (has_posted()) ring_exec();
      return l_wait;
    default:
      return finished;
  }
}

/// ClientCore::begin() and AsyncCall: a client with two calls in flight, which end in any order.
inline Stage run_async_client(int thread, Stage stage, Locals& local) {
  const std::size_t pocket = local[a_pocket];
  Slot& slot = slots[stage == a_claim || stage == a_post ? local[a_index] : local[a_slot + pocket] - 1];
  const Value sequence = local[a_sequence + pocket];
  const auto id_of_call = [&](Value call) { return static_cast<Value>(1 + thread * plan.calls + call); };
  const Value id = id_of_call(local[a_call + pocket]);
  switch (stage) {
    case a_begin: {
      local[a_index] = local[a_concluded] = 0;
      const int used = (local[a_slot] != 0) + (local[a_slot + 1] != 0);
      if (local[a_posted] < plan.calls && used < plan.in_flight && (used == 0 || machine.choose())) {
        local[a_pocket] = local[a_slot] != 0;
        return a_claim;
      }
      return used > 0 ? a_pick : finished;
    }
    case a_claim: {
      const detail::Claim outcome = claim(slot, me_of(thread));
      if (outcome == detail::Claim::claimed) return a_post;
      if (outcome == detail::Claim::given_back) tell_slot_freed();
      local[a_index] = static_cast<Value>((local[a_index] + 1) % plan.slots);
      return a_claim;
    }
    case a_post: {
      raise_high_water(local[a_index]);
      slot.bytes.store(id_of_call(local[a_posted]), std::memory_order_relaxed);
      if (!is(Break::no_places)) detail::put_in_order(slot, {1, local[a_posted] + 1u});
      local[a_sequence + pocket] = static_cast<Value>(detail::post(slot));
      local[a_slot + pocket] = static_cast<Value>(local[a_index] + 1);
      local[a_call + pocket] = local[a_posted]++;
      ring_exec();
      if (plan.has_stopper && service_word.load(std::memory_order_seq_cst) != service_open) return a_stopped;
      return a_begin;
    }
    case a_stopped:  // Call::is_withdrawn_at_stop()
      if (detail::load_taken(slot).is(Phase::taken, sequence)) return a_begin;
      switch (detail::withdraw_unless_taken(slot, sequence)) {
        case detail::StopOutcome::withdrawn:
          disowns(id);
          return a_release;
        case detail::StopOutcome::served:
          return a_begin;
        case detail::StopOutcome::again:
          return a_stopped;
      }
      return finished;
    case a_pick:
      if (local[a_slot] != 0 && local[a_slot + 1] != 0)
        local[a_pocket] = machine.choose();
      else
        local[a_pocket] = local[a_slot] == 0;
      return a_look;
    case a_look: {
      if (detail::load_reply(slot).concludes(sequence)) return a_read;
      if (passed()) return a_give_up;
      const detail::State reply = detail::announce_waiter(slot, sequence);
      if (reply.concludes(sequence)) return a_read;
      machine.wait(static_cast<Value>(done_signals + local[a_slot + pocket] - 1),
                   static_cast<Value>(slot_cells + slot_width * (local[a_slot + pocket] - 1) + 2),
                   static_cast<Value>(reply.word()));
      return a_look;
    }
    case a_give_up:
      switch (detail::withdraw(slot, sequence)) {
        case detail::Withdrawal::answered:
          return a_read;
        case detail::Withdrawal::withdrawn:
          disowns(id);
          break;
        case detail::Withdrawal::abandoned:
          break;
      }
      return a_release;
    case a_read:
      local[a_concluded] = 1;
      if (detail::load_reply(slot).phase() == Phase::refused)
        was_refused(id);
      else
        answered(id, static_cast<Value>(slot.bytes.load(std::memory_order_relaxed)));
      return a_release;
    case a_release:
      if (local[a_concluded]) detail::leave_settled(slot, sequence);
      detail::release(slot);
      tell_slot_freed();
      local[a_slot + pocket] = local[a_sequence + pocket] = local[a_call + pocket] = 0;
      return a_begin;
    default:
      return finished;
  }
}

inline Stage run_stage(int thread, Stage stage, Locals& local) {
  if (stage >= a_begin) return run_async_client(thread, stage, local);
  if (stage >= n_look) return run_loop(stage, local);
  return stage < w_begin ? run_client(thread, stage, local) : run_worker(thread, stage, local);
}

}  // namespace explorer
