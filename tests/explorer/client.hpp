// A client that makes its calls one after another: client/call.hpp and client/slot_claim.hpp.
#pragma once

#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "stages.hpp"

namespace explorer {

/// Call::claim() and claim_as_head(): after every slot was looked at.
inline Stage next_slot(Locals& local, Stage same, Stage after) {
  local[index] = static_cast<Value>((local[index] + 1) % plan.slots);
  if (++local[tried] < plan.slots) return same;
  local[tried] = 0;
  return after;
}

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
  const auto no_slot = [&] { return local[in_queue] ? c_head_waits : c_no_slot; };
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
      local[tried] = local[in_queue] = local[gave_back] = local[has_slot] = local[failed] = local[ticket] =
          local[sequence] = local[concluded] = 0;
      if (plan.standstills > 0 && starving_word.load(std::memory_order_relaxed) != 0) return c_lock;
      return c_claim;
    case c_claim:
      if (got(claim(slot, me_of(thread)))) return c_hold;
      return next_slot(local, c_claim, local[in_queue] && looks_for_the_dead() ? c_recover : no_slot());
    case c_recover:
      if (recovers()) return c_hold;
      return next_slot(local, c_recover, no_slot());
    case c_no_slot:
      if (local[gave_back] && !is(Break::gives_back_silently)) tell_slot_freed();
      local[gave_back] = 0;
      return c_lock;
    case c_lock: {
      const Value answer = machine.step([&]() -> Value {
        Value& holder = machine.state.mutex_holder;
        if (holder == 0 || !machine.state.thread[static_cast<std::size_t>(holder - 1)].is_alive) {
          holder = me_of(thread);
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
      local[in_queue] = 1;
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
      if ((plan.has_stopper && service_word.load(std::memory_order_seq_cst) != service_open) || server_ended() ||
          passed()) {
        local[failed] = 1;
        disowns(id_of(thread, local));
        return c_leave_queue;
      }
      if (plan.standstills > 0) starving_word.store(1, std::memory_order_relaxed);
      ring_exec();
      machine.wait(slot_freed_signal, slot_freed_sequence, local[ticket]);
      return c_announce;
    case c_hold: {
      local[has_slot] = 1;
      raise_high_water(local[index]);
      if (local[gave_back] && !local[in_queue] && !is(Break::gives_back_silently)) tell_slot_freed();
      local[tried] = local[gave_back] = local[ticket] = 0;
      if (plan.last_stands && thread == plan.clients - 1) {
        machine.self().is_alive = stands_still;
        return finished;
      }
      return local[in_queue] ? c_leave_queue : c_fill;
    }
    case c_leave_queue:
      if (plan.standstills > 0) starving_word.store(0, std::memory_order_relaxed);
      slot_freed.announced.store(0, std::memory_order_relaxed);
      machine.step([&]() -> Value {
        machine.flush(machine.self());
        machine.hand_over(client_mutex);
        if (machine.state.mutex_holder == me_of(thread)) machine.state.mutex_holder = 0;
        return 0;
      });
      return local[failed] ? c_release : c_fill;
    case c_fill:
      is_made(id_of(thread, local));
      slot.bytes.store(id_of(thread, local), std::memory_order_relaxed);
      return c_post;
    case c_post:
      if (is(Break::same_sequence)) {
        local[sequence] = 1;
        slot.request.store(detail::State(1, Phase::posted).word(), std::memory_order_seq_cst);
      } else {
        local[sequence] = static_cast<Value>(detail::post(slot).sequence);
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
    case c_stopped:  // Call::withdraw_at_stop()
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
          if (!server_ended()) ring_exec_anyway();
          return ends(true);
        case detail::Withdrawal::abandoned:
          return is(Break::abandons_blindly) ? ends(true) : c_look_again;
      }
      return finished;
    case c_look_again:  // Call::withdraw_and_look(), as long as it pleases
      if (!machine.choose()) return ends(false);
      switch (detail::look_again(slot, local[sequence])) {
        case detail::Withdrawal::answered:
          return c_read;
        case detail::Withdrawal::withdrawn:
          if (!server_ended()) ring_exec_anyway();
          return ends(true);
        case detail::Withdrawal::abandoned:
          return c_look_again;
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
        if (!is(Break::no_release)) detail::release(slot);
        tell_slot_freed();
      }
      ++local[call_number];
      return c_begin;
    default:
      return finished;
  }
}

}  // namespace explorer
