// Owns an object together with others, as std::shared_ptr does, with the count inside the object (compile time:
// docs/performance.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The base of what RefPtr pointers keep.
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

 private:
  template <class>
  friend class RefPtr;
  std::atomic<std::uint32_t> holders_{0};
};

/// Owns an object together with the other RefPtr pointers that lead to it. Distinct ones may be used from distinct
/// threads.
template <class T>
class RefPtr {
 public:
  RefPtr() = default;
  RefPtr(std::nullptr_t) noexcept {}
  explicit RefPtr(T* object) noexcept : object_(object) { count(object_); }
  RefPtr(const RefPtr& other) noexcept : RefPtr(other.object_) {}
  RefPtr(RefPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  RefPtr& operator=(RefPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefPtr() {
    if (object_ != nullptr && is_last(object_->RefCounted::holders_)) delete object_;
  }

  [[nodiscard]] T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

  /// Leaves its share of the object to nobody, for the child of a fork() that may not destroy it.
  void forget() noexcept { object_ = nullptr; }

  /// Has the object stay until the process ends.
  void keep() const noexcept { count(object_); }

  [[nodiscard]] std::uint32_t holders() const noexcept {
    return object_->RefCounted::holders_.load(std::memory_order_acquire);
  }

 private:
  static void count(T* object) noexcept {
    if (object != nullptr) object->RefCounted::holders_.fetch_add(1, std::memory_order_relaxed);
  }
  /// The last holder, which deletes the object, sees all that the others did to it. If there is but one, nobody else
  /// can count it, and nothing has to be written.
  static bool is_last(std::atomic<std::uint32_t>& holders) noexcept {
    return holders.load(std::memory_order_acquire) == 1 || holders.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  T* object_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
