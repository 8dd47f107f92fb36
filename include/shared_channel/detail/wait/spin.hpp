// Spinning before sleeping, as long as it pays.
#pragma once

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <emmintrin.h>
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM))
#include <intrin.h>
#endif

#include <atomic>
#include <cstdint>
#include <thread>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Tells the processor that this is a spin loop: it saves power, and the other side's store arrives sooner.
inline void pause() noexcept {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(_MSC_VER) && (defined(_M_ARM64) || defined(_M_ARM))
  __yield();
#elif defined(__x86_64__) || defined(__i386__)
  asm volatile("pause");
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

/// Reading the clock takes twenty nanoseconds, a poll a few: the clock is read only every so many polls.
inline constexpr unsigned polls_per_clock = 64;

/// Polls `ready` for two microseconds or so. True if ready.
template <class Ready>
bool spin_briefly(Ready&& ready) noexcept {
  for (unsigned poll = 0; poll < polls_per_clock; ++poll) {
    if (ready()) return true;
    pause();
  }
  return false;
}

/// Polls `ready` until it is true, or `budget` or the deadline has passed, but briefly at least. True if ready.
template <class Ready>
bool spin(Ready&& ready, nanoseconds budget, Deadline& deadline) noexcept {
  const Clock::time_point limit = deadline.within(budget).at();
  do {
    if (spin_briefly(ready)) return true;
  } while (Clock::now() < limit);
  return ready();
}

/// The same, but yields the core between its polls: the thread that wants it may be the peer that we wait for.
template <class Ready>
bool spin_yielding(Ready&& ready, nanoseconds budget, Deadline& deadline) noexcept {
  const Clock::time_point limit = deadline.within(budget).at();
  do {
    std::this_thread::yield();
    if (ready()) return true;
  } while (Clock::now() < limit);
  return false;
}

/// Learns when to look first. A look takes the cache line away from the peer that is about to write there, so a first
/// look that comes too early costs more than one that comes late. The first look therefore waits as long as recent
/// answers took: a bit less after each answer that was there, clearly more after each that came soon after the look.
/// The time is counted in iterations of an empty loop, which need no clock; how long one takes does not matter. Threads
/// may share one.
class FirstLook {
 public:
  /// Waits, looks once, and learns from success. After failure comes arrived_late() or did_not_arrive().
  template <class Ready>
  bool succeeds(Ready&& ready) noexcept {
    const std::uint32_t iterations = iterations_.load(std::memory_order_relaxed);
    for (std::uint32_t iteration = 0; iteration < iterations; ++iteration)
      std::atomic_signal_fence(std::memory_order_seq_cst);
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

/// Learns whether spinning pays. It does not where the peer takes longer than the spin, or needs the very core that we
/// spin on. After a few such misses only a brief spin is left (none with a single core), and the whole spin is tried
/// more rarely until a try succeeds. It is never tried more rarely than every eighth time: where wake-ups are dear,
/// threads that all sleep would keep each other asleep. docs/performance.md has the figures. Threads may share one; a
/// lost update only delays the lesson.
class AdaptiveSpin {
 public:
  /// `cores`: how many the caller may run on.
  AdaptiveSpin(WaitPolicy policy, unsigned cores) noexcept : policy_(policy), has_cores_(cores > 1) {}

  /// Whether the policy allows to sleep at all.
  [[nodiscard]] bool never_sleeps() const noexcept { return policy_.spin == (nanoseconds::max)(); }

  /// The first look for an answer that may come at once. If it fails, poll() goes on.
  template <class Ready>
  bool look(Ready&& ready) noexcept {
    return first_look_.succeeds(ready);
  }

  /// Polls as long as policy, experience and deadline allow. True if ready.
  template <class Ready>
  bool poll(Ready&& ready, Deadline& deadline) noexcept {
    return poll(
        ready, [] { return false; }, deadline);
  }

  /// The same, and ends early if the peer is `gone`, which is asked now and then: a policy may spin for longer than
  /// a peer's death is to stay unnoticed.
  template <class Ready, class Gone>
  bool poll(Ready&& ready, Gone&& gone, Deadline& deadline) noexcept {
    const Effort effort = next_effort();
    if (effort == Effort::one_look) return ready();
    if (is_ready_soon(ready)) {
      if (effort != Effort::brief) forget_misses();
      return true;
    }
    if (effort == Effort::brief) return false;
    if (effort == Effort::endless) return spin(ready, look_around, deadline);
    return spin_out(ready, gone, deadline);
  }

 private:
  enum class Effort { one_look, brief, whole, endless };

  /// How often a thread that does not sleep looks at the deadline and for its peer's death, which is a system
  /// call on Win32.
  static constexpr nanoseconds look_around = std::chrono::milliseconds(1);
  static constexpr std::uint32_t patience = 3;           // misses in a row before spinning is skipped
  static constexpr std::uint32_t rarest = patience + 3;  // then a try every 2, 4, 8 waits

  /// What policy, cores and misses leave of the next wait's spin.
  Effort next_effort() noexcept {
    if (policy_.spin <= nanoseconds::zero()) return Effort::one_look;
    if (never_sleeps()) return Effort::endless;
    if (worth_trying()) return Effort::whole;
    return has_cores_ ? Effort::brief : Effort::one_look;
  }

  /// The brief spin that each longer one begins with.
  template <class Ready>
  bool is_ready_soon(Ready& ready) noexcept {
    const bool is_ready = spin_briefly(ready);
    is_ready ? first_look_.arrived_late() : first_look_.did_not_arrive();
    return is_ready;
  }

  /// Spins as long as the policy says, and learns from it unless the deadline or the peer's end cut it short.
  template <class Ready, class Gone>
  bool spin_out(Ready& ready, Gone& gone, Deadline& deadline) noexcept {
    for (nanoseconds left = policy_.spin;;) {
      if (spin_yielding(ready, left < look_around ? left : look_around, deadline)) {
        forget_misses();
        return true;
      }
      if (deadline.passed()) return false;
      left -= look_around;
      if (left <= nanoseconds::zero()) {
        learn_miss();
        return false;
      }
      if (gone()) return false;
    }
  }

  void forget_misses() noexcept {
    if (misses_.load(std::memory_order_relaxed) != 0) misses_.store(0, std::memory_order_relaxed);
  }

  void learn_miss() noexcept {
    const std::uint32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses < rarest) misses_.store(misses + 1, std::memory_order_relaxed);
    skipped_.store(0, std::memory_order_relaxed);
  }

  bool worth_trying() noexcept {
    const std::uint32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses <= patience) return true;
    const std::uint32_t skipped = skipped_.load(std::memory_order_relaxed) + 1;
    skipped_.store(skipped, std::memory_order_relaxed);
    return skipped >= (1u << (misses - patience));
  }

  WaitPolicy policy_;
  bool has_cores_;
  FirstLook first_look_;
  std::atomic<std::uint32_t> misses_{0};
  std::atomic<std::uint32_t> skipped_{0};
};

/// A busy server never waits, so callers on its own core would get one answer per time slice while others get
/// thousands. Every so many calls it therefore yields the core, and more rarely where nobody wants it. Belongs to one
/// thread.
class Courtesy {
 public:
  explicit Courtesy(WaitPolicy policy) noexcept : interval_(policy.spin == (nanoseconds::max)() ? never : shortest) {}

  void after_call() noexcept {
    if (interval_ == never || ++calls_ < interval_) return;
    calls_ = 0;
    const Clock::time_point before = Clock::now();
    std::this_thread::yield();
    const bool is_crowded = Clock::now() - before > switching;
    interval_ = is_crowded ? shortest : interval_ < longest ? 2 * interval_ : longest;
  }

 private:
  static constexpr std::uint32_t never = 0;
  static constexpr std::uint32_t shortest = 32;
  static constexpr std::uint32_t longest = 4096;
  static constexpr nanoseconds switching = std::chrono::microseconds(2);  // to another thread and back takes longer

  std::uint32_t interval_;
  std::uint32_t calls_ = 0;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
