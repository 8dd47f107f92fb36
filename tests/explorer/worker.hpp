// A worker, the stopper and the responder: server/slots.hpp, server/finder.hpp and what server/core.hpp does at a stop.
#pragma once

#include <new>
#include <utility>

#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "stages.hpp"

namespace explorer {

/// ServerSlots::first_of_thread()
inline int first_of_thread(int at) {
  const detail::Before before = detail::before_in(slots[at]);
  if (!before.may_follow_others()) return at;
  if (before.is_known() &&
      (is(Break::trusts_the_call_before) ||
       with_lock(static_cast<int>(before.index()), [&](auto& lock) { return detail::was_concluded(lock, before); })))
    return at;
  detail::Place place = detail::place_in(slots[at]);
  int first = at;
  const int used = static_cast<int>(high_water_word.load(std::memory_order_acquire));
  for (int other = 0; other < used; ++other) {
    if (other != first &&
        with_lock(other, [&](auto& lock) { return detail::goes_before(slots[other], lock, slots[first], place); }))
      first = other;
  }
  return first;
}

/// Which lock a worker has when a look at a slot begins: none; that of w_index, whose call it let go of; or that of
/// w_index, to take the first call of a thread.
enum Held : Value { unlocked, let_go, ordered };

/// ServerSlots::lock_and_repair()
template <class SlotLock>
bool lock_and_repair(Slot& slot, SlotLock& lock, detail::State seen) {
  const auto looks_damaged = [&] {
    return detail::looks_executing(slot, seen) || detail::has_lost_reply(slot, lock, seen);
  };
  if (!looks_damaged() || is(Break::no_slot_lock) || !lock.try_lock()) return false;
  if (looks_damaged()) machine.fail("a slot looks damaged though all peers are correct");
  return true;
}

/// ServerSlots::examine() and take_first(). Taken: the worker has the call, and the lock. Again: it has the lock of
/// w_index, and examines that.
enum class Examined { nothing, taken, again };
inline Examined examine(int at, Locals& local, bool in_order) {
  const bool compares = in_order && plan.in_flight > 0 && !is(Break::no_order);
  return with_lock(at, [&](auto& lock) {
    Slot& slot = slots[at];
    const Value held = local[w_held];
    const auto goes_to = [&](int next) {
      lock.unlock();
      local[w_held] = unlocked;
      if (!is(Break::no_fence_before_earlier)) machine.fence();
      if (!with_lock(next, [](auto& other) { return other.try_lock(); })) return Examined::nothing;
      local[w_index] = static_cast<Value>(next);
      local[w_held] = ordered;
      return Examined::again;
    };
    const auto tell_if_let_go = [&] {
      if (held == let_go && !is(Break::no_slot_freed_told)) tell_slot_freed();
    };
    const auto leaves = [&] {
      tell_if_let_go();
      lock.unlock();
      local[w_held] = unlocked;
      return Examined::nothing;
    };
    const auto waits = [&](detail::State request) {
      return is(Break::no_conclusion) ? request.phase() == Phase::posted : detail::is_waiting(lock, request);
    };
    const int early = compares && is(Break::early_comparison) && held == unlocked ? first_of_thread(at) : at;
    detail::State seen(0);
    if (held == unlocked) {
      seen = detail::load_request(slot);
      if (!waits(seen)) {
        if (!lock_and_repair(slot, lock, seen)) return Examined::nothing;
        if (is(Break::no_look_after_repair)) return leaves();
      } else if (!is(Break::no_slot_lock) && !lock.try_lock()) {
        return Examined::nothing;
      }
    }
    const bool is_late = is(Break::stale_look) && held == unlocked;
    detail::State request = is_late ? seen : detail::load_request(slot);
    const auto is_refusing = [&] { return refusing_word.load(std::memory_order_seq_cst) != 0; };
    const bool looks = in_order && plan.has_stopper && !is(Break::executes_while_refusing);
    const bool was_refusing = looks && is(Break::refusal_before_order) && is_refusing();
    bool is_ordered = held == ordered;
    if (compares && !is_ordered && detail::before_in(slot).is_in_flight()) {
      tell_if_let_go();
      is_ordered = true;
      local[w_held] = ordered;
      if (held == let_go) return Examined::again;
      if (!is_late) request = detail::load_request(slot);
    }
    if (is_ordered) {
      const int next = is(Break::early_comparison) ? early : first_of_thread(at);
      if (next != at) return goes_to(next);
    }
    if (looks && (is(Break::refusal_before_order) ? was_refusing : is_refusing())) return leaves();
    const std::uint32_t call = request.sequence();
    detail::Take outcome{};
    if (is(Break::no_second_look) || is(Break::no_conclusion) || is(Break::keeps_taken)) {
      outcome = waits(request) ? detail::Take::taken : detail::Take::nothing;
      if (outcome == detail::Take::taken)
        slot.taken.store(detail::State(call, Phase::taken).word(), std::memory_order_seq_cst);
      if (is(Break::keeps_taken) && !detail::load_request(slot).is(Phase::posted, call))
        outcome = detail::Take::nothing;
    } else {
      outcome = detail::take(slot, lock, request);
    }
    local[w_sequence] = static_cast<Value>(call);
    if (outcome == detail::Take::taken) {
      local[w_held] = unlocked;
      return Examined::taken;
    }
    if (outcome == detail::Take::let_go) {
      if ((is_ordered || is(Break::no_look_after_let_go)) && !is(Break::no_slot_freed_told)) tell_slot_freed();
      if (!is(Break::no_look_after_let_go)) {
        local[w_held] = is_ordered ? ordered : let_go;
        return Examined::again;
      }
    } else if (is_ordered && at != local[w_scan] && !is(Break::no_way_back)) {
      return goes_to(local[w_scan]);
    }
    return leaves();
  });
}

inline void conclude(Locals& local, Phase answer) {
  const int at = local[w_index];
  with_lock(at, [&](auto& lock) {
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

inline Stage run_worker(int thread, Stage stage, Locals& local) {
  switch (stage) {
    case w_begin:  // Finder::next()
      local[w_announced] = local[w_ticket] = local[w_found] = local[w_looked] = local[w_sequence] = 0;
      if (is_stopping()) return r_begin;
      return plan.looks_first ? w_high_water : w_not_found;
    case w_high_water: {
      const std::uint32_t used = high_water_word.load(std::memory_order_acquire);
      const std::uint32_t bound = is(Break::second_high_water) ? high_water_word.load(std::memory_order_acquire) : used;
      local[w_count] = static_cast<Value>(used);
      local[w_looked] = 0;
      local[w_index] = local[w_scan] = local[w_cursor] < bound ? local[w_cursor] : Value{0};
      if (is(Break::last_look_by_guess) && local[w_announced] && used != 0)
        local[w_looked] = static_cast<Value>(used - 1);
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
          detail::Sleeper<DoorbellWords>(exec_bell, static_cast<std::uint32_t>(plan.workers + (plan.has_loop ? 1 : 0)));
      local[w_ticket] = static_cast<Value>(sleeper()->ticket());
      local[w_announced] = 1;
      return w_high_water;
    case w_sleep:
      if (is_stopping()) return w_unannounce;
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
          posted = with_lock(at, [&](auto& lock) {
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
        if (machine.state.deferred != 0) machine.block();
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
      if (thread != foreign_loop() && !plan.serves_one) return w_begin;
      if (!plan.has_loop) return w_leave;
      if (!is(Break::no_serve_one_fence)) machine.fence();
      return l_tell;
    case w_leave:  // ServerCore::serve_one()
      if (!is(Break::no_serve_one_fence)) machine.fence();
      if (is_stopping()) return r_begin;
      return thread == foreign_loop() ? l_wait : finished;

    case s_begin:  // ServerCore::stop()
      if (is(Break::stops_before_it_closes)) stopping_word.store(1, std::memory_order_seq_cst);
      service_word.store(service_stopped, std::memory_order_seq_cst);
      if (!is(Break::stops_before_it_closes)) stopping_word.store(1, std::memory_order_seq_cst);
      machine.fence();
      return r_begin;

    case d_begin: {  // Dispatcher::conclude(), called by a Responder
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
      return is_stopping() && !is(Break::no_refusal_by_responder) ? r_begin : d_look;
    case d_look:
      if (with_lock(local[w_index],
                    [&](auto& lock) { return detail::is_waiting(lock, detail::load_request(slots[local[w_index]])); }))
        ring_exec();
      local[w_index] = 0;
      return d_begin;

    case r_begin:  // ServerSlots::refuse_all()
      refusing_word.store(1, std::memory_order_seq_cst);
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
      if (thread == responder()) return d_begin;
      if (thread == loop_notice()) return n_set;
      if (thread != stopper() && (thread == foreign_loop() || plan.serves_one)) return finished;
      if (!is(Break::no_ring_at_stop)) {
        exec_bell.sequence.fetch_add(1, std::memory_order_seq_cst);
        machine.ring_all(exec_signal);
      }
      return thread == stopper() ? s_end : finished;
    case s_end:
      if (!is(Break::no_slot_freed_at_stop)) tell_slot_freed();
      return finished;
    default:
      return finished;
  }
}

}  // namespace explorer
