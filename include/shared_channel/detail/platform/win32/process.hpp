// The process itself: its id; and what every wait and every handle of these files is made of.
#pragma once

// Neither macro is left behind. Lean, because the full <windows.h> brings the old <winsock.h>, after which
// <winsock2.h> does not compile; a program that needs more of it includes <windows.h> first. If it did so without
// NOMINMAX there are macros min and max: every use of those names in our headers stands in parentheses.
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

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Linux has threads that are cancelled; here there is nothing to do.
class NoCancellation {
 public:
  NoCancellation() noexcept {}
  ~NoCancellation() {}
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;
};

/// Nor has Win32 signals that come on whichever thread has them open.
using NoSignals = NoCancellation;

/// Owns a kernel handle. Null: none.
class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE value) noexcept : value_(value) {}
  Handle(Handle&& other) noexcept
      : value_(std::exchange(other.value_, nullptr)), is_kept_(std::exchange(other.is_kept_, false)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(value_, other.value_);
    std::swap(is_kept_, other.is_kept_);
    return *this;
  }
  ~Handle() {
    if (value_ == nullptr) return;
    if (is_kept_) ::SetHandleInformation(value_, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    ::CloseHandle(value_);
  }

  /// Protects the handle from a CloseHandle that is not ours. A promise rests on every handle that an object of these
  /// files keeps: closed by a stray CloseHandle of the program, a lease would be free and its slot another client's.
  /// Leaves GetLastError() alone.
  [[nodiscard]] Handle kept() && noexcept {
    const DWORD error = ::GetLastError();
    is_kept_ = value_ != nullptr &&
               ::SetHandleInformation(value_, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE) != 0;
    ::SetLastError(error);
    return std::move(*this);
  }

  [[nodiscard]] HANDLE get() const noexcept { return value_; }
  explicit operator bool() const noexcept { return value_ != nullptr; }

 private:
  HANDLE value_ = nullptr;
  bool is_kept_ = false;
};

namespace win32 {

/// When a process was created: tells it from a later one of the same id. 0: the system would not say.
inline std::uint64_t birth_of(HANDLE process) noexcept {
  FILETIME created, exited, in_kernel, in_user;
  if (::GetProcessTimes(process, &created, &exited, &in_kernel, &in_user) == 0) return 0;
  return std::uint64_t{created.dwHighDateTime} << 32 | created.dwLowDateTime;
}

/// A function of a system library that every process has loaded, or null.
template <class Function>
Function* system_function(const wchar_t* library, const char* name) noexcept {
  const HMODULE loaded = ::GetModuleHandleW(library);
  if (loaded == nullptr) return nullptr;
  return reinterpret_cast<Function*>(reinterpret_cast<void*>(::GetProcAddress(loaded, name)));
}

/// Rounded up, so that no wait ends before its time; never INFINITE by accident: longer waits are done in several.
inline DWORD milliseconds(nanoseconds time) noexcept {
  constexpr DWORD longest = INFINITE - 1;
  if (time <= nanoseconds::zero()) return 0;
  const auto rounded = (time.count() - 1) / 1'000'000 + 1;
  return rounded < longest ? static_cast<DWORD>(rounded) : longest;
}

/// A timer that is set when `time` has passed. The time of a wait counts in ticks of the system's clock, 15.6 ms unless
/// some program has asked for less; this timer does not. Null where Windows, before 10 version 1803, has none.
inline Handle precise_timer(nanoseconds time) noexcept {
  constexpr DWORD high_resolution = 2;  // CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, which older headers do not have
  Handle timer(::CreateWaitableTimerExW(nullptr, nullptr, high_resolution, SYNCHRONIZE | TIMER_MODIFY_STATE));
  LARGE_INTEGER due;
  due.QuadPart = -((time.count() + 99) / 100);  // negative: from now on, in units of 100 ns
  if (!timer || ::SetWaitableTimer(timer.get(), &due, 0, nullptr, nullptr, FALSE) == 0) return Handle();
  return timer;
}

/// WaitForMultipleObjects for one of the `count` handles, with room behind them for one more. WAIT_TIMEOUT means that
/// the deadline has passed. A wait does not count the time that the machine sleeps, but the deadline does: after a
/// resume the wait goes on for its rest, and only then finds that the deadline has passed.
inline DWORD wait_for_one(HANDLE* handles, DWORD count, Deadline& deadline) noexcept {
  constexpr auto two_ticks = std::chrono::milliseconds(32);
  for (;;) {
    const nanoseconds left = deadline.remaining();
    const Handle timer = left > nanoseconds::zero() && left < two_ticks ? precise_timer(left) : Handle();
    handles[count] = timer.get();
    const DWORD outcome = ::WaitForMultipleObjects(timer ? count + 1 : count, handles, FALSE,
                                                   deadline.is_never() ? INFINITE : milliseconds(left));
    const bool is_time = outcome == WAIT_TIMEOUT || (timer && outcome == WAIT_OBJECT_0 + count);
    if (!is_time) return outcome;
    if (deadline.passed()) return WAIT_TIMEOUT;
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"  // MinGW reads the block at the address 0 of a segment
#endif
/// Whether the calling thread runs inside DllMain: a DLL is being loaded or unloaded, or a thread ends. No thread of
/// ours can start or end until it returns. The process environment block's LoaderLock, which has stood there since
/// Windows NT and is read by every debugger; where there is none, the answer is no.
inline bool is_in_dll_main() noexcept {
  constexpr bool is_64_bit = sizeof(void*) == 8;
  const auto at = [](const void* block, std::size_t offset) noexcept {
    return *reinterpret_cast<void* const*>(static_cast<const char*>(block) + offset);
  };
  const void* const environment = at(::NtCurrentTeb(), is_64_bit ? 0x60 : 0x30);
  const auto loader_lock = static_cast<CRITICAL_SECTION*>(at(environment, is_64_bit ? 0x110 : 0xA0));
  return loader_lock != nullptr &&
         loader_lock->OwningThread == reinterpret_cast<HANDLE>(std::uintptr_t{::GetCurrentThreadId()});
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace win32

inline std::uint32_t process_id() noexcept { return ::GetCurrentProcessId(); }
/// Windows gives every fourth number.
inline std::uint32_t thread_number() noexcept { return ::GetCurrentThreadId() / 4; }

/// Distinguishes one server generation from every other; nothing is kept secret by it.
inline std::uint64_t random_number() noexcept {
  // RtlGenRandom. By name, because its declaration is in <ntsecapi.h>, which programs may include before us or after.
  using Fill = BOOLEAN NTAPI(PVOID buffer, ULONG bytes);
  const auto fill = win32::system_function<Fill>(L"advapi32.dll", "SystemFunction036");
  std::uint64_t number = 0;
  if (fill == nullptr || fill(&number, sizeof number) == 0) {  // it has never been seen to fail
    LARGE_INTEGER ticks{};
    ::QueryPerformanceCounter(&ticks);
    number = static_cast<std::uint64_t>(ticks.QuadPart) << 20 ^ ::GetCurrentProcessId();
  }
  return number;
}

inline std::uint64_t process_birth() noexcept { return win32::birth_of(::GetCurrentProcess()); }

/// All processes read one clock.
inline std::uint64_t clock_id() noexcept { return 0; }

/// Waits without a reason to be woken: for retries whose moment nobody announces.
inline void rest(nanoseconds time) noexcept {
  if (time <= nanoseconds::zero()) return;
  const Handle timer = win32::precise_timer(time);
  if (!timer || ::WaitForSingleObject(timer.get(), INFINITE) != WAIT_OBJECT_0) ::Sleep(win32::milliseconds(time));
}

/// Whether the process ends: no thread but the calling one is left, and whatever the others held stays so.
inline bool is_shutting_down() noexcept {
  using InProgress = BOOLEAN NTAPI();
  const auto in_progress = win32::system_function<InProgress>(L"ntdll.dll", "RtlDllShutdownInProgress");
  return in_progress != nullptr && in_progress() != 0;
}

/// Win32 has no fork().
class ForkMark {
 public:
  [[nodiscard]] bool in_child() const noexcept { return false; }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
