// Waking only a thread that sleeps, and never losing a wake-up: an eventcount (Vyukov's, as in Eigen and folly) between
// processes. prepareWait is Sleeper (S1, S2), commitWait is Doorbell::wait (S4), notify is ring_sleeper (R2, R3).
//
// Two threads share only memory. One publishes work and wakes the other if it sleeps; the other looks for work and
// sleeps if there is none.
//
//     sleeper                              ringer
//     S1  announce: I may sleep            R1  publish the work
//     S2  ticket = sequence                R2  does anyone announce?
//     S3  look again for work              R3  if so: ++sequence, and wake
//     S4  sleep while sequence == ticket
//
// The interleaving to forbid: S3 misses the work and R2 misses the announcement. S1, S3, R1 and R2 are sequentially
// consistent, so they have one total order in which R1 precedes R2 and S1 precedes S3. If R2 precedes S1, then R1
// precedes S3, and the sleeper finds the work. If S1 precedes R2, the ringer sees the announcement and reaches R3. Its
// increment then comes before S2, and again R1 precedes S3 and the work is found; or after S2, and the kernel refuses
// to sleep at S4 (Linux: the word differs from the ticket) or keeps the wake-up for the sleeper (Win32: an auto-reset
// event stays set until one wait consumes it). Weaker orderings would let the store of S1 or R1 pass the load that
// follows it (a store buffer does just that), and the explorer in tests/ shows the sleep that then never ends.
//
// S3 reads several words. The state words (request, reply, service) and a slot lock's `busy` are loaded sequentially
// consistent. The owner words of S3 are loaded relaxed and high_water with acquire: the fence after S1 carries the
// argument for them, and a clean-up must not remove it. (A client looks at high_water sequentially consistent before it
// posts: what it then leaves as it is must precede the fence.) The explorer's stale reads find each of these weakened.
//
// Exec's sleepers are the server's workers. They live and die together, and the word dies with their generation, so
// they may be counted. A sleeper on slot-freed may die alone, and a count would stay wrong indefinitely. Its
// announcement is therefore a flag that the ringer takes down and that a live sleeper sets anew before each sleep: a
// dead one's costs one spurious wake-up. Two ringers may meet one flag: the first takes it down, and the second then
// wakes nobody. The sleeper may have lost the first one's slot to another caller, and go to sleep. So on slot-freed the
// ticket comes first (S2, S1, S3): a ringer that takes the flag down after S1 increments after S2, and S4 refuses to
// sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The fence between S1 and S3, of the words' own kind: words that are a model's have a fence of the model's.
template <class Word>
void full_fence(const Word&) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

/// A worker's announcement, from S1 until it goes out of scope. There are `most` workers at most. A higher count was
/// damaged or has wrapped below zero, and becomes `most`. Too high a count costs spurious rings; no wake-up is lost.
template <class Words>
class Sleeper {
 public:
  Sleeper(Words& words, std::uint32_t most) noexcept : words_(words) {
    const bool damaged = words_.sleepers.fetch_add(1, std::memory_order_seq_cst) >= most;  // S1
    if (damaged) words_.sleepers.store(most, std::memory_order_seq_cst);
    full_fence(words_.sleepers);                                // before S3
    ticket_ = words_.sequence.load(std::memory_order_seq_cst);  // S2
    SHARED_CHANNEL_TEST_POINT(server_announced_sleep);
  }
  ~Sleeper() { words_.sleepers.fetch_sub(1, std::memory_order_relaxed); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  /// What to sleep on (S4), once S3 found nothing.
  [[nodiscard]] std::uint32_t ticket() const noexcept { return ticket_; }

 private:
  Words& words_;
  std::uint32_t ticket_;
};

/// R2 and R3, after the caller's sequentially consistent R1: true if the caller must now wake one sleeper.
template <class Words>
bool must_ring(Words& words) noexcept {
  if (words.sleepers.load(std::memory_order_seq_cst) == 0) return false;  // R2
  words.sequence.fetch_add(1, std::memory_order_seq_cst);                 // R3
  return true;
}

/// The words of an eventcount, and the Signal that wakes its sleepers. Thread-safe.
template <class Words, class Signal>
class Doorbell {
 public:
  Doorbell(Words& words, Signal signal) noexcept : words_(&words), signal_(std::move(signal)) {}

  [[nodiscard]] Words& words() const noexcept { return *words_; }

  /// R2 and R3: wakes a sleeper if there is one. Whether there was.
  bool ring_sleeper() noexcept {
    if (!must_ring(*words_)) [[likely]]
      return false;
    SHARED_CHANNEL_TEST_POINT(client_rings);
    signal_.ring();
    return true;
  }

  /// R3 for one sleeper, announced or not: even damaged words must not keep it asleep.
  void ring_anyway() noexcept {
    words_->sequence.fetch_add(1, std::memory_order_seq_cst);
    signal_.ring();
  }
  /// The same for all of them, as far as the system wakes more than one at once: a woken sleeper rings for the next.
  void ring_all() noexcept {
    words_->sequence.fetch_add(1, std::memory_order_seq_cst);
    signal_.ring_all();
  }

  /// S4: sleeps while the ticket is current. Further arguments are the Signal's.
  template <class Deadline, class... Watch>
  auto wait(std::uint32_t ticket, Deadline& deadline, const Watch&... watch) noexcept {
    return signal_.wait(ticket, deadline, watch...);
  }

 private:
  Words* words_;
  Signal signal_;
};

/// S2 and S1 for the one caller that waits for a slot; answers with the ticket.
template <class Words>
std::uint32_t announce_slot_wait(Words& words) noexcept {
  const std::uint32_t ticket = words.sequence.load(std::memory_order_seq_cst);  // S2
  words.announced.store(1, std::memory_order_seq_cst);                          // S1
  full_fence(words.announced);                                                  // before S3
  SHARED_CHANNEL_TEST_POINT(client_announced_slot_wait);
  return ticket;
}

/// R2 and R3 after a slot was freed: true if the caller that waits for one must now be woken.
template <class Words>
bool must_tell_slot_freed(Words& words) noexcept {
  if (words.announced.load(std::memory_order_seq_cst) == 0) return false;         // R2
  if (words.announced.exchange(0, std::memory_order_seq_cst) == 0) return false;  // another ringer was faster
  SHARED_CHANNEL_TEST_POINT(telling_slot_freed);
  words.sequence.fetch_add(1, std::memory_order_seq_cst);  // R3
  return true;
}

/// The same for the caller that waits for a slot.
template <class Words, class Signal>
class SlotFreedBell {
 public:
  SlotFreedBell(Words& words, Signal signal) noexcept : words_(&words), signal_(std::move(signal)) {}

  [[nodiscard]] Words& words() const noexcept { return *words_; }

  void ring_if_awaited() noexcept {
    if (must_tell_slot_freed(*words_)) [[unlikely]]
      signal_.ring();
  }
  /// S4 is a wait for it while the ticket is current.
  [[nodiscard]] Signal& signal() noexcept { return signal_; }

 private:
  Words* words_;
  Signal signal_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
