// What codecs are made of: which types are their bytes, and how parts are written one after another and read without
// trust.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <shared_channel/detail/base/address_of.hpp>
#include <shared_channel/detail/base/stored.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

template <class T>
struct Codec;

namespace detail {

/// Types that are trivially copyable and yet only point at their contents.
template <class T>
inline constexpr bool is_view = std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::array<T, N>> = is_view<T>;

/// Types that travel in parts even where they are trivially copyable: of optionals and variants not every value of the
/// bytes is a value; pairs and tuples are trivially copyable in some standard libraries only.
template <class T>
inline constexpr bool is_tagged = false;
template <class A, class B>
inline constexpr bool is_tagged<std::pair<A, B>> = true;
template <class First, class... More>
inline constexpr bool is_tagged<std::tuple<First, More...>> = true;
template <class T>
inline constexpr bool is_tagged<std::optional<T>> = true;
template <class... T>
inline constexpr bool is_tagged<std::variant<T...>> = true;
template <class T, std::size_t N>
inline constexpr bool is_tagged<std::array<T, N>> = is_tagged<T>;

/// Its bytes are the value, unless its author says otherwise with a Codec.
template <class T>
concept Plain = std::is_trivially_copyable_v<T> && !is_view<T> && !is_tagged<T>;

struct FlatCodecTag {};

/// Its bytes are what travels.
template <class T>
concept Flat = Plain<T> && std::is_base_of_v<FlatCodecTag, Codec<T>>;

/// What a complete Codec offers.
template <class T>
concept Encodable = requires(const T& value, std::span<std::byte> out, std::span<const std::byte> in) {
  { Codec<T>::size(value) } -> std::convertible_to<std::size_t>;
  Codec<T>::encode(value, out);
  { Codec<T>::decode(in) } -> std::same_as<std::optional<T>>;
};

/// A part of a message has an Encodable type of its own: checked where it is used, because a type may contain itself.
template <class T>
constexpr bool check_part() {
  static_assert(Flat<T> || Encodable<T>,
                "SharedChannel: every part of a message must be trivially copyable and no pointer or view, or have a "
                "shared_channel::Codec");
  return true;
}

using Length = std::uint32_t;
static_assert(max_message_bytes <= (std::numeric_limits<Length>::max)(), "no part of a message outgrows its length");

/// The sum of sizes; the largest number there is if it is larger.
constexpr std::size_t add_sizes(std::size_t a, std::size_t b) noexcept {
  return a + b < a ? static_cast<std::size_t>(-1) : a + b;
}

/// std::span(data, size), made in a template so that only users of codecs pay for its checks (compile time).
template <class Byte>
std::span<Byte> span_of(Byte* data, std::size_t size) noexcept {
  return {data, size};
}

/// Writes parts one after another; the span was sized by the same parts.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : next_(out.data()) {}

  void raw(const void* data, std::size_t bytes) {
    // No object is larger; without the bound GCC 12 warns of sizes that no sum of sizes reaches.
    constexpr std::size_t largest = ~std::size_t{0} / 2;
    if (bytes != 0 && bytes <= largest) std::memcpy(next_, data, bytes);
    next_ += bytes;
  }
  template <class T>
  void part(const T& value) {
    if constexpr (Flat<T>) {
      raw(address_of(value), sizeof value);
    } else {
      const std::size_t bytes = Codec<T>::size(value);
      const auto length = static_cast<Length>(bytes);
      raw(&length, sizeof length);
      Codec<T>::encode(value, span_of(next_, bytes));
      next_ += bytes;
    }
  }

 private:
  std::byte* next_;
};

template <class T>
std::size_t part_size(const T& value) {
  static_assert(check_part<T>());
  if constexpr (Flat<T>)
    return sizeof value;
  else
    return add_sizes(sizeof(Length), Codec<T>::size(value));
}

/// Whether the bytes may be a value of the flat type T. Only those of a bool can be seen to be none: a byte above 1.
template <class T>
bool is_value(const std::byte* bytes) noexcept {
  if constexpr (std::same_as<std::remove_cv_t<T>, bool>)
    return *bytes <= std::byte{1};
  else
    return true;
}

/// How deep a value may be: parts within parts, and how many bytes of one type within itself.
inline constexpr unsigned deepest_parts = 200;
inline constexpr std::size_t most_bytes_within_itself = 64 * 1024;

/// How deep the calling thread is in parts of parts.
inline unsigned& parts_depth() noexcept {
  thread_local unsigned depth = 0;
  return depth;
}

/// The same, and how often in a part of type T. A type that contains itself would let a hostile frame, nested to its
/// very end, exhaust the stack; the sooner the larger its values are, of which each level holds a few, however few
/// bytes travelled.
template <class T>
class Nesting {
 public:
  Nesting() noexcept { ++parts_depth(), ++within_itself(); }
  ~Nesting() { --parts_depth(), --within_itself(); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

  [[nodiscard]] bool is_too_deep() const noexcept {
    return parts_depth() > deepest_parts || within_itself() > 1 + most_bytes_within_itself / sizeof(T);
  }

 private:
  static std::size_t& within_itself() noexcept {
    thread_local std::size_t depth = 0;
    return depth;
  }
};

/// Reads parts one after another; believes nothing.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : next_(in.data()), left_(in.size()) {}

  [[nodiscard]] bool is_empty() const { return left_ == 0; }

  /// Null if there are not so many. `bytes` is not 0, or something was read before.
  const std::byte* raw(std::size_t bytes) {
    if (bytes > left_) return nullptr;
    const std::byte* const taken = next_;
    next_ += bytes;
    left_ -= bytes;
    return taken;
  }
  /// False if there is none.
  template <class Number>
  bool number(Number& to) {
    const std::byte* const bytes = raw(sizeof to);
    if (bytes != nullptr) std::memcpy(&to, bytes, sizeof to);
    return bytes != nullptr;
  }
  template <class T>
  std::optional<T> part() {
    static_assert(check_part<T>());
    if constexpr (Flat<T>) {
      const std::byte* const bytes = raw(sizeof(T));
      if (bytes == nullptr || !is_value<T>(bytes)) return std::nullopt;
      return flat_from<T>(bytes);
    } else {
      Length length;
      if (!number(length)) return std::nullopt;
      const std::byte* const bytes = raw(length);
      const Nesting<T> nesting;
      if (bytes == nullptr || nesting.is_too_deep()) return std::nullopt;
      return Codec<T>::decode(span_of(bytes, length));
    }
  }

 private:
  const std::byte* next_;
  std::size_t left_;
};

}  // namespace detail
}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
