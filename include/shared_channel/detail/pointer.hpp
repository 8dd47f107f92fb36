// Who owns an object on the heap. <memory> offers the same and a hundred times as much: reading that would be an eighth of what
// including this library costs a program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace shared_channel::detail {

/// Owns one object that was made with new, or none.
template <class T>
class Owned {
 public:
  Owned() = default;
  explicit Owned(T* object) noexcept : object_(object) {}
  template <class Derived>
    requires(std::is_convertible_v<Derived*, T*>)
  Owned(Owned<Derived>&& other) noexcept : object_(other.release()) {}
  Owned(Owned&& other) noexcept : object_(other.release()) {}
  Owned& operator=(Owned&& other) noexcept {
    Owned old(std::exchange(object_, other.release()));
    return *this;
  }
  ~Owned() { delete object_; }

  [[nodiscard]] T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

  [[nodiscard]] T* release() noexcept { return std::exchange(object_, nullptr); }
  void reset() noexcept { *this = Owned(); }

 private:
  T* object_ = nullptr;
};

/// The same for an array.
template <class T>
class Owned<T[]> {
 public:
  Owned() = default;
  explicit Owned(std::size_t count) : objects_(new T[count]()) {}
  Owned(Owned&& other) noexcept : objects_(std::exchange(other.objects_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(objects_, other.objects_);
    return *this;
  }
  ~Owned() { delete[] objects_; }

  [[nodiscard]] T* get() const noexcept { return objects_; }
  T& operator[](std::size_t index) const noexcept { return objects_[index]; }

 private:
  T* objects_ = nullptr;
};

/// The base of what is owned by whoever does not know its type.
struct Anything {
  virtual ~Anything() = default;
};

/// The base of what Shared pointers keep.
class Counted {
 public:
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 protected:
  Counted() = default;
  ~Counted() = default;

 private:
  template <class>
  friend class Shared;
  std::atomic<std::uint32_t> holders_{0};
};

/// Owns an object together with the other Shared pointers that lead to it. Distinct ones may be used from distinct threads.
template <class T>
class Shared {
 public:
  Shared() = default;
  Shared(std::nullptr_t) noexcept {}
  explicit Shared(T* object) noexcept : object_(object) { count(object_); }
  Shared(const Shared& other) noexcept : Shared(other.object_) {}
  Shared(Shared&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Shared() {
    // Whoever deletes it has seen all that the other holders did.
    if (object_ != nullptr && object_->Counted::holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object_;
  }

  [[nodiscard]] T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  static void count(T* object) noexcept {
    if (object != nullptr) object->Counted::holders_.fetch_add(1, std::memory_order_relaxed);
  }

  T* object_ = nullptr;
};

}  // namespace shared_channel::detail
