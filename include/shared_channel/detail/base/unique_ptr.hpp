// Owns an object on the heap, as std::unique_ptr does (compile time: docs/performance.md).
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Owns one object that was made with new, or none.
template <class T>
class UniquePtr {
 public:
  UniquePtr() = default;
  explicit UniquePtr(T* object) noexcept : object_(object) {}
  template <class Derived>
  requires(std::is_convertible_v<Derived*, T*>) UniquePtr(UniquePtr<Derived>&& other)
  noexcept : object_(other.release()) {}
  UniquePtr(UniquePtr&& other) noexcept : object_(other.release()) {}
  UniquePtr& operator=(UniquePtr&& other) noexcept {
    UniquePtr old(std::exchange(object_, other.release()));
    return *this;
  }
  ~UniquePtr() { delete object_; }

  [[nodiscard]] T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

  [[nodiscard]] T* release() noexcept { return std::exchange(object_, nullptr); }
  void reset() noexcept { *this = UniquePtr(); }
  /// Leaves the object to nobody: a fork()ed child may not destroy it, nor a handler the server that it runs in.
  void forget() noexcept { object_ = nullptr; }

 private:
  T* object_ = nullptr;
};

/// The same for an array.
template <class T>
class UniquePtr<T[]> {
 public:
  UniquePtr() = default;
  explicit UniquePtr(std::size_t count) : objects_(new T[count]()) {}
  UniquePtr(UniquePtr&& other) noexcept : objects_(std::exchange(other.objects_, nullptr)) {}
  UniquePtr& operator=(UniquePtr&& other) noexcept {
    std::swap(objects_, other.objects_);
    return *this;
  }
  ~UniquePtr() { delete[] objects_; }

  [[nodiscard]] T* get() const noexcept { return objects_; }
  T& operator[](std::size_t index) const noexcept { return objects_[index]; }

 private:
  T* objects_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
