// How long a function may take.
#pragma once

#include <concepts>
#include <cstdint>

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

  template <class Length>
  requires std::convertible_to<const Length&, std::chrono::nanoseconds>
  constexpr Timeout(const Length& length) : length_(saturated(length)) {}

  constexpr operator std::chrono::nanoseconds() const noexcept { return length_; }

 private:
  static constexpr std::chrono::nanoseconds saturated(std::chrono::nanoseconds length) noexcept { return length; }
  template <class Count, class Unit>
  requires(std::integral<Count> && sizeof(Count) <= sizeof(std::intmax_t)) static constexpr std::chrono::nanoseconds
      saturated(const std::chrono::duration<Count, Unit>& length) noexcept {
    using std::chrono::nanoseconds;
    constexpr std::intmax_t unit = std::chrono::duration<std::intmax_t, Unit>(1) / nanoseconds(1);
    constexpr std::intmax_t most = (nanoseconds::max)().count() / unit;
    if constexpr (std::signed_integral<Count>) {
      if (static_cast<std::intmax_t>(length.count()) < -most) return -(nanoseconds::max)();
      if (static_cast<std::intmax_t>(length.count()) > most) return (nanoseconds::max)();
    } else {
      if (static_cast<std::uintmax_t>(length.count()) > static_cast<std::uintmax_t>(most)) return (nanoseconds::max)();
    }
    return length;
  }

  std::chrono::nanoseconds length_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
