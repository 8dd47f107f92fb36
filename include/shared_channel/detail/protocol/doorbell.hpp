// Waking only those who sleep, and never losing a wake-up.
//
// Two threads that share only memory: one publishes work and wakes the other if it sleeps; the other
// looks for work and sleeps if there is none.
//
//     sleeper                              ringer
//     S1  announce: I may sleep            R1  publish the work
//     S2  ticket = sequence                R2  does anyone announce?
//     S3  look again for work              R3  if so: ++sequence, and wake
//     S4  sleep while sequence == ticket
//
// The interleaving to forbid: S3 misses the work and R2 misses the announcement. S1, S3, R1 and R2 are
// sequentially consistent, so they have one total order in which R1 precedes R2 and S1 precedes S3. If R2
// precedes S1, then R1 precedes S3, and the sleeper finds the work. If S1 precedes R2, the ringer sees the
// announcement and reaches R3. Its increment then comes before S2, and again R1 precedes S3 and the work is found;
// or after S2, and the kernel refuses to sleep at S4 (Linux: the word differs from the ticket) or the
// wake-up is kept for the sleeper (Win32: an auto-reset event stays set until one wait consumes it).
// Weaker orderings would let the store of S1 or R1 pass the load that follows it (a store buffer does
// just that), and the explorer in tests/ shows the sleep that then never ends.
//
// Looking for work (S3) means loads that are sequentially consistent as well. On the processors of today
// an ordinary load of a slot's state after a full fence is enough, and that is what the fence in
// `announce` is for.
//
// Sleepers of `DoorbellWords` are the server's workers: they live and die together, and the word dies with their
// generation, so they may be counted. Whoever sleeps on `Turn` may die alone; a count would stay
// wrong for ever. Its announcement is therefore a flag that the ringer takes down and that a live
// sleeper sets anew before each sleep: a dead one's costs one needless wake-up. Because a ringer takes it down, a
// second ringer may find none although the sleeper, beaten to the first one's slot, sleeps after all. So on `Turn` the
// ticket comes first (S2, S1, S3): whoever takes the flag down after S1 increments after S2, and S4 refuses to sleep.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// A worker's announcement, from S1 until it goes out of scope. There are `most` workers at most: a higher count has
/// been damaged, or lowered below zero after damage. From then on it is too high, which costs needless rings and no
/// sleep.
template <class DoorbellWords>
class Sleeper {
 public:
  Sleeper(DoorbellWords& bell, std::uint32_t most) noexcept : bell_(bell) {
    const bool damaged = bell_.sleepers.fetch_add(1, std::memory_order_seq_cst) >= most;  // S1
    if (damaged) bell_.sleepers.store(most, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);       // before S3
    ticket_ = bell_.sequence.load(std::memory_order_seq_cst);  // S2
    SHARED_CHANNEL_TEST_POINT(server_announced_sleep);
  }
  ~Sleeper() { bell_.sleepers.fetch_sub(1, std::memory_order_relaxed); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  /// What to sleep on (S4), once S3 found nothing.
  [[nodiscard]] std::uint32_t ticket() const noexcept { return ticket_; }

 private:
  DoorbellWords& bell_;
  std::uint32_t ticket_;
};

/// R2 and R3, after the caller's sequentially consistent R1: true if the caller must now wake one sleeper.
template <class DoorbellWords>
bool must_ring(DoorbellWords& bell) noexcept {
  if (bell.sleepers.load(std::memory_order_seq_cst) == 0) return false;  // R2
  bell.sequence.fetch_add(1, std::memory_order_seq_cst);                 // R3
  return true;
}

/// R3 whether anybody announces or not, where a sleeper must wake even if somebody has damaged the bell's words.
template <class DoorbellWords, class Signal>
void ring(DoorbellWords& bell, Signal& signal) noexcept {
  bell.sequence.fetch_add(1, std::memory_order_seq_cst);
  signal.ring();
}

/// S2 and S1 for the one caller at the head of the line; answers with the ticket.
template <class SlotFreed>
std::uint32_t announce_slot_wait(SlotFreed& slot_freed) noexcept {
  const std::uint32_t ticket = slot_freed.sequence.load(std::memory_order_seq_cst);  // S2
  slot_freed.announced.store(1, std::memory_order_seq_cst);                          // S1
  std::atomic_thread_fence(std::memory_order_seq_cst);                               // before S3
  SHARED_CHANNEL_TEST_POINT(client_announced_slot_wait);
  return ticket;
}

/// R2 and R3 for whoever freed a slot: true if the caller must now wake the head of the line.
template <class SlotFreed>
bool must_tell_slot_freed(SlotFreed& slot_freed) noexcept {
  if (slot_freed.announced.load(std::memory_order_seq_cst) == 0) return false;         // R2
  if (slot_freed.announced.exchange(0, std::memory_order_seq_cst) == 0) return false;  // another ringer was faster
  SHARED_CHANNEL_TEST_POINT(telling_slot_freed);
  slot_freed.sequence.fetch_add(1, std::memory_order_seq_cst);  // R3
  return true;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
