// How long a waiting thread spins before it sleeps. docs/performance.md quotes these lines, and has the measurements
// behind each.
//
//   1. A wait polls for as long as a yield to another thread takes at least, two to ten microseconds, then yields the
//      core between its polls, then sleeps.
//   2. It spins for no longer than the sleep that it may save would take: WaitPolicy::spin. After it woke the peer, it
//      spins for 1.5 times the peer's recent wake-up time, but no less than WaitPolicy::spin and no more than five
//      times that.
//   3. A spin that did not pay four times in a row, the first polls or the rest, is tried at every second wait only,
//      then at every fourth, then at every eighth. First polls that paid cancel four misses to come, 32 at most.
//   4. A yield that takes longer than a millisecond has lent the core to a stranger for a time slice. If yields have
//      not saved as much before, the thread sleeps, and for four times as long all waits sleep without a yield; 8, 16
//      up to 256 times as long, two seconds at most, while that happens again and again.
//   5. After the peer was woken there are no first polls: no reply comes in them.
//
// Spinning and yielding are investments: 1 and 2 bound what one can lose, 3 and 4 how often.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/wait/first_look.hpp>
#include <shared_channel/detail/wait/spin.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What the peer did when the wait began.
enum class PeerWas { awake, asleep };  // asleep: this thread has just woken it

/// Whether one kind of wait is worth a spin: not after four misses in a row that no success before has made up for. A
/// lost update only delays the lesson.
class SpinLedger {
 public:
  /// A success makes up for four misses to come, up to `most_saved`.
  explicit SpinLedger(std::int32_t most_saved) noexcept : most_saved_(most_saved) {}

  /// Whether the next spin is worth trying. Counts those that were skipped.
  [[nodiscard]] bool decide() noexcept {
    const std::int32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses < patience) return true;
    const std::uint32_t skipped = skipped_.load(std::memory_order_relaxed) + 1;
    skipped_.store(skipped, std::memory_order_relaxed);
    return skipped >= (2u << (misses - patience));
  }
  void paid() noexcept {
    const std::int32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses == -most_saved_) return;
    const std::int32_t saved = (misses < 0 ? -misses : 0) + patience;
    misses_.store(saved < most_saved_ ? -saved : -most_saved_, std::memory_order_relaxed);
  }
  void missed() noexcept {
    const std::int32_t misses = misses_.load(std::memory_order_relaxed);
    if (misses < rarest) misses_.store(misses + 1, std::memory_order_relaxed);
    skipped_.store(0, std::memory_order_relaxed);
  }

 private:
  static constexpr std::int32_t patience = 4;           // misses in a row before spins are left out
  static constexpr std::int32_t rarest = patience + 2;  // then a try every 2, 4, 8 waits

  const std::int32_t most_saved_;
  std::atomic<std::int32_t> misses_{0};  // below 0: so many more are made up for
  std::atomic<std::uint32_t> skipped_{0};
};

/// Whether a policy can be, and what is said of one that cannot.
constexpr bool is_possible(const WaitPolicy& policy) noexcept { return policy.spin >= nanoseconds::zero(); }
inline constexpr char impossible_wait[] = "WaitPolicy::spin is negative; 0 sleeps at once";

/// Whether strangers want the core. A yield that lends it to one costs a time slice. If that is more than yields have
/// saved before, nobody yields again for four times as long after the first loan, up to 256 times after several. In a
/// crowd of callers a yield may take as long now and then, and is worth it.
class ContendedCore {
 public:
  /// How long a thread that yields is away at most where only the channel's own threads want the core, but rarely.
  static constexpr nanoseconds own_slice = std::chrono::milliseconds(1);

  /// Whether anything has been learnt, and so the clock is worth a look.
  [[nodiscard]] bool is_suspect() const noexcept { return until_.load(std::memory_order_relaxed) != 0; }
  [[nodiscard]] bool is_avoided(Clock::time_point now) const noexcept {
    return now.time_since_epoch().count() < until_.load(std::memory_order_relaxed);
  }
  void was_lent(Clock::time_point now, nanoseconds away) noexcept {
    const Clock::rep left = saved_.load(std::memory_order_relaxed) - away.count();
    saved_.store(left > 0 ? left : 0, std::memory_order_relaxed);
    if (left >= 0) return;
    const std::uint32_t times = times_.load(std::memory_order_relaxed);
    const nanoseconds wanted = (away < longest ? away : longest) * times;
    until_.store((now + (wanted < longest ? wanted : longest)).time_since_epoch().count(), std::memory_order_relaxed);
    times_.store(times < most ? 2 * times : most, std::memory_order_relaxed);
  }
  void was_ours() noexcept {
    const Clock::rep saved = saved_.load(std::memory_order_relaxed);
    if (saved < most_saved.count()) saved_.store(saved + saved_by_yields.count(), std::memory_order_relaxed);
    if (!is_suspect()) return;
    const std::uint32_t times = times_.load(std::memory_order_relaxed);
    if (times > fewest)
      times_.store(times / 2, std::memory_order_relaxed);
    else
      until_.store(0, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t fewest = 4;
  static constexpr std::uint32_t most = 256;
  static constexpr nanoseconds longest = std::chrono::seconds(2);
  static constexpr nanoseconds saved_by_yields = std::chrono::microseconds(10);  // a sleep and its wake-up
  static constexpr nanoseconds most_saved = std::chrono::milliseconds(20);

  std::atomic<std::uint32_t> times_{fewest};
  std::atomic<Clock::rep> until_{0};
  std::atomic<Clock::rep> saved_{0};
};

/// What a yield costs that lets another thread run: to switch to it and back takes one microsecond on some machines and
/// ten on others. The shortest counts: in longer ones other threads ran for a while. But it is forgotten if no other is
/// as short: then nobody ran in it, and an interrupt made it longer.
class YieldCost {
 public:
  [[nodiscard]] nanoseconds seen() const noexcept { return nanoseconds(shortest_.load(std::memory_order_relaxed)); }
  void took(nanoseconds away) noexcept {
    if (away <= brief_spin) return;  // nobody wanted the core
    const nanoseconds cost = away < most ? away : most;
    const bool is_shortest = seen() == unknown || cost < seen();
    shortest_.store((is_shortest ? cost : seen() + (cost - seen()) / memory).count(), std::memory_order_relaxed);
  }

 private:
  static constexpr nanoseconds unknown{0};
  static constexpr nanoseconds most = std::chrono::microseconds(10);
  static constexpr int memory = 512;  // about so many yields

  std::atomic<Clock::rep> shortest_{unknown.count()};
};

/// How threads wait for one peer. Threads may share one.
template <class Time>
class BasicAdaptiveSpin {
 public:
  explicit BasicAdaptiveSpin(WaitPolicy policy) noexcept : policy_(policy) {}

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
        ready, [] { return false; }, deadline, PeerWas::awake);
  }

  /// The same, and ends early if the peer is `gone`, which is asked now and then: a policy may spin for longer than
  /// a peer's death is to stay unnoticed.
  template <class Ready, class Gone>
  bool poll(Ready&& ready, Gone&& gone, Deadline& deadline, PeerWas peer) noexcept {
    if (policy_.spin <= nanoseconds::zero()) return ready();
    if (never_sleeps()) return spin_first(ready) || spin(ready, look_around, deadline);
    if (peer == PeerWas::asleep || !brief_.decide()) {
      first_look_.did_not_arrive();
    } else if (spin_first(ready)) {
      brief_.paid();
      return true;
    } else {
      brief_.missed();
    }
    if (contended_.is_suspect() && contended_.is_avoided(Time::now())) return ready();
    if (!ledger(peer).decide()) return ready();
    return spin_out(ready, gone, deadline, peer);
  }

 private:
  /// How often a thread that does not sleep looks at the deadline and for its peer's death, which is a system
  /// call on Win32.
  static constexpr nanoseconds look_around = std::chrono::milliseconds(1);

  [[nodiscard]] SpinLedger& ledger(PeerWas peer) noexcept { return peer == PeerWas::awake ? awake_ : asleep_; }

  /// The polls that each spin begins with, which learn from how they end. True: they found what they wait for.
  template <class Ready>
  bool spin_first(Ready& ready) noexcept {
    const bool is_soon = spin_briefly(ready);
    if (is_soon)
      first_look_.arrived_late();
    else
      first_look_.did_not_arrive();
    return is_soon || save_yield(ready);
  }

  /// Goes on polling where the yield that it may save would take much longer than a brief spin. There the peer may be
  /// on another core and not be done with a switch of its own.
  template <class Ready>
  bool save_yield(Ready& ready) noexcept {
    if (yield_cost_.seen() < 2 * brief_spin) return false;
    const Clock::time_point limit = Time::now() + yield_cost_.seen() - brief_spin;
    do {
      if (spin_briefly(ready)) return true;
    } while (Time::now() < limit);
    return false;
  }

  /// Yields between its polls: the thread that wants the core may be the peer that we wait for.
  template <class Ready, class Gone>
  bool spin_out(Ready& ready, Gone& gone, Deadline& deadline, PeerWas peer) noexcept {
    const Clock::time_point end_of_call = deadline.at();
    const Clock::time_point begin = Time::now();
    const Clock::time_point limit = begin + budget(peer);
    Clock::time_point before = begin, next_look_around = begin + look_around;
    while (before < limit && before < end_of_call) {
      Time::yield();
      const nanoseconds yield_took = Time::now() - before;
      const bool is_ready = ready();  // a server looks at all slots, which may take longer
      const Clock::time_point after = Time::now();
      if (after - before > ContendedCore::own_slice) {
        contended_.was_lent(after, after - before);
        return is_ready;
      }
      yield_cost_.took(yield_took);
      if (is_ready) return learn_success(peer, after - begin);
      before = after;
      if (after >= next_look_around) {
        if (gone()) return false;
        before = Time::now();  // a server's upkeep is no part of a yield
        next_look_around = before + look_around;
      }
    }
    if (before >= limit) learn_miss(peer);
    return false;
  }

  [[nodiscard]] nanoseconds most(PeerWas peer) const noexcept {
    constexpr nanoseconds huge = (nanoseconds::max)() / 16;
    const nanoseconds spin = policy_.spin < huge ? policy_.spin : huge;
    return peer == PeerWas::awake ? spin : 5 * spin;
  }
  [[nodiscard]] nanoseconds budget(PeerWas peer) const noexcept {
    const nanoseconds spin = most(PeerWas::awake);
    if (peer == PeerWas::awake) return spin;
    const std::int64_t lately = wake_up_.load(std::memory_order_relaxed);
    const nanoseconds learned(lately + lately / 2);
    return lately == 0 || learned > most(peer) ? most(peer) : learned < spin ? spin : learned;
  }

  bool learn_success(PeerWas peer, nanoseconds took) noexcept {
    ledger(peer).paid();
    contended_.was_ours();
    if (peer == PeerWas::asleep) {
      const std::int64_t lately = wake_up_.load(std::memory_order_relaxed);
      wake_up_.store(lately == 0 ? took.count() : lately + (took.count() - lately) / 4, std::memory_order_relaxed);
    }
    return true;
  }
  void learn_miss(PeerWas peer) noexcept {
    ledger(peer).missed();
    if (peer == PeerWas::asleep) wake_up_.store(budget(peer).count(), std::memory_order_relaxed);
  }

  const WaitPolicy policy_;
  FirstLook first_look_;
  ContendedCore contended_;
  YieldCost yield_cost_;
  SpinLedger brief_{32};
  SpinLedger awake_{0}, asleep_{0};       // by what the peer did
  std::atomic<std::int64_t> wake_up_{0};  // what the peer's lately took, in ns; 0: not known
};

using AdaptiveSpin = BasicAdaptiveSpin<SpinTime>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
