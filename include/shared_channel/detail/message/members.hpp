// The members of a small aggregate, counted and visited without macros or help from its author. Up to 8, as codec.hpp
// says: a codec needs references to them, of which a binding is spelled out for each number. Here an array's elements
// count as members; described_members.hpp counts an array as one, and further, but knows only types.
#pragma once

#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Converts to anything: stands for one member in braces, so that counting how many fit counts the members. Never
/// called; defined only because Clang 14 misses the definition where the member's type is local to a file.
struct AnyMember {
  // A std::tuple would take it for the allocator's tag, and Clang does not survive what it then tries.
  template <class Member>
  requires(!std::is_same_v<Member, std::allocator_arg_t>) operator Member() const { std::terminate(); }
};
/// Converts to the base classes of T only: these come first in braces.
template <class T>
struct AnyBase {
  template <class Base>
  requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>) operator Base() const { std::terminate(); }
};

inline constexpr std::size_t most_members = 8;

template <class T, class... Members>
consteval std::size_t count_members() {
  if constexpr (sizeof...(Members) > most_members) {
    return sizeof...(Members);
  } else if constexpr (requires { T{Members{}..., AnyMember{}}; }) {
    return count_members<T, Members..., AnyMember>();
  } else {
    return sizeof...(Members);
  }
}

/// Whether T{`before` values, {`braced` values}, `after` values} can be written.
template <class T, std::size_t... Before, std::size_t... Braced, std::size_t... After>
consteval bool takes(std::index_sequence<Before...>, std::index_sequence<Braced...>, std::index_sequence<After...>) {
  [[maybe_unused]] constexpr auto any = [](std::size_t) { return AnyMember{}; };
  return requires { T{any(Before)..., {any(Braced)...}, any(After)...}; };
}
template <class T, std::size_t before, std::size_t braced, std::size_t after>
consteval bool takes() {
  return takes<T>(std::make_index_sequence<before>{}, std::make_index_sequence<braced>{},
                  std::make_index_sequence<after>{});
}

/// Whether a member is an array T[n], whose elements count as members above: n values in braces then use up n of them.
template <class T, std::size_t at = 0, std::size_t elements = 2>
consteval bool has_array() {
  constexpr std::size_t count = count_members<T>();
  if constexpr (at >= count) {
    return false;
  } else if constexpr (at + elements > count) {
    return has_array<T, at + 1, 2>();
  } else if constexpr (takes<T, at, elements, count - at - elements>() &&
                       !takes<T, at, elements, count - at - elements + 1>()) {
    return true;
  } else {
    return has_array<T, at, elements + 1>();
  }
}

/// Calls `visitor` with references to all members of `value`, in order.
template <class T, class Visitor>
decltype(auto) visit_members(const T& value, Visitor&& visitor) {
  constexpr std::size_t count = count_members<T>();
  if constexpr (count == 1) {
    const auto& [a] = value;
    return visitor(a);
  } else if constexpr (count == 2) {
    const auto& [a, b] = value;
    return visitor(a, b);
  } else if constexpr (count == 3) {
    const auto& [a, b, c] = value;
    return visitor(a, b, c);
  } else if constexpr (count == 4) {
    const auto& [a, b, c, d] = value;
    return visitor(a, b, c, d);
  } else if constexpr (count == 5) {
    const auto& [a, b, c, d, e] = value;
    return visitor(a, b, c, d, e);
  } else if constexpr (count == 6) {
    const auto& [a, b, c, d, e, f] = value;
    return visitor(a, b, c, d, e, f);
  } else if constexpr (count == 7) {
    const auto& [a, b, c, d, e, f, g] = value;
    return visitor(a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    const auto& [a, b, c, d, e, f, g, h] = value;
    return visitor(a, b, c, d, e, f, g, h);
  }
}

/// Their types, as std::type_identity<std::tuple<...>>. No lambda here: Clang 14 fails on one in a precompiled header.
struct TypesOf {
  template <class... Member>
  std::type_identity<std::tuple<Member...>> operator()(const Member&...) const {
    return {};
  }
};
template <class T>
using MemberTypes = decltype(visit_members(std::declval<const T&>(), TypesOf{}));

/// Members of a base class have no place in a structured binding, arrays cannot be returned by a decoder, references
/// (which cannot be assigned) would dangle.
template <class T>
consteval bool has_few_members() {
  if constexpr (!std::is_aggregate_v<T> || std::is_array_v<T> || !std::is_move_assignable_v<T>) {
    return false;
  } else if constexpr (requires { T{AnyBase<T>{}}; } || count_members<T>() == 0 || count_members<T>() > most_members ||
                       has_array<T>()) {
    return false;
  } else {
    return []<class... Member>(std::type_identity<std::tuple<Member...>>) {
      return (!std::is_array_v<Member> && ...);
    }(MemberTypes<T>{});
  }
}

template <class T>
inline constexpr bool is_small_aggregate = has_few_members<T>();

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
