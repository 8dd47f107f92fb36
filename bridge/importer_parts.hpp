// What the importer's files share.
#pragma once

#include <string>
#include <utility>

#include <shared_channel/error.hpp>

#include "clock.hpp"

namespace bridge {

inline constexpr Nanoseconds ping_while_idle = 500 * milliseconds;
inline constexpr Nanoseconds find_while_alone = 500 * milliseconds;

inline shared_channel::Error error_of(shared_channel::Errc code, std::string text,
                                      shared_channel::Execution execution = shared_channel::Execution::none) {
  return shared_channel::Error(code, "", std::move(text), 0, execution);
}

}  // namespace bridge
