// The clock by which the bridge's two ends speak of time. It counts while the machine is suspended, so that a deadline
// that passed meanwhile has passed.
#pragma once

#include <chrono>
#include <cstdint>

namespace bridge {

using Nanoseconds = std::int64_t;

/// Of this machine; another machine's reads something else.
Nanoseconds now();

constexpr Nanoseconds nanoseconds(std::chrono::nanoseconds duration) { return duration.count(); }

inline constexpr Nanoseconds milliseconds = 1'000'000;
inline constexpr Nanoseconds never = INT64_MAX;
/// No clock shows more, and with less no sum overflows.
inline constexpr Nanoseconds longest = Nanoseconds{1} << 61;

}  // namespace bridge
