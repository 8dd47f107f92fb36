// The shared memory as the machine has it, and the library's own types over it.
#pragma once

#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "plan.hpp"

namespace explorer {

namespace detail = shared_channel::detail;
using detail::Phase;

inline constexpr int max_slots = 3;
inline constexpr int slot_width = 8;
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
  slot_cells,  // owner, request, reply, taken, bytes, last, place, before of slot 0, then of the others
  lock_cells = slot_cells + slot_width * max_slots,  // busy, concluded
  end_of_cells = lock_cells + 2 * max_slots
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
        place(slot_cells + slot_width * index + 6),
        before(slot_cells + slot_width * index + 7) {}
  Word owner, request, reply, taken;
  Word bytes;  // the message: request and reply lie in the same place, as inline ones do
  Word last;
  PlaceWord place;
  BeforeWord before;
};
struct DoorbellWords {
  Word sequence{exec_sequence}, sleepers{exec_sleepers};
};
struct SlotFreed {
  Word announced{slot_wait_announced}, sequence{slot_freed_sequence};
};
template <int Index>
struct Busy : Word {
  explicit Busy(int) : Word(lock_cells + 2 * Index) {}
};
template <int Index>
struct Concluded : Word {
  explicit Concluded(int) : Word(lock_cells + 2 * Index + 1) {}
};
inline Slot slots[max_slots]{Slot(0), Slot(1), Slot(2)};
inline DoorbellWords exec_bell;
inline SlotFreed slot_freed;
inline detail::BasicSlotLock<Busy<0>, Concluded<0>> lock0;
inline detail::BasicSlotLock<Busy<1>, Concluded<1>> lock1;
inline detail::BasicSlotLock<Busy<2>, Concluded<2>> lock2;
inline Word service_word{service}, stopping_word{stopping}, high_water_word{high_water}, refusing_word{refusing},
    starving_word{starving};

template <class Body>
auto with_lock(int index, Body body) {
  return index == 0 ? body(lock0) : index == 1 ? body(lock1) : body(lock2);
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
  return cell >= lock_cells && plan.workers == 1 && !plan.has_stopper && !plan.defers && !plan.has_loop;
}

/// The number of a word among those that this plan uses.
inline int stale_word(Value cell) {
  const int end_of_slots = slot_cells + slot_width * plan.slots;
  return cell < lock_cells ? cell : end_of_slots + cell - lock_cells;
}
inline int stale_words() { return slot_cells + (slot_width + 2) * plan.slots; }

inline std::memory_order order_of_load(Value cell, std::memory_order order) {
  const bool is_busy = cell >= lock_cells && (cell - lock_cells) % 2 == 0;
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
  if (cell < slot_cells || cell >= lock_cells) return false;
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

}  // namespace explorer
