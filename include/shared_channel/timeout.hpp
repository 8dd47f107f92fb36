// How long a function may take.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// Any whole number of a unit of nanoseconds or more: `100ms`, std::chrono::hours(1). What is too long for nanoseconds
/// to count (292 years), such as hours::max(), is nanoseconds::max() and waits indefinitely, where std::chrono's own
/// conversion would overflow.
class Timeout {
 public:
  /// None: a function tries once.
  constexpr Timeout() noexcept = default;

  template <class Count, class Unit>
  requires std::convertible_to<std::chrono::duration<Count, Unit>, std::chrono::nanoseconds>
  constexpr Timeout(std::chrono::duration<Count, Unit> length) noexcept : length_(saturated(length)) {}

  constexpr operator std::chrono::nanoseconds() const noexcept { return length_; }

 private:
  template <class Count, class Unit>
  static constexpr std::chrono::nanoseconds saturated(std::chrono::duration<Count, Unit> length) noexcept {
    if constexpr (std::integral<Count> && !std::same_as<Count, bool>) {
      using std::chrono::nanoseconds;
      constexpr std::intmax_t unit = std::chrono::duration<std::intmax_t, Unit>(1) / nanoseconds(1);
      constexpr std::intmax_t most = (nanoseconds::max)().count() / unit;
      if (std::cmp_greater(length.count(), most)) return (nanoseconds::max)();
      if (std::cmp_less(length.count(), -most)) return -(nanoseconds::max)();
    }
    return length;
  }

  std::chrono::nanoseconds length_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
