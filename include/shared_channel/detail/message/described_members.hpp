// The members of an aggregate of up to 32, C arrays included, as types. Counted otherwise than in members.hpp, by which
// codecs take apart what travels in parts: flat structs, which they copy whole, are described too.
#pragma once

#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include <shared_channel/detail/message/members.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <bool are_whole, class... T>
struct DescribedTypes;

inline constexpr std::size_t most_described_members = 32;

/// Converts to unions only. Structured bindings do not know anonymous ones, which cannot be told from others.
struct AnyUnion {
  template <class Member>
  requires(std::is_union_v<Member>) operator Member() const { std::terminate(); }
};

/// Whether T{{}, {}, ..., Last{}} can be written with so many pairs of braces, of which each stands for one member.
template <class T, std::size_t braces, class... Last>
consteval bool takes_braces() {
  if constexpr (braces == 0) {
    return requires { T{Last{}...}; };
  } else if constexpr (braces == 1) {
    return requires { T{{}, Last{}...}; };
  } else if constexpr (braces == 2) {
    return requires { T{{}, {}, Last{}...}; };
  } else if constexpr (braces == 3) {
    return requires { T{{}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 4) {
    return requires { T{{}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 5) {
    return requires { T{{}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 6) {
    return requires { T{{}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 7) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 8) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 9) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 10) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 11) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 12) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 13) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 14) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 15) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 16) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 17) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 18) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 19) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 20) {
    return requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...}; };
  } else if constexpr (braces == 21) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 22) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 23) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 24) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 25) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 26) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},       {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 27) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 28) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},       {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 29) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 30) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},       {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 31) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else if constexpr (braces == 32) {
    return requires {
      T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},       {},
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, Last{}...};
    };
  } else {
    return false;
  }
}

template <class T, std::size_t count>
consteval std::size_t count_braces() {
  if constexpr (takes_braces<T, count + 1>())
    return count_braces<T, count + 1>();
  else
    return count;
}
template <class T, std::size_t... Index>
consteval bool has_union(std::index_sequence<Index...>) {
  return (takes_braces<T, Index, AnyUnion>() || ...);
}

/// How many members T has, if it can be taken apart; else 0.
template <class T>
consteval std::size_t count_described() {
  if constexpr (!std::is_aggregate_v<T> || std::is_union_v<T> || std::is_array_v<T>) {
    return 0;
  } else if constexpr (requires { T{AnyBase<T>{}}; }) {
    return 0;
  } else {
    constexpr std::size_t count = count_braces<T, 0>();
    // If one more is taken, it is a member that {} does not initialise, or the 33rd.
    if constexpr (takes_braces<T, count, AnyMember>() || has_union<T>(std::make_index_sequence<count>{}))
      return 0;
    else
      return count;
  }
}

/// Called at compile time at most: only its type counts. Defined also because Clang 14 misses the definition where a
/// type is local to a file.
template <bool are_whole, class... Member>
constexpr DescribedTypes<are_whole, Member...> types(const Member&...) {
  return {};
}

/// Takes whatever has an address: no bit-fields, not even constant ones, of which a plain reference would take a copy.
template <class... Member>
void refer_to(const volatile Member&...);

// Clang before 16 refuses structured bindings in a requires-expression: there has_bit_fields() looks otherwise.
#if defined(__clang_major__) && __clang_major__ < 16
#define SHARED_CHANNEL_ARE_WHOLE(...) true
#else
#define SHARED_CHANNEL_ARE_WHOLE(...) \
  requires { refer_to(__VA_ARGS__); }
#endif

/// Called at compile time at most: only its type counts.
template <class T, std::size_t count>
constexpr auto described_members(const T& value) {
  if constexpr (count == 1) {
    const auto& [m1] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1)>(m1);
  } else if constexpr (count == 2) {
    const auto& [m1, m2] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2)>(m1, m2);
  } else if constexpr (count == 3) {
    const auto& [m1, m2, m3] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3)>(m1, m2, m3);
  } else if constexpr (count == 4) {
    const auto& [m1, m2, m3, m4] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4)>(m1, m2, m3, m4);
  } else if constexpr (count == 5) {
    const auto& [m1, m2, m3, m4, m5] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5)>(m1, m2, m3, m4, m5);
  } else if constexpr (count == 6) {
    const auto& [m1, m2, m3, m4, m5, m6] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6)>(m1, m2, m3, m4, m5, m6);
  } else if constexpr (count == 7) {
    const auto& [m1, m2, m3, m4, m5, m6, m7] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7)>(m1, m2, m3, m4, m5, m6, m7);
  } else if constexpr (count == 8) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8)>(m1, m2, m3, m4, m5, m6, m7, m8);
  } else if constexpr (count == 9) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9)>(m1, m2, m3, m4, m5, m6, m7, m8, m9);
  } else if constexpr (count == 10) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10)>(m1, m2, m3, m4, m5, m6, m7, m8, m9,
                                                                                    m10);
  } else if constexpr (count == 11) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11)>(m1, m2, m3, m4, m5, m6, m7, m8,
                                                                                         m9, m10, m11);
  } else if constexpr (count == 12) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12);
  } else if constexpr (count == 13) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13);
  } else if constexpr (count == 14) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14);
  } else if constexpr (count == 15) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15);
  } else if constexpr (count == 16) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16);
  } else if constexpr (count == 17) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17);
  } else if constexpr (count == 18) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18)>(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16,
                                                m17, m18);
  } else if constexpr (count == 19) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19)>(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15,
                                                     m16, m17, m18, m19);
  } else if constexpr (count == 20) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20)>(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14,
                                                          m15, m16, m17, m18, m19, m20);
  } else if constexpr (count == 21) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21] =
        value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21)>(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13,
                                                               m14, m15, m16, m17, m18, m19, m20, m21);
  } else if constexpr (count == 22) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22] =
        value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22)>(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12,
                                                                    m13, m14, m15, m16, m17, m18, m19, m20, m21, m22);
  } else if constexpr (count == 23) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23);
  } else if constexpr (count == 24) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24);
  } else if constexpr (count == 25) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25);
  } else if constexpr (count == 26) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26);
  } else if constexpr (count == 27) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26, m27] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26, m27)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26, m27);
  } else if constexpr (count == 28) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26, m27, m28] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26, m27, m28);
  } else if constexpr (count == 29) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26, m27, m28, m29] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26, m27, m28, m29);
  } else if constexpr (count == 30) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26, m27, m28, m29, m30] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26, m27, m28, m29, m30);
  } else if constexpr (count == 31) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26, m27, m28, m29, m30, m31] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26, m27, m28, m29, m30, m31);
  } else if constexpr (count == 32) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22,
                 m23, m24, m25, m26, m27, m28, m29, m30, m31, m32] = value;
    return types<SHARED_CHANNEL_ARE_WHOLE(m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
                                          m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32)>(
        m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19, m20, m21, m22, m23, m24,
        m25, m26, m27, m28, m29, m30, m31, m32);
  }
}

#undef SHARED_CHANNEL_ARE_WHOLE

template <class T>
using DescribedMembers = decltype(described_members<T, count_described<T>()>(std::declval<const T&>()));

template <class T>
inline constexpr bool is_described_aggregate = count_described<T>() != 0;

#if defined(__clang_major__) && __clang_major__ < 16
/// A place where no T is: its members have addresses there, and no values.
template <class T>
union VacantPlace {
  constexpr VacantPlace() noexcept : nothing(0) {}
  char nothing;
  T value;
};
template <class T>
inline constexpr VacantPlace<T> vacant_place{};

/// Whether references to the members can be had at compile time without their values: not to a bit-field, of which the
/// reference is to a copy.
template <class T>
concept HasWholeMembers = requires {
  typename std::bool_constant<(static_cast<void>(described_members<T, count_described<T>()>(vacant_place<T>.value)),
                               true)>;
};
#endif

/// Of a trivially copyable aggregate.
template <class T>
consteval bool has_bit_fields() {
#if defined(__clang_major__) && __clang_major__ < 16
  return !HasWholeMembers<T>;
#else
  return DescribedMembers<T>::has_bit_fields;
#endif
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
