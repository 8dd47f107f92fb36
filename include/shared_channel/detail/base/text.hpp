// Numbers and foreign words as text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

inline constexpr std::size_t hex_digits = 16;

/// In 16 hexadecimal digits.
inline std::string hex(std::uint64_t number) {
  std::string digits(hex_digits, '0');
  for (std::size_t i = hex_digits; i-- > 0; number >>= 4) digits[i] = "0123456789abcdef"[number & 0xF];
  return digits;
}

/// Whether there is nothing in `text` but such digits.
constexpr bool is_hex(std::string_view text) noexcept {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// `text` with a question mark for each character that is not `good`.
template <class Good>
std::string masked(std::string text, const Good& good) {
  for (char& c : text) {
    if (!good(c)) c = '?';
  }
  return text;
}

/// With nothing in it that could upset a terminal.
inline std::string printable(std::string text) {
  return masked(std::move(text), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
