// The codecs that are built in; codec.hpp tells their format.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <shared_channel/detail/base/address_of.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/message/codec_parts.hpp>
#include <shared_channel/detail/message/members.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class T>
struct FlatCodec : FlatCodecTag {
  static std::size_t size(const T&) { return sizeof(T); }
  static void encode(const T& value, std::span<std::byte> out) {
    std::memcpy(out.data(), address_of(value), sizeof(T));
  }
  static std::optional<T> decode(std::span<const std::byte> in) {
    if (in.size() != sizeof(T) || !is_value<T>(in.data())) return std::nullopt;
    return flat_from<T>(in.data());
  }
};

/// std::string and std::vector of flat elements.
template <class Container>
struct ContiguousCodec {
  using Element = typename Container::value_type;
  static std::size_t size(const Container& value) { return value.size() * sizeof(Element); }
  static void encode(const Container& value, std::span<std::byte> out) { Writer(out).raw(value.data(), size(value)); }
  static std::optional<Container> decode(std::span<const std::byte> in) {
    if (in.size() % sizeof(Element) != 0) return std::nullopt;
    Container value;
    if constexpr (std::is_trivially_default_constructible_v<Element>) {
      value.resize(in.size() / sizeof(Element));
      if (!in.empty()) std::memcpy(static_cast<void*>(value.data()), in.data(), in.size());
    } else {
      value.reserve(in.size() / sizeof(Element));
      for (std::size_t at = 0; at < in.size(); at += sizeof(Element))
        value.push_back(flat_from<Element>(in.data() + at));
    }
    return value;
  }
};

/// std::vector of anything else (and of bool, which has no contiguous elements).
template <class Container>
struct SequenceCodec {
  using T = typename Container::value_type;
  static std::size_t size(const Container& values) {
    std::size_t bytes = 0;
    for (const T& value : values) bytes = add_sizes(bytes, part_size<T>(value));
    return bytes;
  }
  static void encode(const Container& values, std::span<std::byte> out) {
    Writer writer(out);
    for (const T& value : values) writer.part<T>(value);
  }
  static std::optional<Container> decode(std::span<const std::byte> in) {
    Container values;
    for (Reader reader(in); !reader.is_empty();) {
      auto value = reader.part<T>();
      if (!value) return std::nullopt;
      values.push_back(*std::move(value));
    }
    return values;
  }
};

/// A type with a fixed list of parts: Parts::Types are theirs, `tie(value, f)` calls f with all of them, and
/// `make(parts...)` puts a value together.
template <class T, class Parts>
struct PartsCodec {
  static std::size_t size(const T& value) {
    std::size_t bytes = 0;
    Parts::tie(value, [&](const auto&... part) { ((bytes = add_sizes(bytes, part_size(part))), ...); });
    return bytes;
  }
  static void encode(const T& value, std::span<std::byte> out) {
    Writer writer(out);
    Parts::tie(value, [&](const auto&... part) { (writer.part(part), ...); });
  }
  static std::optional<T> decode(std::span<const std::byte> in) { return decode(in, typename Parts::Types{}); }

 private:
  template <class... Part>
  static std::optional<T> decode(std::span<const std::byte> in, std::type_identity<std::tuple<Part...>>) {
    Reader reader(in);
    bool good = true;
    // Braces: the parts are read in order.
    std::tuple<std::optional<Part>...> parts{next<Part>(reader, good)...};
    if (!good || !reader.is_empty()) return std::nullopt;
    return std::apply([](auto&&... part) { return Parts::make(*std::move(part)...); }, std::move(parts));
  }
  template <class Part>
  static std::optional<Part> next(Reader& reader, bool& good) {
    if (!good) return std::nullopt;
    std::optional<Part> part = reader.part<Part>();
    good = part.has_value();
    return part;
  }
};

/// std::array, however long.
template <class T, std::size_t N>
struct ArrayCodec : SequenceCodec<std::array<T, N>> {
  static std::optional<std::array<T, N>> decode(std::span<const std::byte> in) {
    Reader reader(in);
    const auto values = UniquePtr<std::optional<T>[]>(N);
    for (std::size_t i = 0; i < N; ++i) {
      values[i] = reader.part<T>();
      if (!values[i]) return std::nullopt;
    }
    if (!reader.is_empty()) return std::nullopt;
    return gather(values.get(), std::make_index_sequence<N>{});
  }

 private:
  template <std::size_t... Index>
  static std::array<T, N> gather([[maybe_unused]] std::optional<T>* values, std::index_sequence<Index...>) {
    return {*std::move(values[Index])...};
  }
};

/// std::pair, std::tuple.
template <class T, class Indices = std::make_index_sequence<std::tuple_size_v<T>>>
struct TupleParts;
template <class T, std::size_t... Index>
struct TupleParts<T, std::index_sequence<Index...>> {
  using Types = std::type_identity<std::tuple<std::tuple_element_t<Index, T>...>>;
  template <class F>
  static decltype(auto) tie(const T& value, F&& f) {
    return f(std::get<Index>(value)...);
  }
  template <class... Part>
  static T make(Part&&... part) {
    return T{std::forward<Part>(part)...};
  }
};

/// An aggregate of up to 8 members.
template <class T>
struct AggregateParts {
  using Types = MemberTypes<T>;
  template <class F>
  static decltype(auto) tie(const T& value, F&& f) {
    return visit_members(value, std::forward<F>(f));
  }
  template <class... Part>
  static T make(Part&&... part) {
    return T{std::forward<Part>(part)...};
  }
};

template <class T>
struct OptionalCodec {
  static std::size_t size(const std::optional<T>& value) { return add_sizes(1, value ? part_size<T>(*value) : 0); }
  static void encode(const std::optional<T>& value, std::span<std::byte> out) {
    Writer writer(out);
    writer.part(static_cast<std::uint8_t>(value.has_value()));
    if (value) writer.part<T>(*value);
  }
  static std::optional<std::optional<T>> decode(std::span<const std::byte> in) {
    Reader reader(in);
    std::uint8_t present;
    if (!reader.number(present) || present > 1) return std::nullopt;
    std::optional<T> value;
    if (present == 1) {
      value = reader.part<T>();
      if (!value) return std::nullopt;
    }
    if (!reader.is_empty()) return std::nullopt;
    return std::optional<std::optional<T>>(std::in_place, std::move(value));
  }
};

template <class... T>
struct VariantCodec {
  using Variant = std::variant<T...>;
  static std::size_t size(const Variant& value) {
    return add_sizes(sizeof(Length), std::visit([](const auto& held) { return part_size(held); }, value));
  }
  static void encode(const Variant& value, std::span<std::byte> out) {
    Writer writer(out);
    writer.part(static_cast<Length>(value.index()));
    std::visit([&](const auto& held) { writer.part(held); }, value);
  }
  static std::optional<Variant> decode(std::span<const std::byte> in) {
    Reader reader(in);
    Length index;
    if (!reader.number(index) || index >= sizeof...(T)) return std::nullopt;
    std::optional<Variant> value;
    read(reader, index, value, std::index_sequence_for<T...>{});
    if (!reader.is_empty()) return std::nullopt;
    return value;
  }

 private:
  template <std::size_t... Index>
  static void read(Reader& reader, std::size_t index, std::optional<Variant>& value, std::index_sequence<Index...>) {
    const auto alternative = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
      if (auto part = reader.part<std::variant_alternative_t<N, Variant>>())
        value.emplace(std::in_place_index<N>, *std::move(part));
    };
    ((index == Index ? alternative(std::integral_constant<std::size_t, Index>{}) : void()), ...);
  }
};

/// Nothing for a type that is not known: it is then not Encodable.
template <class T>
struct BuiltinCodec {};
template <Plain T>
struct BuiltinCodec<T> : FlatCodec<T> {};
template <class C, class Traits, class A>
struct BuiltinCodec<std::basic_string<C, Traits, A>> : ContiguousCodec<std::basic_string<C, Traits, A>> {};
template <class T, class A>
struct BuiltinCodec<std::vector<T, A>> : SequenceCodec<std::vector<T, A>> {};
template <class T, class A>
requires(Flat<T> && !std::same_as<T, bool>) struct BuiltinCodec<std::vector<T, A>>
    : ContiguousCodec<std::vector<T, A>> {
};
template <class T, std::size_t N>
requires(!Plain<std::array<T, N>>) struct BuiltinCodec<std::array<T, N>> : ArrayCodec<T, N> {
};
template <class A, class B>
requires(!Plain<std::pair<A, B>>) struct BuiltinCodec<std::pair<A, B>>
    : PartsCodec<std::pair<A, B>, TupleParts<std::pair<A, B>>> {
};
template <class... T>
requires(!Plain<std::tuple<T...>>) struct BuiltinCodec<std::tuple<T...>>
    : PartsCodec<std::tuple<T...>, TupleParts<std::tuple<T...>>> {
};
template <class T>
struct BuiltinCodec<std::optional<T>> : OptionalCodec<T> {};
template <class... T>
struct BuiltinCodec<std::variant<T...>> : VariantCodec<T...> {};
template <class T>
requires(!std::is_trivially_copyable_v<T> && is_small_aggregate<T>) struct BuiltinCodec<T>
    : PartsCodec<T, AggregateParts<T>> {
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
