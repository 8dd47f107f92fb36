// What the explorer plays: how many threads of each kind, what may befall them, and what is wrong on purpose.
#pragma once

#include "machine.hpp"

namespace explorer {

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
  no_slot_freed_at_stop,    // stop() does not tell the head of the queue
  gives_back_silently,      // a caller that held a slot for a moment and gave it back tells nobody
  abandons_blindly,         // a caller that gives up says "not executed" though a worker has its call
  keeps_taken,              // a worker leaves the mark on a call that was withdrawn under it
  no_release,               // a caller keeps its slot
  no_refusal_by_responder,  // a responder that unlocks a slot does not look whether the server stops
  no_fence_before_earlier,  // a worker goes from a call to an earlier one without a fence between the locks
  no_look_after_repair,     // a slot that looked damaged is unlocked before a look at its call
  notice_ignores_stop,      // the loop's notice does not look whether the server stops
  no_ring_at_stop,          // stop() wakes no worker
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
  trusts_the_call_before,   // the worker does not ask whether the call before was concluded
  first_while_others_wait,  // the client says of every call that nothing of its thread was in flight
  last_look_by_guess,       // before it sleeps, a worker looks only where it expects the next call
  early_comparison,         // the worker looks for earlier calls before it looks at the call itself
  no_way_back,              // the worker that went for an earlier call, given up meanwhile, forgets the later one
  no_slices,                // a caller in the queue waits for the one before it, whatever that does
  only_head_recovers,       // a caller in the queue takes free slots past a standing head, but none of the dead
  refusal_before_order,     // the look whether calls are being refused comes before O2
  executes_while_refusing,  // a worker does not look whether earlier calls are being refused
  clears_late,              // the loop's object is cleared after its thread was armed
  high_water_is_acquire,    // the look at the high-water mark before a post
  busy_is_acquire,          // the look whether a slot is locked
  no_sleeper_fence,         // between a worker's announcement and its last look
  no_slot_wait_fence,       // likewise of the head of the queue
  no_responder_fence,       // between the slot's unlocking and the look at its next call
  no_serve_one_fence,       // likewise, before serve_one() looks whether the server stops, or more calls wait
};

struct Plan {
  int clients = 2;
  int calls = 1;      // of each client
  int in_flight = 0;  // the first client has as many calls in flight, if any
  int slots = 1;
  int workers = 1;
  bool has_stopper = false;
  bool defers = false;      // handlers leave their calls to a responder's thread
  bool has_loop = false;    // no workers: a loop of the program's own serves, and LoopNotice tells it when
  bool serves_one = false;  // each worker answers one call, as serve_one() does
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

}  // namespace explorer
