// A value or an Error. Our own type in every language mode, so that its meaning and its ABI never
// depend on which standard a user compiles with.
#pragma once

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include <shared_channel/detail/base/stored.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

namespace detail {

/// Ends in a ChannelException; without exceptions in the message on stderr and abort().
template <class Failure>
[[noreturn]] void throw_error(Failure error) {
#if defined(__cpp_exceptions)
  throw ChannelException(std::move(error));
#else
  std::fprintf(stderr, "%s\n", error.message().c_str());
  std::abort();
#endif
}

}  // namespace detail

/// Either a T or the Error that took its place. Large values are kept on the heap.
/// Distinct objects may be used from distinct threads; one object is not synchronised.
template <class T>
class [[nodiscard]] Result {
  using Value = detail::Stored<T>;

 public:
  using value_type = T;

  Result(T&& value) : has_value_(true), value_(std::move(value)) {}     // NOLINT: implicit on purpose
  Result(const T& value) : has_value_(true), value_(value) {}           // NOLINT
  Result(Error error) : has_value_(false), error_(std::move(error)) {}  // NOLINT

  Result(Result&& other) noexcept : has_value_(other.has_value_) { construct(std::move(other)); }
  Result(const Result& other) requires(std::is_copy_constructible_v<T>) : has_value_(other.has_value_) {
    construct(other);
  }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      destroy();
      has_value_ = other.has_value_;
      construct(std::move(other));
    }
    return *this;
  }
  Result& operator=(const Result& other) requires(std::is_copy_constructible_v<T>) { return *this = Result(other); }
  ~Result() { destroy(); }

  /// False: error() says why there is no value.
  [[nodiscard]] bool has_value() const noexcept { return has_value_; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// Precondition: has_value().
  [[nodiscard]] T& operator*() & noexcept { return *pointer(); }
  [[nodiscard]] const T& operator*() const& noexcept { return *pointer(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*pointer()); }
  [[nodiscard]] T* operator->() noexcept { return pointer(); }
  [[nodiscard]] const T* operator->() const noexcept { return pointer(); }

  /// The value, or a ChannelException with the error (without exceptions: its message and abort()).
  [[nodiscard]] T& value() & { return require_value(), **this; }
  [[nodiscard]] const T& value() const& { return require_value(), **this; }
  [[nodiscard]] T&& value() && { return require_value(), std::move(**this); }

  /// The value, or `other` if there is none.
  template <class U>
  [[nodiscard]] T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }
  template <class U>
  [[nodiscard]] T value_or(U&& other) && {
    return has_value() ? std::move(**this) : static_cast<T>(std::forward<U>(other));
  }

  /// Precondition: !has_value().
  [[nodiscard]] const Error& error() const& noexcept {
    assert(!has_value());
    return error_;
  }
  [[nodiscard]] Error&& error() && noexcept {
    assert(!has_value());
    return std::move(error_);
  }

 private:
  friend detail::FromBytes;
  explicit Result(detail::FromBytes bytes) : has_value_(true), value_(bytes) {}

  T* pointer() noexcept {
    assert(has_value());
    return value_.get();
  }
  const T* pointer() const noexcept {
    assert(has_value());
    return value_.get();
  }
  void require_value() const {
    if (!has_value()) detail::throw_error<Error>(error());
  }

  template <class Other>
  void construct(Other&& other) {
    if (has_value_)
      ::new (static_cast<void*>(&value_)) Value(std::forward<Other>(other).value_);
    else
      ::new (static_cast<void*>(&error_)) Error(std::forward<Other>(other).error_);
  }
  void destroy() noexcept {
    if (has_value_)
      value_.~Value();
    else
      error_.~Error();
  }

  // A union of our own, not a std::variant (compile time: docs/performance.md).
  bool has_value_;
  union {
    Value value_;
    Error error_;
  };
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(new Error(std::move(error))) {}  // NOLINT: implicit on purpose
  Result(const Result& other) : error_(other.error_ != nullptr ? new Error(*other.error_) : nullptr) {}
  Result(Result&& other) noexcept : error_(std::exchange(other.error_, nullptr)) {}
  Result& operator=(Result&& other) noexcept {
    std::swap(error_, other.error_);
    return *this;
  }
  Result& operator=(const Result& other) { return *this = Result(other); }
  ~Result() { delete error_; }

  /// False: error() says why.
  [[nodiscard]] bool has_value() const noexcept { return error_ == nullptr; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  /// Precondition: has_value().
  void operator*() const noexcept { assert(has_value()); }

  /// Nothing, or a ChannelException with the error (without exceptions: its message and abort()).
  void value() const {
    if (!has_value()) detail::throw_error<Error>(*error_);
  }

  /// Precondition: !has_value().
  [[nodiscard]] const Error& error() const& noexcept {
    assert(!has_value());
    return *error_;
  }
  [[nodiscard]] Error&& error() && noexcept {
    assert(!has_value());
    return std::move(*error_);
  }

 private:
  Error* error_ = nullptr;  // one pointer, so that success costs nothing to return
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
