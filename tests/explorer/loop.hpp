// A loop of the program's own, and the thread that tells it of calls: server/loop_notice.hpp.
#pragma once

#include <new>

#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "worker.hpp"

namespace explorer {

/// ServerSlots::has_posted()
inline bool has_posted() {
  const std::uint32_t high = high_water_word.load(std::memory_order_acquire);
  for (int at = 0; at < static_cast<int>(high); ++at) {
    const bool posted = with_lock(
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
    case n_look:  // Finder::is_worth_a_look()
      local[w_index] = 0;
      if (is(Break::notice_ignores_stop) || !is_stopping()) return n_repair;
      local[w_found] = 1;
      return local[w_announced] ? n_unannounce : n_fire;
    case n_repair: {
      const int at = local[w_index];
      const std::uint32_t high = high_water_word.load(std::memory_order_acquire);
      if (at >= static_cast<int>(high)) {
        local[w_index] = 0;
        return n_posted;
      }
      with_lock(at, [&](auto& lock) {
        if (lock_and_repair(slots[at], lock, detail::load_request(slots[at]))) lock.unlock();
      });
      ++local[w_index];
      return n_repair;
    }
    case n_posted:
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
      machine.fence();
      return is_stopping() ? r_begin : n_set;
    case n_set:
      ring_exec();
      under_mutex([] { machine.state.notice_set = machine.state.notice_fired = 1; });
      return n_fired;
    case n_fired:
      under_mutex([] {
        if (machine.state.notice_fired) machine.block();
      });
      return n_look;
    case l_wait:  // one thread at a time is in serve_one()
      machine.step([&]() -> Value {
        if (!machine.state.notice_set) machine.block();
        for (int worker = plan.clients; worker < plan.clients + plan.workers; ++worker)
          if (machine.state.thread[static_cast<std::size_t>(worker)].stage != finished) machine.block();
        return 0;
      });
      return w_begin;
    case l_rearm: {  // LoopNotice::rearm()
      if (!is(Break::no_serve_one_fence)) machine.fence();
      under_mutex([] {
        if (!machine.state.notice_fired) return;
        if (plan.has_stopper && machine.load(stopping, std::memory_order_seq_cst) != 0) return;
        if (!is(Break::clears_late)) machine.state.notice_set = 0;
        machine.state.notice_fired = 0;
      });
      return is(Break::clears_late) ? l_clear : l_tell;
    }
    case l_clear:
      under_mutex([] { machine.state.notice_set = 0; });
      return l_tell;
    case l_tell:
      if (is_stopping() || has_posted()) ring_exec();
      return w_leave;
    default:
      return finished;
  }
}

}  // namespace explorer
