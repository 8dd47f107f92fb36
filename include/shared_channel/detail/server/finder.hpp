// How a server's threads find the next request: they look, spin, and sleep on Exec.
#pragma once

#include <atomic>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/loop_notice.hpp>
#include <shared_channel/detail/server/slots.hpp>
#include <shared_channel/detail/server/taken_call.hpp>
#include <shared_channel/detail/server/upkeep.hpp>
#include <shared_channel/detail/wait/adaptive_spin.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Thread-safe. The mender is called after each sleep.
template <class Platform>
class Finder {
  using Exec = typename Generation<Platform>::Exec;
  using ForkMark = typename Platform::ForkMark;
  using LoopNotice = detail::LoopNotice<Platform>;

 public:
  Finder(Exec& exec, ServerSlots<Platform>& server_slots, Upkeep& upkeep, const std::atomic<bool>& stopping,
         const ForkMark& mark, const ServerOptions& options)
      : exec_(exec),
        slots_(server_slots),
        upkeep_(upkeep),
        stopping_(stopping),
        mark_(mark),
        spin_(options.wait),
        most_sleepers_(options.threads + 1) {}

  /// Workers, and the thread that waits for a loop.
  [[nodiscard]] unsigned most_sleepers() const noexcept { return most_sleepers_; }

  /// The next request, or nothing once the deadline has passed or the server is stopping. Nothing in a child either,
  /// where a handler that forked may return: a child has no slots (ForkGuard).
  TakenCall next(Deadline& deadline, Mender& mender) {
    if (stopping()) return {};
    const std::uint32_t looks = slots_.learn();
    Search search{*this, looks, looks, looks > 0 ? slots_.take_expected() : slots_.take_another()};
    if (search.found) return search.found;
    // Plain calls have a look of their own: each nanosecond more would lengthen all of them.
    const bool is_over = looks > 0 ? spin_.look([&search] { return search.at_expected(); })
                                   : spin_.look([&search] { return search.in_all_slots(); });
    return is_over ? search.found : await(search, deadline, mender);
  }

  // ---- a loop that is not ours ----
  /// On the LoopNotice's thread, which is a worker that does not work: returns once a request waits or we stop.
  void await_work(Mender& mender) noexcept {
    while (!is_worth_a_look()) {
      {
        const Upkeep::Sleep sleep(upkeep_);
        const Sleeper sleeper(exec_.words(), most_sleepers());
        if (is_worth_a_look()) break;
        Deadline slice = Deadline::never().until(sleep.end());
        exec_.wait(sleeper.ticket(), slice);
      }
      mender.keep_up();
    }
    slots_.fence_after_unlocking();  // it may have repaired one
    if (stopping()) slots_.refuse_all();
    exec_.ring_sleeper();  // the ring that we got may have been another's
  }

  void tell_loop(LoopNotice& notice, bool found_nothing) noexcept {
    if (found_nothing) notice.rearm(stopping_);
    // We may have got a ring that was the notice's as well.
    if (stopping() || slots_.has_posted()) exec_.ring_sleeper();
  }

 private:
  /// The looks for one request: at first only where it is expected.
  struct Search {
    bool at_expected() noexcept {
      if (looks_left == 0) return anywhere();
      --looks_left;
      found = self.slots_.take_expected_or_plain();
      return found || self.stopping();
    }
    bool anywhere() noexcept {
      if (looks_at_expected == 0) return in_all_slots();
      found = self.slots_.take_unexpected();
      return found || self.stopping();
    }
    bool in_all_slots() noexcept {
      found = self.slots_.take_any();
      return found || self.stopping();
    }

    Finder& self;
    const std::uint32_t looks_at_expected;
    std::uint32_t looks_left;
    TakenCall found;
  };

  TakenCall await(Search& search, Deadline& deadline, Mender& mender);

  [[nodiscard]] bool is_worth_a_look() noexcept { return stopping() || slots_.has_work(); }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_seq_cst); }

  Exec& exec_;
  ServerSlots<Platform>& slots_;
  Upkeep& upkeep_;
  const std::atomic<bool>& stopping_;
  const ForkMark& mark_;
  AdaptiveSpin spin_;
  unsigned most_sleepers_;
};

template <class Platform>
TakenCall Finder<Platform>::await(Search& search, Deadline& deadline, Mender& mender) {
  const auto look = [&search] { return search.at_expected(); };
  const auto keep_up = [&mender] {  // also in a spin that lasts for minutes
    mender.keep_up();
    return false;
  };
  for (;;) {
    if (stopping() || mark_.in_child()) return {};
    if (spin_.poll(look, keep_up, deadline, PeerWas::awake)) return search.found;
    if (deadline.passed()) return search.anywhere() ? search.found : TakenCall{};
    if (!spin_.never_sleeps()) {
      const Upkeep::Sleep sleep(upkeep_);
      const Sleeper sleeper(exec_.words(), most_sleepers());
      if (search.anywhere()) return search.found;  // S3
      Deadline slice = deadline.until(sleep.end());
      exec_.wait(sleeper.ticket(), slice);
      SHARED_CHANNEL_TEST_POINT(server_woke);
    }
    mender.keep_up();
    // This look is apart from the spin, which must not count it as its success.
    if (search.anywhere()) return search.found;
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
