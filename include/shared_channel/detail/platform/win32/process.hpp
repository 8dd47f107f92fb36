// The process itself: its id, its cores; and what every wait and every handle of these files is made of.
#pragma once

// Neither macro is left behind. Lean, because the full <windows.h> brings the old <winsock.h>, after which
// <winsock2.h> does not compile; who needs more of it includes <windows.h> first. Whoever did so without
// NOMINMAX has macros min and max: every use of those names in our headers stands in parentheses.
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#define SHARED_CHANNEL_DEFINED_LEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#define SHARED_CHANNEL_DEFINED_NOMINMAX
#endif
#include <windows.h>
#if defined(SHARED_CHANNEL_DEFINED_LEAN)
#undef WIN32_LEAN_AND_MEAN
#undef SHARED_CHANNEL_DEFINED_LEAN
#endif
#if defined(SHARED_CHANNEL_DEFINED_NOMINMAX)
#undef NOMINMAX
#undef SHARED_CHANNEL_DEFINED_NOMINMAX
#endif

#include <bit>
#include <cstdint>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

// Documented as RtlGenRandom; its header, <ntsecapi.h>, would bring much that other headers define too.
extern "C" BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG bytes);

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Linux has threads that are cancelled; here there is nothing to do.
class NoCancellation {
 public:
  NoCancellation() noexcept {}
  ~NoCancellation() {}
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;
};

/// Owns a kernel handle. Null: none.
class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE value) noexcept : value_(value) {}
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Handle() {
    if (value_ != nullptr) ::CloseHandle(value_);
  }

  [[nodiscard]] HANDLE get() const noexcept { return value_; }
  explicit operator bool() const noexcept { return value_ != nullptr; }

 private:
  HANDLE value_ = nullptr;
};

namespace win32 {

/// When a process was created: tells it from a later one of the same id. 0: the system would not say.
inline std::uint64_t birth_of(HANDLE process) noexcept {
  FILETIME created, exited, in_kernel, in_user;
  if (::GetProcessTimes(process, &created, &exited, &in_kernel, &in_user) == 0) return 0;
  return std::uint64_t{created.dwHighDateTime} << 32 | created.dwLowDateTime;
}

/// Rounded up, so that no wait ends before its time; and never INFINITE by accident: who waits for longer waits again.
inline DWORD milliseconds(nanoseconds time) noexcept {
  constexpr DWORD longest = INFINITE - 1;
  if (time <= nanoseconds::zero()) return 0;
  const auto rounded = (time.count() - 1) / 1'000'000 + 1;
  return rounded < longest ? static_cast<DWORD>(rounded) : longest;
}

inline DWORD milliseconds_left(Deadline& deadline) noexcept {
  return deadline.is_never() ? INFINITE : milliseconds(deadline.remaining());
}

}  // namespace win32

inline std::uint32_t process_id() noexcept { return ::GetCurrentProcessId(); }

/// Distinguishes one server generation from every other; nothing is kept secret by it.
inline std::uint64_t random_number() noexcept {
  std::uint64_t number = 0;
  if (::SystemFunction036(&number, sizeof number) == 0) {  // it has never been seen to fail
    LARGE_INTEGER ticks{};
    ::QueryPerformanceCounter(&ticks);
    number = static_cast<std::uint64_t>(ticks.QuadPart) << 20 ^ ::GetCurrentProcessId();
  }
  return number;
}

inline std::uint64_t process_birth() noexcept { return win32::birth_of(::GetCurrentProcess()); }

/// All processes read one clock.
inline std::uint64_t clock_id() noexcept { return 0; }

/// Cores that the process may run on. A process spread over several processor groups gets an empty mask
/// (documented at GetProcessAffinityMask): it has more than one.
inline unsigned usable_cores() noexcept {
  DWORD_PTR mine = 0, all = 0;
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &mine, &all) == 0) return 1;
  return mine != 0 ? static_cast<unsigned>(std::popcount(mine)) : 64;
}

/// Waits without a reason to be woken: for retries whose moment nobody announces.
inline void rest(nanoseconds time) noexcept { ::Sleep(win32::milliseconds(time)); }

/// Win32 has no fork().
class ForkMark {
 public:
  [[nodiscard]] bool in_child() const noexcept { return false; }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
