// Reads the descriptions of types (description.hpp), which at run time may come from anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// How many bytes a described type has, where its description tells: of what is made of scalars alone, and of
/// `opaque(size,align)`.
struct DescribedSize {
  bool is_known = false;
  std::uint64_t size = 0;
  std::uint64_t align = 1;
};

/// Takes a text apart as `description_of` puts it together. Ends at the first character that does not fit.
class DescriptionReader {
 public:
  explicit DescriptionReader(std::string_view text) noexcept : rest_(text) {}

  /// The one type that the whole text describes, or nothing.
  std::optional<DescribedSize> read() {
    const std::optional<DescribedSize> type = read_type(0);
    return type && rest_.empty() ? type : std::nullopt;
  }

 private:
  using Size = DescribedSize;

  static constexpr unsigned deepest = 200;                          // as deep as codecs go
  static constexpr std::uint64_t largest = std::uint64_t{1} << 40;  // so that no product or sum below overflows

  std::optional<Size> read_type(unsigned depth) {
    if (depth > deepest) return std::nullopt;
    std::optional<Size> type = read_plain(depth);
    while (type && !rest_.empty()) {
      if (take('[')) {
        type = of_array(*type);
      } else if (take('#')) {
        if (!skip_name()) return std::nullopt;
      } else {
        break;
      }
    }
    return type;
  }

  std::optional<Size> read_plain(unsigned depth) {
    if (take('{')) return read_members('}', depth);
    if (take('(')) return read_members(')', depth) ? std::optional(Size{}) : std::nullopt;
    if (take('^')) {
      const std::optional<std::uint64_t> out = read_number();
      return depth != 0 && out && *out != 0 ? std::optional(Size{}) : std::nullopt;
    }
    const std::string_view word = take_word();
    if (word == "opaque") return read_opaque();
    if (word == "string" || word == "bytes") return Size{};
    if (word == "vector" || word == "optional" || word == "variant") return read_held(word != "variant", depth);
    return scalar(word);
  }

  static std::optional<Size> scalar(std::string_view word) noexcept {
    struct Scalar {
      std::string_view name;
      std::uint64_t size;
    };
    constexpr Scalar scalars[] = {{"bool", 1}, {"char", 1}, {"i8", 1},  {"u8", 1},  {"i16", 2}, {"u16", 2},
                                  {"i32", 4},  {"u32", 4},  {"i64", 8}, {"u64", 8}, {"f32", 4}, {"f64", 8}};
    for (const Scalar& one : scalars) {
      if (one.name == word) return Size{true, one.size, one.size};
    }
    return std::nullopt;
  }

  /// What is inside of brackets: any number of types.
  std::optional<Size> read_members(char end, unsigned depth) {
    Size all{true, 0, 1};
    if (!take(end)) {
      do {
        const std::optional<Size> member = read_type(depth + 1);
        if (!member) return std::nullopt;
        all = with(all, *member);
      } while (take(' '));
      if (!take(end)) return std::nullopt;
    }
    all.size = round_up(all.size, all.align);
    return all.size <= largest ? std::optional(all) : std::nullopt;
  }

  /// What is between < and >. A variant may hold many.
  std::optional<Size> read_held(bool is_one, unsigned depth) {
    if (!take('<')) return std::nullopt;
    do {
      if (!read_type(depth + 1)) return std::nullopt;
    } while (!is_one && take(' '));
    return take('>') ? std::optional(Size{}) : std::nullopt;
  }

  std::optional<Size> read_opaque() {
    if (!take('(')) return Size{};
    const std::optional<std::uint64_t> size = read_number();
    if (!size || !take(',')) return std::nullopt;
    const std::optional<std::uint64_t> align = read_number();
    if (!align || *align == 0 || *align > largest || !take(')')) return std::nullopt;
    return Size{true, *size, *align};
  }

  /// What follows the opening bracket.
  std::optional<Size> of_array(Size element) {
    const std::optional<std::uint64_t> count = read_number();
    if (!count || !take(']')) return std::nullopt;
    if (element.is_known && element.size != 0 && *count > largest / element.size) return std::nullopt;
    element.size *= *count;
    return element;
  }

  static Size with(Size all, const Size& member) noexcept {
    all.is_known = all.is_known && member.is_known;
    all.size = round_up(all.size, member.align) + member.size;
    if (member.align > all.align) all.align = member.align;
    return all;
  }
  static std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) noexcept {
    return (value + multiple - 1) / multiple * multiple;
  }

  bool take(char c) noexcept {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Without leading zeros and with at most ten digits.
  std::optional<std::uint64_t> read_number() noexcept {
    std::uint64_t number = 0;
    std::size_t digits = 0;
    while (digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9' && digits <= 10)
      number = number * 10 + static_cast<std::uint64_t>(rest_[digits++] - '0');
    if (digits == 0 || digits > 10 || (digits > 1 && rest_.front() == '0')) return std::nullopt;
    rest_.remove_prefix(digits);
    return number;
  }
  std::string_view take_word() noexcept {
    const auto is_of_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    std::size_t length = 0;
    while (length < rest_.size() && is_of_word(rest_[length])) ++length;
    const std::string_view word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return word;
  }
  /// A schema's name, up to what can follow a type. Printable, or it would not be shown as it is.
  bool skip_name() noexcept {
    std::size_t length = 0;
    while (length < rest_.size() && std::string_view(" {}()<>[]#").find(rest_[length]) == std::string_view::npos) {
      if (rest_[length] < ' ' || rest_[length] > '~') return false;
      ++length;
    }
    rest_.remove_prefix(length);
    return length != 0;
  }

  std::string_view rest_;
};

/// What a description tells of its type's size; nothing if it is none. One that a server page holds the beginning of
/// (Description::fitting) is believed.
inline std::optional<DescribedSize> parse_description(std::string_view text) {
  if (Description::is_shortened(text)) return DescribedSize{};
  return DescriptionReader(text).read();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
