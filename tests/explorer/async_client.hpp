// A client with several calls in flight: client/async_call.hpp.
#pragma once

#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "stages.hpp"

namespace explorer {

/// PostingOrder: what a call says of the one before it.
inline detail::Before before(const Locals& local) {
  const bool is_first = is(Break::first_while_others_wait) || (local[a_slot] == 0 && local[a_slot + 1] == 0);
  if (is_first) return detail::Before::first();
  if (local[a_latest] == 0) return detail::Before::unknown();
  return detail::Before((local[a_latest] >> 8) - 1u, local[a_latest] & 0xFFu);
}
inline void was_posted(Locals& local, detail::Posted call) {
  local[a_latest] = call.follows_concluded ? static_cast<Value>((local[a_index] + 1u) << 8 | call.sequence) : Value{0};
}

/// ClientCore::begin() and AsyncCall: a client with two calls in flight, which end in any order.
inline Stage run_async_client(int thread, Stage stage, Locals& local) {
  const std::size_t pocket = local[a_pocket];
  Slot& slot =
      slots[stage == a_claim || stage == a_recover || stage == a_post ? local[a_index] : local[a_slot + pocket] - 1];
  const Value sequence = local[a_sequence + pocket];
  const auto id_of_call = [&](Value call) { return static_cast<Value>(1 + thread * plan.calls + call); };
  const Value id = id_of_call(local[a_call + pocket]);
  const auto given_up = [&](detail::Withdrawal outcome) {
    if (outcome == detail::Withdrawal::answered) return a_read;
    if (outcome == detail::Withdrawal::abandoned) return a_look_again;
    if (!server_ended()) ring_exec_anyway();
    disowns(id);
    return a_release;
  };
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
      is_made(id_of_call(local[a_posted]));
      const detail::Claim outcome = claim(slot, me_of(thread));
      if (outcome == detail::Claim::claimed) return a_post;
      if (outcome == detail::Claim::given_back) tell_slot_freed();
      local[a_index] = static_cast<Value>((local[a_index] + 1) % plan.slots);
      return local[a_index] != 0 ? a_claim : a_wait;
    }
    case a_wait: {  // in the queue, which client.hpp has; or for a call of its own
      if (local[a_slot] != 0 || local[a_slot + 1] != 0) return a_pick;
      const Value answer = machine.step([&]() -> Value {
        if (may_find_slot(machine.state)) return go_on;
        if (machine.state.beacon_out) return server_gone;
        machine.block();
      });
      if (answer == go_on) return looks_for_the_dead() ? a_recover : a_claim;
      disowns(id_of_call(local[a_posted]++));
      return a_begin;
    }
    case a_recover: {
      const std::uint32_t owner = slot.owner.load(std::memory_order_relaxed);
      if (owner != 0 && owner != me_of(thread) && is_gone(owner)) {
        const detail::Claim outcome = detail::recover(slot, owner, me_of(thread));
        if (outcome == detail::Claim::claimed) return a_post;
        if (outcome == detail::Claim::given_back) tell_slot_freed();
      }
      local[a_index] = static_cast<Value>((local[a_index] + 1) % plan.slots);
      return local[a_index] != 0 ? a_recover : a_claim;
    }
    case a_post: {
      raise_high_water(local[a_index]);
      slot.bytes.store(id_of_call(local[a_posted]), std::memory_order_relaxed);
      if (!is(Break::no_places)) detail::put_in_order(slot, {{1, local[a_posted] + 1u}, before(local)});
      const detail::Posted posted = detail::post(slot);
      was_posted(local, posted);
      local[a_sequence + pocket] = static_cast<Value>(posted.sequence);
      local[a_slot + pocket] = static_cast<Value>(local[a_index] + 1);
      local[a_call + pocket] = local[a_posted]++;
      ring_exec();
      if (plan.has_stopper && service_word.load(std::memory_order_seq_cst) != service_open) return a_stopped;
      return a_begin;
    }
    case a_stopped:  // Call::withdraw_at_stop()
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
      const Value answer = machine.wait(static_cast<Value>(done_signals + local[a_slot + pocket] - 1),
                                        static_cast<Value>(slot_cells + slot_width * (local[a_slot + pocket] - 1) + 2),
                                        static_cast<Value>(reply.word()));
      return answer == server_gone ? a_give_up : a_look;
    }
    case a_give_up:
      return given_up(detail::withdraw(slot, sequence));
    case a_look_again:
      if (!machine.choose()) {
        if (is_orderly()) machine.fail("a caller was told \"perhaps\" without a death or a deadline");
        return a_release;
      }
      return given_up(detail::look_again(slot, sequence));
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

}  // namespace explorer
