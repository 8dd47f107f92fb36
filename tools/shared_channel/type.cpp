#include "type.hpp"

#include <algorithm>
#include <utility>

namespace tool {
namespace {

constexpr std::uint64_t largest = std::uint64_t{1} << 30;  // of a message
constexpr unsigned deepest = 200;                          // as deep as codecs go

struct Word {
  std::string_view text;
  Kind kind;
  std::uint64_t size;
};
constexpr Word scalars[] = {{"bool", Kind::boolean, 1},
                            {"char", Kind::character, 1},
                            {"i8", Kind::signed_integer, 1},
                            {"i16", Kind::signed_integer, 2},
                            {"i32", Kind::signed_integer, 4},
                            {"i64", Kind::signed_integer, 8},
                            {"u8", Kind::unsigned_integer, 1},
                            {"u16", Kind::unsigned_integer, 2},
                            {"u32", Kind::unsigned_integer, 4},
                            {"u64", Kind::unsigned_integer, 8},
                            {"f32", Kind::real, 4},
                            {"f64", Kind::real, 8}};
constexpr Word holders[] = {
    {"vector", Kind::vector, 1}, {"optional", Kind::optional, 1}, {"variant", Kind::variant, 0}};

std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<Type> whole() {
    auto type = read(0);
    return type && rest_.empty() ? type : std::nullopt;
  }

 private:
  std::optional<Type> read(unsigned depth) {
    if (depth > deepest) return std::nullopt;
    auto type = read_plain(depth);
    for (unsigned around = depth; type && !rest_.empty();) {
      if (take('[')) {
        if (++around > deepest) return std::nullopt;
        type = array_of(*std::move(type));
      } else if (take('#')) {
        type->schema = take_until(" {}()<>[]#");
        if (type->schema.empty()) return std::nullopt;
      } else {
        break;
      }
    }
    return type;
  }

  std::optional<Type> read_plain(unsigned depth) {
    if (take('{')) return read_aggregate(depth);
    if (take('(')) return read_tuple(depth);
    if (take('^')) {
      const auto levels = number();
      if (!levels || *levels == 0) return std::nullopt;
      return Type{.kind = Kind::outer, .count = *levels};
    }
    const std::string_view word = take_until(" {}()<>[]#,^");
    if (word == "string") return Type{.kind = Kind::string};
    if (word == "bytes") return Type{.kind = Kind::bytes};
    if (word == "opaque") return read_opaque();
    for (const Word& one : scalars) {
      if (one.text == word)
        return Type{.kind = one.kind, .is_trivial = true, .has_layout = true, .size = one.size, .align = one.size};
    }
    for (const Word& one : holders) {
      if (one.text == word) return read_holder(Type{.kind = one.kind}, one.size, depth);
    }
    return std::nullopt;
  }

  std::optional<Type> read_aggregate(unsigned depth) {
    Type type{.kind = Kind::aggregate, .has_layout = true};
    if (!read_parts(type, '}', depth)) return std::nullopt;
    for (const Type& part : type.parts) {
      type.has_layout = type.has_layout && part.has_layout;
      type.size = round_up(type.size, part.align) + part.size;
      type.align = std::max(type.align, part.align);
    }
    type.size = round_up(type.size, type.align);
    return type.size <= largest ? std::optional(std::move(type)) : std::nullopt;
  }

  std::optional<Type> read_tuple(unsigned depth) {
    Type type{.kind = Kind::tuple};
    if (!read_parts(type, ')', depth)) return std::nullopt;
    type.is_trivial = false;
    return type;
  }

  /// `most` types between < and >; 0: any number.
  std::optional<Type> read_holder(Type type, std::uint64_t most, unsigned depth) {
    if (!take('<') || !read_parts(type, '>', depth)) return std::nullopt;
    if (type.kind == Kind::vector) type.is_trivial = false;
    return most == 0 || type.parts.size() <= most ? std::optional(std::move(type)) : std::nullopt;
  }

  bool read_parts(Type& type, char end, unsigned depth) {
    do {
      auto part = read(depth + 1);
      if (!part) return false;
      type.parts.push_back(*std::move(part));
    } while (take(' '));
    type.is_trivial = std::all_of(type.parts.begin(), type.parts.end(), [](const Type& one) { return one.is_trivial; });
    return take(end);
  }

  std::optional<Type> read_opaque() {
    if (!take('(')) return Type{.kind = Kind::coded};
    const auto size = number();
    if (!size || !take(',')) return std::nullopt;
    const auto align = number();
    const bool is_power = align && *align != 0 && (*align & (*align - 1)) == 0 && *align <= 4096;
    if (!is_power || *size > largest || !take(')')) return std::nullopt;
    return Type{.kind = Kind::opaque, .is_trivial = true, .has_layout = true, .size = *size, .align = *align};
  }

  std::optional<Type> array_of(Type element) {
    const auto count = number();
    if (!count || !take(']')) return std::nullopt;
    // Each element costs us something, whatever it holds. No type of C++ that lies in memory holds nothing.
    if (*count > largest / std::max<std::uint64_t>(element.size, 1)) return std::nullopt;
    if (element.has_layout && element.size == 0) return std::nullopt;
    Type type{.kind = Kind::array,
              .count = *count,
              .is_trivial = element.is_trivial,
              .has_layout = element.has_layout,
              .size = element.size * *count,
              .align = element.align};
    type.parts.push_back(std::move(element));
    return type;
  }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take_until(std::string_view ends) {
    const std::string_view word = rest_.substr(0, std::min(rest_.find_first_of(ends), rest_.size()));
    rest_.remove_prefix(word.size());
    return word;
  }
  std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      if (digits == 10) return std::nullopt;
      value = value * 10 + static_cast<std::uint64_t>(rest_[digits] - '0');
    }
    if (digits == 0) return std::nullopt;
    rest_.remove_prefix(digits);
    return value;
  }

  std::string_view rest_;
};

/// Whether every ^n has so many types around it.
bool is_closed(const Type& type, std::uint64_t depth) {
  if (type.kind == Kind::outer) return type.count <= depth;
  return std::all_of(type.parts.begin(), type.parts.end(),
                     [&](const Type& part) { return is_closed(part, depth + 1); });
}

}  // namespace

std::optional<Type> parse_type(std::string_view description) {
  auto type = Parser(description).whole();
  return type && is_closed(*type, 0) ? type : std::nullopt;
}

std::string spoken(const Type& type) {
  for (const Word& one : scalars) {
    if (one.kind == type.kind && one.size == type.size) return std::string(one.text);
  }
  switch (type.kind) {
    case Kind::array:
      if (type.parts.front().kind == Kind::character)
        return "a string of at most " + std::to_string(type.count) + " bytes";
      return "an array of " + std::to_string(type.count) + " elements";
    case Kind::aggregate:
    case Kind::tuple:
      return "an array of " + std::to_string(type.parts.size()) + " members";
    case Kind::string:
      return "a string";
    case Kind::vector:
      return type.parts.front().kind == Kind::character ? "a string" : "an array";
    case Kind::optional:
      return "null or " + spoken(type.parts.front());
    case Kind::variant:
      return "one of " + std::to_string(type.parts.size()) + " alternatives, such as {\"0\": …}";
    case Kind::opaque:
      return "{\"hex\": \"…\"} of " + std::to_string(type.size) + " bytes";
    default:
      return "{\"hex\": \"…\"}";
  }
}

}  // namespace tool
