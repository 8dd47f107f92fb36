// A message type in words, as the server page holds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <shared_channel/detail/base/integer_cast.hpp>
#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// For people and for programs that were not compiled with it. Compared at attach.
struct Description {
  static constexpr std::size_t capacity = 1788;

  std::uint32_t length;  // not trusted
  char text[capacity];

  /// FNV-1a of 64 bits: a few lines in any language, and nobody gains by making two types collide.
  static std::uint64_t hash_of(std::string_view words) noexcept {
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
    for (const char c : words) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3;
    return hash;
  }

  /// What stands for `words` here: themselves, or as much of their beginning as leaves room for a tilde and the hash of
  /// all of them in 16 hexadecimal digits.
  static std::string fitting(std::string_view words) {
    if (words.size() <= capacity) return std::string(words);
    return std::string(words.substr(0, capacity - hex_digits - 1)) + '~' + hex(hash_of(words));
  }

  /// Whether `words` are what fitting() leaves of longer ones.
  static constexpr bool is_shortened(std::string_view words) noexcept {
    return words.size() == capacity && words[capacity - hex_digits - 1] == '~' &&
           is_hex(words.substr(capacity - hex_digits));
  }

  void write(std::string_view words) {
    const std::string kept = fitting(words);
    std::memcpy(text, kept.data(), kept.size());
    length = integer_cast<std::uint32_t>(kept.size());
  }

  /// Whether it describes the same type as `words`.
  [[nodiscard]] bool is_of(std::string_view words) const { return copy() == fitting(words); }

  /// A copy of what the server wrote, with nothing in it that could upset a terminal.
  [[nodiscard]] std::string read() const { return printable(copy()); }

 private:
  [[nodiscard]] std::string copy() const {
    const std::size_t stated = length;
    return {text, stated < capacity ? stated : capacity};
  }
};
static_assert(offsetof(Description, text) == 4 && sizeof(Description) == 1792);

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
