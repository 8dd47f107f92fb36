// Errors for assertions.
#pragma once

#include <optional>
#include <ostream>

#include <shared_channel/result.hpp>

namespace shared_channel {

inline std::ostream& operator<<(std::ostream& out, Errc code) { return out << to_string(code); }

}  // namespace shared_channel

namespace test_support {

// What went wrong, if anything did.
template <class T>
std::optional<shared_channel::Errc> error_of(const shared_channel::Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().code();
}

}  // namespace test_support
