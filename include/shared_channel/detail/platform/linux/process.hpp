// The process itself: its id, its cores, and whether it is the child of a fork().
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <mutex>
#include <string>

#include <shared_channel/detail/deadline.hpp>

namespace shared_channel::detail::platform {

inline std::uint32_t process_id() noexcept { return static_cast<std::uint32_t>(::getpid()); }

/// Distinguishes one server generation from every other; nothing is kept secret by it.
inline std::uint64_t random_number() noexcept {
  std::uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
  }
  return number;
}

/// Linux tells a dead server by its beacon, not by process id; there is no birth to compare.
inline std::uint64_t process_birth() noexcept { return 0; }

/// The user that the process runs as, in decimal; empty if the system does not tell.
inline std::string user_of(std::uint32_t process) {
  struct stat status {};
  if (::stat(("/proc/" + std::to_string(process)).c_str(), &status) != 0) return {};
  return std::to_string(status.st_uid);
}

/// Cores that the calling thread may run on.
inline unsigned usable_cores() noexcept {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return CPU_SETSIZE;  // more than the set can tell
  return static_cast<unsigned>(CPU_COUNT(&cores));
}

/// Waits without a reason to be woken: for retries whose moment nobody announces.
inline void rest(nanoseconds time) noexcept {
  const timespec duration{static_cast<time_t>(time.count() / 1'000'000'000), static_cast<long>(time.count() % 1'000'000'000)};
  ::nanosleep(&duration, nullptr);
}

/// What a fork()ed child must not keep: descriptors whose locks stand for the parent's life, and the mappings that hold on
/// to the same open file descriptions. An inherited lock would outlive the parent and make it look alive. In place of
/// a mapping the child gets zeros of its own: whatever it still does there, in a handler that forked say, harms nobody.
class ForkGuard {
 public:
  static ForkGuard& instance() {
    static ForkGuard& guard = *new ForkGuard;  // never destroyed: static channels may outlive every static
    return guard;
  }

  /// What `open` answers: a descriptor, or -1 with errno. No fork() comes between its making and our knowing of it.
  template <class Open>
  int open(Open&& open) {
    const std::lock_guard lock(mutex_);
    held_.emplace_front();  // first, as it may throw
    const int descriptor = open();
    if (descriptor >= 0) held_.front().descriptor = descriptor;
    else held_.pop_front();
    return descriptor;
  }

  void close(int descriptor) noexcept {
    const std::lock_guard lock(mutex_);
    held_.remove_if([descriptor](const Held& held) { return held.descriptor == descriptor; });
    ::close(descriptor);
  }

  /// The same with a mapping of `size` bytes, or MAP_FAILED.
  template <class Map>
  void* map(std::size_t size, Map&& map) {
    const std::lock_guard lock(mutex_);
    held_.emplace_front();
    void* const data = map();
    if (data != MAP_FAILED) held_.front() = {-1, data, size};
    else held_.pop_front();
    return data;
  }

  void unmap(void* data, std::size_t size) noexcept {
    const std::lock_guard lock(mutex_);
    held_.remove_if([data](const Held& held) { return held.data == data; });
    ::munmap(data, size);
  }

  /// Counts the forks between the first process and this one.
  [[nodiscard]] static std::uint32_t epoch() noexcept { return epoch_.load(std::memory_order_relaxed); }

 private:
  ForkGuard() {
    ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); }, [] { instance().in_child(); });
  }
  ~ForkGuard() = default;

  void in_child() noexcept {
    for (const Held& held : held_) {
      if (held.descriptor >= 0) ::close(held.descriptor);
      else ::mmap(held.data, held.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    }
    held_.clear();
    epoch_.fetch_add(1, std::memory_order_relaxed);
    mutex_.unlock();
  }

  /// A descriptor or a mapping.
  struct Held {
    int descriptor = -1;
    void* data = nullptr;
    std::size_t size = 0;
  };

  std::mutex mutex_;
  std::forward_list<Held> held_;
  static inline std::atomic<std::uint32_t> epoch_{0};  // static, since every call asks for it
};

/// Remembers the process that it was made in.
class ForkMark {
 public:
  [[nodiscard]] bool in_child() const noexcept { return ForkGuard::epoch() != epoch_; }

 private:
  std::uint32_t epoch_ = ForkGuard::instance().epoch();  // the instance, so that it counts from here on
};

/// A descriptor that the ForkGuard closes in children. -1: none.
class Descriptor {
 public:
  Descriptor() = default;
  /// `open` answers with one, or with -1 and errno.
  template <std::invocable Open>
  explicit Descriptor(Open&& open) : value_(ForkGuard::instance().open(open)) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.value_) { other.value_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      value_ = other.value_;
      other.value_ = -1;
    }
    return *this;
  }
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return value_; }
  explicit operator bool() const noexcept { return value_ >= 0; }

 private:
  void reset() noexcept {
    if (value_ >= 0) ForkGuard::instance().close(value_);
    value_ = -1;
  }

  int value_ = -1;
};

}  // namespace shared_channel::detail::platform
