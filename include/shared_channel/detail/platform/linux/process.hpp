// The process itself: its id, its user, its clock; chance, and time that passes.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/integer_cast.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

inline std::uint32_t process_id() noexcept { return static_cast<std::uint32_t>(::getpid()); }

inline std::uint32_t thread_number() noexcept {
  thread_local const std::uint32_t number = [] {
    const long me = ::syscall(SYS_gettid);
    if (me > 0) return static_cast<std::uint32_t>(me);
    return integer_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&errno) >> 4);  // refused: each has its own
  }();
  return number;
}

namespace linux_random {

inline bool from_kernel(std::uint64_t& number) noexcept {
  // So few bytes come whole, or not at all: no signal interrupts that.
  return ::syscall(SYS_getrandom, &number, sizeof number, GRND_NONBLOCK) == static_cast<long>(sizeof number);
}

inline bool from_device(std::uint64_t& number) noexcept {
  const NoCancellation whole;
  const Descriptor device([] { return ::open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY); });
  struct stat status {};
  if (!device || ::fstat(device.get(), &status) != 0 || !S_ISCHR(status.st_mode)) return false;
  return ::read(device.get(), &number, sizeof number) == static_cast<ssize_t>(sizeof number);
}

/// Unlikely to repeat, which is all that is asked: of two processes, two threads, two moments.
inline std::uint64_t from_circumstances() noexcept {
  static std::atomic<std::uint64_t> count{0};
  timespec wall{}, running{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_MONOTONIC, &running);
  const auto mixed = [](std::uint64_t number) {  // the finalizer of splitmix64
    number = (number ^ number >> 30) * 0xBF58'476D'1CE4'E5B9;
    number = (number ^ number >> 27) * 0x94D0'49BB'1331'11EB;
    return number ^ number >> 31;
  };
  std::uint64_t number = mixed(reinterpret_cast<std::uintptr_t>(&wall));
  const std::uint64_t parts[] = {static_cast<std::uint64_t>(wall.tv_sec),
                                 static_cast<std::uint64_t>(wall.tv_nsec),
                                 static_cast<std::uint64_t>(running.tv_sec),
                                 static_cast<std::uint64_t>(running.tv_nsec),
                                 process_id(),
                                 count.fetch_add(1)};
  for (const std::uint64_t part : parts) number = mixed(number + 0x9E37'79B9'7F4A'7C15 + part);
  return number;
}

}  // namespace linux_random

/// Distinguishes one server generation from every other; nothing is kept secret by it.
inline std::uint64_t random_number() noexcept {
  std::uint64_t number = 0;
  if (linux_random::from_kernel(number) || linux_random::from_device(number)) return number;
  return linux_random::from_circumstances();
}

/// Linux tells a dead server by its beacon, not by process id; there is no birth to compare.
inline std::uint64_t process_birth() noexcept { return 0; }

/// Which steady clock the process reads: that of its time namespace. 0: the system does not tell.
inline std::uint64_t clock_id() noexcept {
  struct stat status {};
  return ::stat("/proc/self/ns/time", &status) == 0 ? status.st_ino : 0;
}

/// The user that the process runs as, in decimal; empty if the system does not tell.
inline std::string user_of(std::uint32_t process) {
  struct stat status {};
  if (::stat(("/proc/" + std::to_string(process)).c_str(), &status) != 0) return {};
  return std::to_string(status.st_uid);
}

/// Threads live until the process is gone.
inline bool is_shutting_down() noexcept { return false; }

/// Waits without a reason to be woken: for retries whose moment nobody announces. A signal may end it early, or have it
/// wait twice: one that is always interrupted would not rest. Where the system refuses to let us sleep, others at least
/// get the core.
inline void rest(nanoseconds time) noexcept {
  const NoCancellation whole;
  const ForkPause others_go_on;
  const timespec duration{integer_cast<time_t>(time.count() / 1'000'000'000),
                          integer_cast<long>(time.count() % 1'000'000'000)};
  if (::nanosleep(&duration, nullptr) == 0) return;
  constexpr std::int64_t longest = 1000;
  const std::int64_t milliseconds = (time.count() + 999'999) / 1'000'000;
  const auto bounded = static_cast<int>(milliseconds < longest ? milliseconds : longest);
  if (::poll(nullptr, 0, bounded) == 0) return;
  ::sched_yield();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
