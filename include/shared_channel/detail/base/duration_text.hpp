// A length of time in words.
#pragma once

#include <cstdint>
#include <string>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// In the largest unit that says it exactly, e.g. "250 ms". Less than nothing is nothing.
inline std::string duration_text(nanoseconds time) {
  std::int64_t count = time > nanoseconds::zero() ? time.count() : 0;
  const char* unit = " ns";
  for (const char* larger : {" us", " ms", " s"}) {
    if (count % 1000 != 0) break;
    count /= 1000;
    unit = larger;
  }
  return std::to_string(count) + unit;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
