// Selects the operating system. contract.hpp says what each one provides.
#pragma once

#if defined(__ANDROID__)
#error "SharedChannel does not know Android, which has no shm_open() and no /dev/shm"
#elif defined(_WIN32)
#include <shared_channel/detail/platform/win32/beacon.hpp>
#include <shared_channel/detail/platform/win32/lease.hpp>
#include <shared_channel/detail/platform/win32/memory.hpp>
#include <shared_channel/detail/platform/win32/owner.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/detail/platform/win32/server_lease.hpp>
#include <shared_channel/detail/platform/win32/signal.hpp>
#include <shared_channel/detail/platform/win32/thread.hpp>
#include <shared_channel/detail/platform/win32/wait_set.hpp>
#elif defined(__linux__)
#include <shared_channel/detail/platform/linux/beacon.hpp>
#include <shared_channel/detail/platform/linux/lease.hpp>
#include <shared_channel/detail/platform/linux/memory.hpp>
#include <shared_channel/detail/platform/linux/owner.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/server_lease.hpp>
#include <shared_channel/detail/platform/linux/signal.hpp>
#include <shared_channel/detail/platform/linux/thread.hpp>
#include <shared_channel/detail/platform/linux/wait_set.hpp>
#else
#error "SharedChannel knows Win32 and Linux; detail/platform/contract.hpp says what another system must provide"
#endif

#include <cstdint>
#include <string>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The seam as one type, the Platform of the class templates above it, which reach the system through it alone. They
/// are templates so that a program pays for what it uses of them, and so that a test can put a platform of its own
/// below them.
struct NativePlatform {
  using Admission = platform::Admission;
  using Mapping = platform::Mapping;
  using ServerLease = platform::ServerLease;
  using ClientLease = platform::ClientLease;
  using Beacon = platform::Beacon;
  using Watch = platform::Watch;
  using Signal = platform::Signal;
  using ClientMutex = platform::ClientMutex;
  using WaitSet = platform::WaitSet;
  using Notifier = platform::Notifier;
  using Thread = platform::Thread;
  using Owners = platform::Owners;
  using ForkMark = platform::ForkMark;
  using NoCancellation = platform::NoCancellation;
  using NoSignals = platform::NoSignals;
  using ForkPause = platform::ForkPause;
  using Mutex = platform::Mutex;
  static std::uint32_t process_id() noexcept { return platform::process_id(); }
  static std::uint32_t thread_number() noexcept { return platform::thread_number(); }
  static std::uint64_t process_birth() noexcept { return platform::process_birth(); }
  static std::uint64_t random_number() noexcept { return platform::random_number(); }
  static std::uint64_t clock_id() noexcept { return platform::clock_id(); }
  static std::string user_of(std::uint32_t process) { return platform::user_of(process); }
  static bool waits_in_vain() noexcept { return platform::waits_in_vain(); }
  static bool is_shutting_down() noexcept { return platform::is_shutting_down(); }
  static void rest(nanoseconds time) noexcept { platform::rest(time); }
};

/// The Platform of a channel with such messages.
template <class Message>
struct PlatformOf {
  using Type = NativePlatform;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
