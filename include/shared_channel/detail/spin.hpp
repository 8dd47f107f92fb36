// Spinning before sleeping, as long as it pays.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include <shared_channel/detail/deadline.hpp>
#include <shared_channel/detail/pause.hpp>
#include <shared_channel/options.hpp>

namespace shared_channel::detail {

/// How a spinning thread passes the time between two polls, once the first microseconds are over.
enum class Between {
  pause,  ///< Holds on to the core.
  yield,  ///< Lets another thread have the core, if one wants it: it may be the peer that we wait for.
};

/// Polls `ready` until it is true, or `budget` or the deadline has passed. Reads the clock only every so many
/// polls, the first time after two microseconds or so: a poll takes a few nanoseconds, the clock twenty.
/// True if ready.
template <class Ready>
bool spin(Ready&& ready, nanoseconds budget, Deadline& deadline, Between between) noexcept {
  constexpr unsigned polls_per_clock = 64;
  for (unsigned poll = 0; poll < polls_per_clock; ++poll) {
    if (ready()) return true;
    pause();
  }
  const Clock::time_point limit = deadline.within(budget).at();
  do {
    for (unsigned poll = 0; poll < polls_per_clock; ++poll) {
      if (ready()) return true;
      if (between == Between::pause) {
        pause();
      } else {
        std::this_thread::yield();
        break;
      }
    }
  } while (Clock::now() < limit);
  return ready();
}

/// Learns whether spinning pays. Where the peer needs the very core that we spin on, or takes longer than the
/// spin, spinning never sees the answer: after a few such misses it is skipped, and tried again ever more
/// rarely until one try succeeds. Threads may share one; a lost update only delays the lesson.
class AdaptiveSpin {
 public:
  explicit AdaptiveSpin(WaitPolicy policy) noexcept : policy_(policy) {}

  /// Whether the policy allows to sleep at all.
  [[nodiscard]] bool never_sleeps() const noexcept { return policy_.spin == (nanoseconds::max)(); }

  /// Polls as long as policy, experience and deadline allow. True if ready.
  template <class Ready>
  bool poll(Ready&& ready, Deadline& deadline) noexcept {
    return poll(ready, [] { return false; }, deadline);
  }

  /// The same, and ends early if the peer is `gone`, which is asked now and then: a policy may spin for longer than
  /// a peer's death is to stay unnoticed.
  template <class Ready, class Gone>
  bool poll(Ready&& ready, Gone&& gone, Deadline& deadline) noexcept {
    if (never_sleeps()) return spin(ready, look_around, deadline, Between::pause);
    if (policy_.spin <= nanoseconds::zero() || !worth_trying()) return ready();
    nanoseconds budget = policy_.spin;
    bool is_ready = spin(ready, budget < look_around ? budget : look_around, deadline, Between::yield);
    while (!is_ready && (budget -= look_around) > nanoseconds::zero() && !deadline.passed()) {
      if (gone()) return false;
      is_ready = spin(ready, budget < look_around ? budget : look_around, deadline, Between::yield);
    }
    if (is_ready) {
      if (misses_.load(std::memory_order_relaxed) != 0) misses_.store(0, std::memory_order_relaxed);
      return true;
    }
    if (deadline.passed()) return false;  // cut short: nothing learnt
    const std::uint32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses < rarest) misses_.store(misses + 1, std::memory_order_relaxed);
    skipped_.store(0, std::memory_order_relaxed);
    return false;
  }

 private:
  /// How often a thread that does not sleep looks at the deadline and for its peer's death, which is a system
  /// call on Win32.
  static constexpr nanoseconds look_around = std::chrono::milliseconds(1);
  static constexpr std::uint32_t patience = 3;  // misses in a row before spinning is skipped
  static constexpr std::uint32_t rarest = patience + 8;  // then a try every 2, 4, … 256 waits

  bool worth_trying() noexcept {
    const std::uint32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses <= patience) return true;
    const std::uint32_t skipped = skipped_.load(std::memory_order_relaxed) + 1;
    skipped_.store(skipped, std::memory_order_relaxed);
    return skipped >= (1u << (misses - patience));
  }

  WaitPolicy policy_;
  std::atomic<std::uint32_t> misses_{0};
  std::atomic<std::uint32_t> skipped_{0};
};

}  // namespace shared_channel::detail
