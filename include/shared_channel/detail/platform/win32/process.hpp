// The process itself: its id, its clock, its end.
#pragma once

#include <cstddef>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/platform/win32/handle.hpp>
#include <shared_channel/detail/platform/win32/guards.hpp>
#include <shared_channel/detail/platform/win32/waiting.hpp>
#include <shared_channel/detail/platform/win32/windows.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

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

/// Whether nobody is left who could end what the calling thread waits for, or give back what it wants: a DLL's static
/// objects go after the other threads have been ended. Costs little where that is not so.
inline bool waits_in_vain() noexcept { return win32::is_in_dll_main() && is_shutting_down(); }

/// Win32 has no fork().
class ForkMark {
 public:
  [[nodiscard]] bool in_child() const noexcept { return false; }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
