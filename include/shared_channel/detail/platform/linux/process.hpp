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
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/forward_list.hpp>

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
  const timespec duration{static_cast<time_t>(time.count() / 1'000'000'000),
                          static_cast<long>(time.count() % 1'000'000'000)};
  ::nanosleep(&duration, nullptr);
}

/// What a fork()ed child must not keep: descriptors whose locks stand for the parent's life, and the mappings that hold
/// on to the same open file descriptions. An inherited lock would outlive the parent and make it look alive. In place
/// of a mapping the child gets zeros of its own: whatever it still does there, in a handler that forked say, harms
/// nobody.
class ForkGuard {
 public:
  static ForkGuard& instance() {
    static ForkGuard& guard = *new ForkGuard;  // never destroyed: static channels may outlive every static
    return guard;
  }

  /// A descriptor or a mapping that no child may keep.
  struct Held {
    int descriptor = -1;
    void* data = MAP_FAILED;
    std::size_t size = 0;
    bool is_inherited = false;  // its place taken already
  };

  /// What `take` puts into a Held, until it is released. No fork() comes between the taking and our knowing of it.
  template <class Take>
  const Held& hold(Take&& take) {
    const std::lock_guard lock(mutex_);
    Held& held = held_.emplace();
    take(held);
    return held;
  }

  /// Keeps errno: of an open that failed it is asked for after its Held may have gone.
  void release(const Held& held) noexcept {
    const int error = errno;
    const std::lock_guard lock(mutex_);
    if (held.descriptor >= 0) ::close(held.descriptor);
    if (held.data != MAP_FAILED) ::munmap(held.data, held.size);
    held_.erase(held);
    errno = error;
  }

  /// Counts the forks between the first process and this one.
  [[nodiscard]] static std::uint32_t epoch() noexcept { return epoch_.load(std::memory_order_relaxed); }

 private:
  ForkGuard() {
    ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                     [] { instance().in_child(); });
  }
  ~ForkGuard() = default;

  /// Allocates and frees nothing: whoever did so in the parent at that moment does not exist here.
  void in_child() noexcept {
    for (Held& held : held_) {
      if (held.descriptor >= 0) ::close(std::exchange(held.descriptor, -1));
      if (held.data == MAP_FAILED || std::exchange(held.is_inherited, true)) continue;
      ::mmap(held.data, held.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
             0);
    }
    epoch_.fetch_add(1, std::memory_order_relaxed);
    mutex_.unlock();
  }

  std::mutex mutex_;
  ForwardList<Held> held_;
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
  explicit Descriptor(Open&& open)
      : held_(&ForkGuard::instance().hold([&](ForkGuard::Held& held) { held.descriptor = open(); })) {}
  Descriptor(Descriptor&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Descriptor() {
    if (held_ != nullptr) ForkGuard::instance().release(*held_);
  }

  [[nodiscard]] int get() const noexcept { return held_ != nullptr ? held_->descriptor : -1; }
  explicit operator bool() const noexcept { return get() >= 0; }

 private:
  const ForkGuard::Held* held_ = nullptr;
};

}  // namespace shared_channel::detail::platform
