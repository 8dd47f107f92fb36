// Where the next call of a caller with several in flight is expected.
//
// Such a caller is about to write into the next slots, and has their cache lines. A worker that looks at all slots
// meanwhile takes each of these lines away, and the caller waits until it has them back: that took most of the time of
// a call in flight. So after such a call a worker looks for a while only where the next one came the last time, and at
// the slots of other callers. It is a guess, and costs a call elsewhere at most `most` looks; how many it may cost is
// learnt. No guess is made where calls must not be missed: before it sleeps, or answers that there is none, a worker
// looks at every slot.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What the guess knows of one slot.
struct SlotHistory {
  std::atomic<std::uint32_t> next{0};      // where the call was that was taken after this slot's last
  std::atomic<bool> was_in_flight{false};  // its last call was one of several
};

/// Workers share one, and a lost update only makes a guess worse.
class NextSlot {
 public:
  /// A call was taken from the slot `index`. Its caller waits: what follows from that, learn() finds out.
  void taken(std::uint32_t index, bool is_in_flight) noexcept {
    taken_.store(index << 2 | is_news | (is_in_flight ? 1u : 0u), std::memory_order_relaxed);
  }

  /// For how many looks a worker is to look only where the next call is expected; 0: everywhere.
  template <class Histories>
  std::uint32_t learn(Histories& histories) noexcept {
    const std::uint32_t taken = taken_.load(std::memory_order_relaxed);
    const bool is_in_flight = (taken & 1) != 0;
    if ((taken & is_news) != 0) learn_news(histories, taken >> 2, is_in_flight);
    return is_in_flight ? patience_.load(std::memory_order_relaxed) : 0;
  }

  /// Where that is.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_.load(std::memory_order_relaxed); }

  /// The next call did not come there, but was elsewhere, maybe all the while.
  void was_wrong() noexcept {
    const std::uint32_t patience = patience_.load(std::memory_order_relaxed);
    if (patience > 1) patience_.store(patience / 2, std::memory_order_relaxed);
  }

 private:
  /// Fewer than a brief spin has polls.
  static constexpr std::uint32_t most = 48;
  static constexpr std::uint32_t is_news = 2;

  template <class Histories>
  void learn_news(Histories& histories, std::uint32_t index, bool is_in_flight) noexcept {
    put(taken_, taken_.load(std::memory_order_relaxed) & ~is_news);
    put(histories[last_.load(std::memory_order_relaxed)].next, index);
    put(last_, index);
    put(histories[index].was_in_flight, is_in_flight);
    if (!is_in_flight) return;
    if (index == index_.load(std::memory_order_relaxed)) was_right();
    put(index_, histories[index].next.load(std::memory_order_relaxed));
  }

  void was_right() noexcept {
    const std::uint32_t patience = patience_.load(std::memory_order_relaxed);
    if (patience < most) patience_.store(patience + 1, std::memory_order_relaxed);
  }

  template <class T>
  static void put(std::atomic<T>& word, T value) noexcept {
    if (word.load(std::memory_order_relaxed) != value) word.store(value, std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> taken_{0};  // the last call's slot, whether that is news, and whether it was in flight
  std::atomic<std::uint32_t> last_{0};
  std::atomic<std::uint32_t> index_{0};
  std::atomic<std::uint32_t> patience_{most};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
