// What a server counts of its calls. Nothing of it lies in shared memory while calls are made: an answered call is
// counted in its slot's own record, which the worker at that slot has just written anyway, and all else is rare.
// publish() copies the sums to the server page now and then, for other programs.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/server/next_slot.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The server's private record of a slot.
struct SlotRecord : SlotLock, SlotHistory {
  /// By the holder of the lock.
  void count_done() noexcept { done.store(done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> done{0};
};

/// Thread-safe.
class Counters {
 public:
  /// Counts call `sequence`, which ended with `outcome` in the slot of `record`. The call before it there was `before`.
  /// `is_abandoned`: its caller had left by then.
  void count(SlotRecord& record, Phase outcome, bool is_abandoned, std::uint32_t before,
             std::uint32_t sequence) noexcept {
    const bool is_handled = outcome == Phase::done || outcome == Phase::failed || outcome == Phase::oversized;
    if (outcome == Phase::done && !is_abandoned) [[likely]]
      record.count_done();
    else if (is_handled && is_abandoned)
      add(abandoned_);
    else if (is_handled)
      add(failed_);
    else if (outcome == Phase::refused)
      add(refused_);
    else if (outcome == Phase::malformed)
      add(malformed_);
    if (const std::uint32_t withdrawn = between(before, sequence); withdrawn != 0) [[unlikely]]
      withdrawn_.fetch_add(withdrawn, std::memory_order_release);  // after `concluded`, which ends their being shown
  }
  void count_damaged() noexcept { add(damaged_); }
  [[nodiscard]] std::uint64_t damaged() const noexcept { return damaged_.load(std::memory_order_relaxed); }

  /// Without what the slots hold.
  [[nodiscard]] ServerStats rare() const noexcept {
    ServerStats stats;
    stats.failed = failed_.load(std::memory_order_relaxed);
    stats.refused = refused_.load(std::memory_order_relaxed);
    stats.withdrawn = withdrawn_.load(std::memory_order_acquire);
    stats.abandoned = abandoned_.load(std::memory_order_relaxed);
    stats.malformed = malformed_.load(std::memory_order_relaxed);
    stats.damaged = damaged();
    return stats;
  }

  /// The largest number that anybody has been told, `seen` among them. Each look at the slots may miss some that were
  /// withdrawn, while the call after them ends, but has none that were not: a slot's are added here only after it has
  /// ceased to show them, and rare() is read before the slots.
  [[nodiscard]] std::uint64_t most_withdrawn(std::uint64_t seen) const noexcept {
    std::uint64_t most = most_withdrawn_.load(std::memory_order_relaxed);
    while (most < seen && !most_withdrawn_.compare_exchange_weak(most, seen, std::memory_order_relaxed)) {
    }
    return most < seen ? seen : most;
  }

  /// How many calls of a slot were posted after call `before` and before call `sequence`, and withdrawn: the server
  /// concludes all calls that it takes. Clients write these numbers: one that goes backwards tells nothing.
  static constexpr std::uint32_t between(std::uint32_t before, std::uint32_t sequence) noexcept {
    constexpr std::uint32_t half = State(~std::uint32_t{0}, Phase::idle).sequence() / 2;
    const std::uint32_t count = State(sequence - before - 1, Phase::idle).sequence();
    return count < half ? count : 0;
  }

 private:
  static void add(std::atomic<std::uint64_t>& counter) noexcept { counter.fetch_add(1, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> withdrawn_{0};
  mutable std::atomic<std::uint64_t> most_withdrawn_{0};
  std::atomic<std::uint64_t> abandoned_{0};
  std::atomic<std::uint64_t> malformed_{0};
  std::atomic<std::uint64_t> damaged_{0};
};

/// Where other programs read them. By one thread at a time, so that no older number comes after a newer one.
inline void publish(const ServerStats& stats, Statistics& page) noexcept {
  page.done.store(stats.done, std::memory_order_relaxed);
  page.failed.store(stats.failed, std::memory_order_relaxed);
  page.refused.store(stats.refused, std::memory_order_relaxed);
  page.withdrawn.store(stats.withdrawn, std::memory_order_relaxed);
  page.abandoned.store(stats.abandoned, std::memory_order_relaxed);
  page.malformed.store(stats.malformed, std::memory_order_relaxed);
  page.damaged.store(stats.damaged, std::memory_order_relaxed);
  const auto now = Clock::now().time_since_epoch().count();
  page.as_of.store(static_cast<std::uint64_t>(now), std::memory_order_release);
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
