// What is known of another machine's clock, from questions that it answered with its reading. Nothing is assumed of
// what the clocks show, and of their rates only that they differ by less than a thousandth. A clock that stands still
// for a while breaks that; it is noticed at the next answer. bridge/protocol.md says what else may break it.
#pragma once

#include <algorithm>
#include <optional>

#include "clock.hpp"

namespace bridge {

/// The answer was given between `asked` and `heard`, when the far clock read `far`. So the far clock is ahead by at
/// least far - heard, and by at most far - asked.
class FarClock {
 public:
  void learn(Nanoseconds asked, Nanoseconds far, Nanoseconds heard) {
    if (asked > heard) return;  // that was never asked
    const Nanoseconds bound = far - heard;
    // A clock that is behind all that we knew of it has lost time; what was known is void.
    if (!ahead_ || bound >= ahead_at(heard) || far - asked < ahead_at(heard)) {
      ahead_ = bound;
      learnt_ = heard;
    }
    const Nanoseconds trip = heard - asked;
    round_trip_ = round_trip_ ? std::min(*round_trip_ + *round_trip_ / 8, trip) : trip;
  }

  [[nodiscard]] bool is_known() const { return ahead_.has_value(); }

  /// A reading that the far clock does not have before ours reads `time`. It may have it up to a round trip earlier.
  [[nodiscard]] Nanoseconds not_before(Nanoseconds time) const { return time + ahead_at(time); }

  /// What the far clock goes on by at the least while ours goes on by `time`.
  [[nodiscard]] static Nanoseconds least(Nanoseconds time) { return time - time / rates_differ_by_one_in; }

  /// The shortest of late.
  [[nodiscard]] Nanoseconds round_trip() const { return round_trip_.value_or(0); }

 private:
  static constexpr Nanoseconds rates_differ_by_one_in = 1000;

  [[nodiscard]] Nanoseconds ahead_at(Nanoseconds time) const {
    return *ahead_ - std::max<Nanoseconds>(time - learnt_, 0) / rates_differ_by_one_in;
  }

  std::optional<Nanoseconds> ahead_, round_trip_;
  Nanoseconds learnt_ = 0;
};

}  // namespace bridge
