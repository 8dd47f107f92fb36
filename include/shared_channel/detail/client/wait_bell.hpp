// How a thread that sleeps on many things at once is called away.
#pragma once

#include <cstdint>
#include <optional>

#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The words of doorbell.hpp over a WaitSet. One sleeper, any number of ringers, one process. The flag that R1 sets and
/// S3 looks at is its owner's. The set is made only when the sleeper needs it, because most never sleep; a ringer uses
/// it once it has seen S1, which comes later.
template <class Platform>
class WaitBell {
  using WaitSet = typename Platform::WaitSet;

 public:
  /// To be called after R1.
  void ring() noexcept {
    if (must_ring(words_)) set_->ring();  // R2, R3
  }

  // ---- the sleeper's side ----

  /// Makes ready to sleep. 0, or why that cannot be.
  int prepare() { return set().failure(); }

  /// Sleeps by `wait`, given the set and the ticket; or answers `otherwise` if `is_called` says so.
  template <class Outcome, class IsCalled, class Wait>
  Outcome sleep(Outcome otherwise, IsCalled&& is_called, Wait&& wait) {
    WaitSet& own = set();
    const Sleeper sleeper(words_, 1);    // S1, S2
    if (is_called()) return otherwise;   // S3
    return wait(own, sleeper.ticket());  // S4
  }

 private:
  WaitSet& set() { return set_ ? *set_ : set_.emplace(words_.sequence); }

  DoorbellWords words_{};
  std::optional<WaitSet> set_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
