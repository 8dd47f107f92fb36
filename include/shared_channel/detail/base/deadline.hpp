// One absolute point on the steady clock per call, from which every wait computes what is left.
#pragma once

#include <atomic>
// libstdc++'s <mutex> brings the part of <chrono> that we need (compile time).
#include <mutex>
#if !defined(__GLIBCXX__)
#include <chrono>
#endif

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// What makes a Deadline pass early. Set once, by any thread.
class Interruption {
 public:
  Interruption() = default;
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  [[nodiscard]] bool is_interrupted() const noexcept { return is_interrupted_.load(std::memory_order_seq_cst); }

 protected:
  ~Interruption() = default;
  void interrupt() noexcept { is_interrupted_.store(true, std::memory_order_seq_cst); }

 private:
  std::atomic<bool> is_interrupted_{false};
};

/// When to give up. Made from a timeout: one of zero or less has passed already, one of nanoseconds::max() never
/// passes, and none overflows.
///
/// The clock is read at the first question, not at construction: reading it costs a fifth of a short call, and
/// `Client::call` with a small request of fixed size first asks once that is posted.
/// Not thread-safe: a Deadline belongs to the call that made it.
class Deadline {
 public:
  /// `interruption`, if there is one, outlives the Deadline and all that is made from it.
  explicit Deadline(nanoseconds timeout, Interruption* interruption = nullptr) noexcept
      : timeout_(timeout), interruption_(interruption) {}

  static Deadline never() noexcept { return Deadline((nanoseconds::max)()); }

  [[nodiscard]] nanoseconds timeout() const noexcept { return timeout_; }
  [[nodiscard]] bool is_started() const noexcept { return started_; }
  [[nodiscard]] bool is_never() const noexcept { return timeout_ == (nanoseconds::max)(); }

  /// The same point, for what outlives the interruption.
  [[nodiscard]] Deadline uninterrupted() const noexcept {
    Deadline same = *this;
    same.interruption_ = nullptr;
    return same;
  }

  [[nodiscard]] Interruption* interruption() const noexcept { return interruption_; }
  [[nodiscard]] bool is_interrupted() const noexcept {
    return interruption_ != nullptr && interruption_->is_interrupted();
  }

  /// The point itself; Clock::time_point::max() for never.
  Clock::time_point at() noexcept {
    if (!started_) start();
    return at_;
  }

  [[nodiscard]] bool passed() noexcept {
    return is_interrupted() || (!is_never() && (timeout_ <= nanoseconds::zero() || Clock::now() >= at()));
  }

  /// What is left, never negative.
  nanoseconds remaining() noexcept {
    if (is_never()) return (nanoseconds::max)();
    const auto end = at();  // first: it may have to start the clock
    const auto left = end - Clock::now();
    return left > nanoseconds::zero() ? left : nanoseconds::zero();
  }

  /// Reads the clock now, so that what the caller does next counts against the timeout.
  void start() noexcept {
    const auto now = Clock::now();
    const bool overflows = timeout_ > (Clock::time_point::max)() - now;
    at_ = is_never() || overflows ? (Clock::time_point::max)()
                                  : now + (timeout_ > nanoseconds::zero() ? timeout_ : nanoseconds::zero());
    started_ = true;
  }

  /// The earlier of this deadline and `slice` from now, for waits that look around in between.
  [[nodiscard]] Deadline within(nanoseconds slice) noexcept {
    const auto left = remaining();
    return Deadline(left < slice ? left : slice, interruption_);
  }

  /// The earlier of this deadline and `point`, without a look at the clock where this one never passes.
  [[nodiscard]] Deadline until(Clock::time_point point) noexcept {
    if (!is_never() && at() <= point) return *this;
    Deadline sooner((nanoseconds::max)() - nanoseconds(1), interruption_);
    sooner.at_ = point;
    sooner.started_ = true;
    return sooner;
  }

 private:
  nanoseconds timeout_;
  Interruption* interruption_;
  Clock::time_point at_{};
  bool started_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
