// Makes the description of a type, at compile time; shared_channel/description.hpp has its grammar.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <shared_channel/channel.hpp>
#include <shared_channel/codec.hpp>
#include <shared_channel/detail/message/described_members.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Counts characters and writes those that there is room for: what is taken back later may be longer than the result.
struct DescriptionWriter {
  char* out = nullptr;
  std::size_t room = 0;
  std::size_t size = 0;

  constexpr void put(char c) {
    if (size < room) out[size] = c;
    ++size;
  }
  constexpr void put(std::string_view text) {
    for (const char c : text) put(c);
  }
  constexpr void put(std::size_t number) {
    if (number > 9) put(number / 10);
    put(static_cast<char>('0' + number % 10));
  }
};

constexpr std::size_t rounded_up(std::size_t size, std::size_t align) { return (size + align - 1) / align * align; }

/// The room that a type takes by natural alignment. Types of variable length have no extent of their own.
struct Extent {
  std::size_t size = 0;
  std::size_t align = 1;
  bool is_natural = true;  // each member lies where natural alignment puts it

  /// Adds a member, which this compiler's layout puts at `place` if it has the size and alignment of its type.
  constexpr void add(Extent next, std::size_t place) {
    const std::size_t naturally = rounded_up(size, next.align);
    align = align < next.align ? next.align : align;
    is_natural = is_natural && naturally == place;
    size = naturally + next.size;
  }
  [[nodiscard]] constexpr std::size_t padded() const { return rounded_up(size, align); }
};

template <class T>
constexpr std::string_view scalar_name() {
  if constexpr (std::same_as<T, bool>)
    return "bool";
  else if constexpr (std::same_as<T, char>)
    return "char";
  else if constexpr (std::same_as<T, float> && sizeof(T) == 4)
    return "f32";
  else if constexpr (std::same_as<T, double> && sizeof(T) == 8)
    return "f64";
  else if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
    // wchar_t is signed on some systems only
    constexpr bool is_signed = std::is_signed_v<T> && !std::same_as<T, wchar_t>;
    constexpr std::string_view names[] = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"};
    return names[(sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3) + (is_signed ? 4 : 0)];
  } else {
    return {};
  }
}

/// The type behind an enumeration; of one without a fixed type, for which compilers choose differently, the signed one
/// of its size.
template <class T>
constexpr std::string_view enumeration_name() {
  if constexpr (requires { T{0}; })
    return scalar_name<std::underlying_type_t<T>>();
  else
    return scalar_name<std::make_signed_t<T>>();
}

/// Writes T's description; `Outer` are the types around it, the nearest first.
template <class T, class... Outer>
constexpr Extent describe(DescriptionWriter& writer);

/// `are_whole`: none is a bit-field.
template <bool are_whole, class... T>
struct DescribedTypes {
  static constexpr bool has_bit_fields = !are_whole;
  static constexpr bool are_trivially_copyable = (std::is_trivially_copyable_v<T> && ...);

  /// All of them, with spaces between.
  template <class... Outer>
  static constexpr Extent describe_all(DescriptionWriter& writer) {
    Extent all;
    std::size_t end = 0;  // of the members so far, as this compiler lays them out
    bool is_first = true;
    const auto next = [&](auto of) {
      using Member = typename decltype(of)::type;
      if (!is_first) writer.put(' ');
      is_first = false;
      const std::size_t place = rounded_up(end, alignof(Member));
      all.add(describe<Member, Outer...>(writer), place);
      end = place + sizeof(Member);
    };
    (next(std::type_identity<T>{}), ...);
    return all;
  }
};

template <class T>
constexpr Extent describe_opaque(DescriptionWriter& writer) {
  writer.put("opaque(");
  writer.put(sizeof(T));
  writer.put(',');
  writer.put(alignof(T));
  writer.put(')');
  return {sizeof(T), alignof(T)};
}

template <class T, class... Outer>
constexpr Extent describe_aggregate(DescriptionWriter& writer) {
  // Nothing but the brackets tells such a struct from one that travels as its bytes.
  constexpr bool is_in_parts = !std::is_trivially_copyable_v<T> && DescribedMembers<T>::are_trivially_copyable;
  const std::size_t start = writer.size;
  writer.put(is_in_parts ? '(' : '{');
  const Extent extent = DescribedMembers<T>::template describe_all<T, Outer...>(writer);
  writer.put(is_in_parts ? ')' : '}');
  bool lies_as_described = true;  // what travels part by part may lie as it likes
  if constexpr (std::is_trivially_copyable_v<T>)
    lies_as_described = extent.is_natural && extent.padded() == sizeof(T) && !has_bit_fields<T>();
  if (lies_as_described) return {extent.padded(), extent.align};
  writer.size = start;
  return describe_opaque<T>(writer);
}

/// What the standard's templates of messages are called, and what they hold.
template <class T>
struct Compound {};
template <class C, class Traits, class A>
struct Compound<std::basic_string<C, Traits, A>> {
  template <class... Outer>
  static constexpr void describe_it(DescriptionWriter& writer) {
    if constexpr (std::same_as<C, char>) {
      writer.put("string");
    } else {
      Compound<std::vector<C>>::template describe_it<Outer...>(writer);
    }
  }
};
template <class T, class... Held>
struct CompoundOf {
  template <class... Outer>
  static constexpr void describe_as(DescriptionWriter& writer, std::string_view open, char close) {
    writer.put(open);
    DescribedTypes<true, Held...>::template describe_all<T, Outer...>(writer);
    writer.put(close);
  }
};
template <class T, class A>
struct Compound<std::vector<T, A>> : CompoundOf<std::vector<T, A>, T> {
  template <class... Outer>
  static constexpr void describe_it(DescriptionWriter& writer) {
    Compound::template describe_as<Outer...>(writer, "vector<", '>');
  }
};
template <class T>
struct Compound<std::optional<T>> : CompoundOf<std::optional<T>, T> {
  template <class... Outer>
  static constexpr void describe_it(DescriptionWriter& writer) {
    Compound::template describe_as<Outer...>(writer, "optional<", '>');
  }
};
template <class... T>
struct Compound<std::variant<T...>> : CompoundOf<std::variant<T...>, T...> {
  template <class... Outer>
  static constexpr void describe_it(DescriptionWriter& writer) {
    Compound::template describe_as<Outer...>(writer, "variant<", '>');
  }
};
// A pair or tuple that were trivially copyable, as std::tuple<> is, would travel as bytes whose order is the library's
// own: opaque.
template <class A, class B>
requires(!Plain<std::pair<A, B>>) struct Compound<std::pair<A, B>> : CompoundOf<std::pair<A, B>, A, B> {
  template <class... Outer>
  static constexpr void describe_it(DescriptionWriter& writer) {
    Compound::template describe_as<Outer...>(writer, "(", ')');
  }
};
template <class... T>
requires(!Plain<std::tuple<T...>>) struct Compound<std::tuple<T...>> : CompoundOf<std::tuple<T...>, T...> {
  template <class... Outer>
  static constexpr void describe_it(DescriptionWriter& writer) {
    Compound::template describe_as<Outer...>(writer, "(", ')');
  }
};

template <class T, class... Outer>
concept IsCompound = requires(DescriptionWriter& writer) {
  Compound<T>::template describe_it<Outer...>(writer);
};

/// The elements of an array, as std::type_identity; nothing for other types.
template <class T>
struct Elements {};
template <class T, std::size_t n>
struct Elements<T[n]> : std::type_identity<T> {
  static constexpr std::size_t count = n;
};
template <class T, std::size_t n>
struct Elements<std::array<T, n>> : std::type_identity<T> {
  static constexpr std::size_t count = n;
};

/// Whether T travels by a Codec of the user's: not as a part of what lies in messages as in memory.
template <class T, class... Outer>
consteval bool has_own_codec() {
  if constexpr (std::is_arithmetic_v<T> || std::is_array_v<T> || (Flat<Outer> || ...))
    return false;
  else
    return !std::is_base_of_v<BuiltinCodec<T>, Codec<T>>;
}

template <class T, class... Outer>
constexpr Extent describe_bare(DescriptionWriter& writer) {
  if constexpr (has_own_codec<T, Outer...>()) {
    writer.put("opaque");
    return {sizeof(T), alignof(T)};
  } else if constexpr (std::is_enum_v<T>) {
    writer.put(enumeration_name<T>());
    return {sizeof(T), sizeof(T)};
  } else if constexpr (!scalar_name<T>().empty()) {
    writer.put(scalar_name<T>());
    return {sizeof(T), sizeof(T)};
  } else if constexpr (requires { Elements<T>::count; }) {
    const Extent element = describe<typename Elements<T>::type, T, Outer...>(writer);
    writer.put('[');
    writer.put(Elements<T>::count);
    writer.put(']');
    return {element.size * Elements<T>::count, element.align};
  } else if constexpr (IsCompound<T, Outer...>) {
    Compound<T>::template describe_it<Outer...>(writer);
    return {sizeof(T), alignof(T)};
  } else if constexpr (is_described_aggregate<T>) {
    return describe_aggregate<T, Outer...>(writer);
  } else {
    return describe_opaque<T>(writer);
  }
}

template <class T, class... Outer>
constexpr Extent describe(DescriptionWriter& writer) {
  if constexpr (!std::same_as<T, std::remove_cv_t<T>>) {
    return describe<std::remove_cv_t<T>, Outer...>(writer);
  } else if constexpr (std::same_as<T, Bytes>) {
    writer.put("bytes");
    return {};
  } else if constexpr ((std::same_as<T, Outer> || ...)) {
    std::size_t out = 1;
    static_cast<void>(((std::same_as<T, Outer> ? true : (++out, false)) || ...));
    writer.put('^');
    writer.put(out);
    return {};
  } else {
    const Extent extent = describe_bare<T, Outer...>(writer);
    if constexpr (requires {
                    { T::schema } -> std::convertible_to<std::string_view>;
                    requires !std::is_member_object_pointer_v<decltype(&T::schema)>;
                  }) {
      writer.put('#');
      writer.put(std::string_view(T::schema));
    }
    return extent;
  }
}

template <class T>
consteval std::size_t description_size() {
  DescriptionWriter writer;
  describe<T>(writer);
  return writer.size;
}
template <class T>
consteval auto description_text() {
  std::array<char, description_size<T>()> text{};
  DescriptionWriter writer{text.data(), text.size()};
  describe<T>(writer);
  return text;
}
template <class T>
inline constexpr auto description = description_text<T>();

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
