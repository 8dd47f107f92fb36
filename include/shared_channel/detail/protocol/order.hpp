// The order of one thread's calls: a worker takes them as they were posted, whichever slots they lie in.
//
// A call that was posted while others of its thread might be in flight has a place: which of the owner's threads asks,
// and a number that grows from call to call of that thread. A call that is alone has none, and nothing is compared for
// it. The place is one word beside `request`, so that to compare it moves no cache line. `owner` lies on another line,
// which the caller writes before and after each call, so it is looked at only where a call is in fact to wait.
//
// The word is the owner's: written before P1 and left alone until the call was answered or given up.
//
//     thread that posts X, then Y          worker that found Y and holds its slot's lock
//     P1  of X                             O1  read Y's place
//     P1  of Y                             O2  in any other slot: a call X of the same owner and thread, with a
//                                              lower number, that waits and is not taken?
//                                                yes: unlock Y's slot, and go for X in the same way
//                                                no:  T1 of Y
//
// Why T1 of X precedes T1 of Y. The worker saw Y posted, so P1 of X happens before O2, and so does X's raise of the
// high-water mark. From then on X's words say that it waits until it is taken or given up: its place is not rewritten
// before. So if O2 finds no X, T1 of X has been made, or X will never run. (A call withdrawn at a stop may be posted
// again, by the same post(): the thread has posted nothing after it.) Nothing that goes before Y can appear later: it
// would have been posted before Y. If O2 takes something for X that is not, because its slot's words were changing, the
// worker sees that under that slot's lock, where it begins anew.
//
// Why nobody waits for ever. A worker that turned away from Y went for X, and failed only because
//   - another worker took X. That one has made T1 of X and then looks whether somebody sleeps while calls wait (R2, in
//     Dispatcher::pass_ring_on()). If it sees nobody, S1 of the worker that turned away comes after T1 of X, and its
//     last look S3 finds X taken and Y free.
//   - another worker has the lock of X, to look or to finish the call before. Workers look at every slot again before
//     they sleep, and a responder's thread looks at that slot and rings.
// If X was given up, the worker finds that under the lock of X and goes back to Y.
//
// What a damaged word can do. Only calls of one owner are ever compared, and a worker follows a bounded number of
// places: false ones cost their owner its order, and the server a few looks.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Where a call stands among those of its thread; 0: it is alone. Two threads may have the same number, and then one
/// order between them.
class Place {
 public:
  static constexpr unsigned number_bits = 26;
  static constexpr std::uint32_t most_threads = (std::uint32_t{1} << (32 - number_bits)) - 1;

  constexpr Place() = default;
  constexpr explicit Place(std::uint32_t word) noexcept : word_(word) {}
  /// `thread`: 1 to most_threads. `number` grows, and may wrap around.
  constexpr Place(std::uint32_t thread, std::uint32_t number) noexcept
      : word_(thread << number_bits | (number & number_mask)) {}

  [[nodiscard]] constexpr std::uint32_t word() const noexcept { return word_; }
  [[nodiscard]] constexpr bool is_alone() const noexcept { return word_ >> number_bits == 0; }
  [[nodiscard]] constexpr bool is_of_thread_of(Place other) const noexcept {
    return word_ >> number_bits == other.word_ >> number_bits;
  }
  /// For places of one thread. A call waits while its thread posts fewer than half as many as there are numbers.
  [[nodiscard]] constexpr bool precedes(Place other) const noexcept {
    return ((word_ - other.word_) & number_mask) > number_mask / 2;
  }

 private:
  static constexpr std::uint32_t number_mask = (std::uint32_t{1} << number_bits) - 1;

  std::uint32_t word_ = 0;
};

/// The owner's, before post().
template <class Slot>
void put_in_order(Slot& slot, Place place) noexcept {
  slot.place.store(place.word(), std::memory_order_relaxed);
}

/// O1. Relaxed, like the reads below: P1 has released what is read.
template <class Slot>
Place place_in(const Slot& slot) noexcept {
  return Place(slot.place.load(std::memory_order_relaxed));
}

/// Whether the call in this slot has a place.
template <class Slot>
bool is_in_order(const Slot& slot) noexcept {
  return !place_in(slot).is_alone();
}

/// O2 for one other slot: whether a call waits there that goes before the one in `slot`, of which `mine` is the place.
/// If so, `mine` becomes that one's place.
template <class Slot, class SlotLock>
bool goes_before(const Slot& other, const SlotLock& lock, const Slot& slot, Place& mine) noexcept {
  const State request = load_request(other);
  if (!is_waiting(lock, request)) return false;
  const Place its = place_in(other);
  if (!its.is_of_thread_of(mine) || !its.precedes(mine)) return false;
  if (other.owner.load(std::memory_order_relaxed) != slot.owner.load(std::memory_order_relaxed)) return false;
  if (load_taken(other).is(Phase::taken, request.sequence())) return false;
  mine = its;
  return true;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
