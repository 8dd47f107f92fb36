// When a thread that expects an answer soon looks for it first.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The body of the loop. Tests have another.
struct EmptyLoop {
  static void iterate() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }  // which keeps the loop
};

/// Learns when to look first. A look takes the cache line away from the peer that is about to write there, so a first
/// look that comes too early costs more than one that comes late. The first look therefore waits as long as recent
/// answers took: a bit less after each answer that was there, clearly more after each that came soon after the look.
/// The time is counted in iterations of an empty loop, which need no clock; how long one takes does not matter. Threads
/// may share one.
template <class Loop>
class BasicFirstLook {
 public:
  /// Waits, looks once, and learns from success. After failure comes arrived_late() or did_not_arrive().
  template <class Ready>
  bool succeeds(Ready&& ready) noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed);
    for (std::uint32_t iteration = 0; iteration < iterations; ++iteration) Loop::iterate();
    if (!ready()) return false;
    if (iterations > 0) iterations_.store(iterations - 1, std::memory_order_relaxed);
    return true;
  }

  void arrived_late() noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed) + later;
    iterations_.store(iterations < most ? iterations : most, std::memory_order_relaxed);
  }

  /// The peer has something else to do.
  void did_not_arrive() noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed);
    if (iterations > 0) iterations_.store(iterations / 2, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t later = 8;
  static constexpr std::uint32_t most = 1000;  // a quarter of a microsecond or so

  std::atomic<std::uint32_t> iterations_{0};
};
using FirstLook = BasicFirstLook<EmptyLoop>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
