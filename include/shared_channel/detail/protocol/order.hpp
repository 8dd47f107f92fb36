// The order of one thread's calls: a worker takes them as they were posted, whichever slots they lie in.
//
// A call that was posted while others of its thread might be in flight has a place. Its `stream` tells the thread from
// its client's other threads, and its `order` is a number that grows from call to call of a stream. A call that is
// alone has stream 0, and nothing is compared for it. `stream` lies beside `request`, so that the look at it moves no
// cache line; `order` and `owner` are looked at only for calls with a place.
//
// Both words are the owner's: written before P1 and left alone until the call was answered or given up.
//
//     thread that posts X, then Y          worker that found Y and holds its slot's lock
//     P1  of X                             O1  read Y's place
//     P1  of Y                             O2  in any other slot: a call X of the same owner and stream, lower in
//                                              order, that waits and is not taken?
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

/// Where a call stands among those of its thread. Stream 0: it is alone.
struct Place {
  std::uint32_t stream = 0;
  std::uint64_t number = 0;  // grows, and may wrap around

  [[nodiscard]] bool precedes(const Place& other) const noexcept {
    return stream == other.stream && static_cast<std::int64_t>(number - other.number) < 0;
  }
};

/// The owner's, before post().
template <class Slot>
void put_in_order(Slot& slot, Place place) noexcept {
  slot.stream.store(place.stream, std::memory_order_relaxed);
  if (place.stream != 0) slot.order.store(place.number, std::memory_order_relaxed);
}

/// Whether the call in this slot has a place. Relaxed, like the reads below: P1 has released what is read.
template <class Slot>
bool is_in_order(const Slot& slot) noexcept {
  return slot.stream.load(std::memory_order_relaxed) != 0;
}

/// The place in a slot, with its owner.
struct OwnedPlace {
  std::uint32_t owner;
  Place place;

  [[nodiscard]] bool is_alone() const noexcept { return place.stream == 0; }

  template <class Slot>
  static OwnedPlace of(const Slot& slot) noexcept {  // O1
    return {slot.owner.load(std::memory_order_relaxed),
            {slot.stream.load(std::memory_order_relaxed), slot.order.load(std::memory_order_relaxed)}};
  }
};

/// O2 for one other slot: whether a call waits there that goes before `mine`. If so, `mine` becomes that one's place.
template <class Slot, class SlotLock>
bool goes_before(const Slot& other, const SlotLock& lock, OwnedPlace& mine) noexcept {
  const State request = load_request(other);
  if (!is_waiting(lock, request)) return false;
  if (other.stream.load(std::memory_order_relaxed) != mine.place.stream) return false;
  const OwnedPlace its = OwnedPlace::of(other);
  if (its.owner != mine.owner || !its.place.precedes(mine.place)) return false;
  if (load_taken(other).is(Phase::taken, request.sequence())) return false;
  mine = its;
  return true;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
