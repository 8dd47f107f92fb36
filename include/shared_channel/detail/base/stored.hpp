// How a Result keeps its value: in place if it is small, else on the heap.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include <shared_channel/detail/base/address_of.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// A flat value from its bytes; it need not be default-constructible.
template <class T>
T flat_from(const std::byte* bytes) {
  alignas(T) std::byte copy[sizeof(T)];
  std::memcpy(copy, bytes, sizeof(T));
  return std::move(*std::launder(reinterpret_cast<T*>(copy)));
}

/// Tag: make the value from the bytes of a message in shared memory.
struct FromBytes {
  /// For types that let us alone make them so, such as Result.
  template <class Made>
  [[nodiscard]] Made make() const {
    return Made(*this);
  }

  const std::byte* bytes;
};

/// A value held in place.
template <class T>
class InPlace {
 public:
  explicit InPlace(T&& value) : value_(std::move(value)) {}
  explicit InPlace(const T& value) : value_(value) {}
  explicit InPlace(FromBytes from) : InPlace(from, std::is_trivially_default_constructible<T>{}) {}

  T* get() noexcept { return address_of(value_); }
  const T* get() const noexcept { return address_of(value_); }

 private:
  InPlace(FromBytes from, std::true_type) {
    std::memcpy(static_cast<void*>(address_of(value_)), from.bytes, sizeof(T));
  }
  InPlace(FromBytes from, std::false_type) : value_(flat_from<T>(from.bytes)) {}

  T value_;
};

/// A value on the heap: a message of many MiB must not live on a thread's stack. The heap is the global one: a type may
/// have an operator new of its own, but memory that a copy of bytes fills does not come from that, nor may go back to
/// it.
template <class T>
class OnHeap {
 public:
  explicit OnHeap(T&& value) : value_(::new T(std::move(value))) {}
  explicit OnHeap(const T& value) : value_(::new T(value)) {}
  explicit OnHeap(FromBytes from) : value_(copied(from)) {}
  OnHeap(const OnHeap& other) : value_(other.value_ != nullptr ? ::new T(*other.value_) : nullptr) {}
  OnHeap(OnHeap&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  OnHeap& operator=(OnHeap&&) = delete;
  ~OnHeap() { ::delete value_; }

  T* get() noexcept { return value_; }
  const T* get() const noexcept { return value_; }

 private:
  // Trivially copyable types are made by copying their bytes; `::delete` then matches this `new`.
  static T* copied(FromBytes from) {
    void* raw;
    if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
      raw = ::operator new (sizeof(T), std::align_val_t{alignof(T)});
    } else {
      raw = ::operator new(sizeof(T));
    }
    std::memcpy(raw, from.bytes, sizeof(T));
    return std::launder(static_cast<T*>(raw));
  }

  T* value_;  // null: moved from
};

inline constexpr std::size_t largest_in_place = 64 * 1024;

template <class T>
using Stored = std::conditional_t<(sizeof(T) <= largest_in_place), InPlace<T>, OnHeap<T>>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
