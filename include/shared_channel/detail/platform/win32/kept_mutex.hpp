// A mutex that is to belong to the keeper thread, and the marks beside it: mutex_keeper.hpp says what they are for.
#pragma once

#include <atomic>
#include <string>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/platform/win32/handle.hpp>
#include <shared_channel/detail/platform/win32/security.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32 {

/// The name of the event that marks a mutex whose heir is to come.
inline std::wstring heir_mark_of(const std::wstring& mutex_name) { return mutex_name + L".heir"; }

/// Whether there is such a mark. Who may not open it knows as well.
inline bool is_heir_due(const std::wstring& mark) noexcept {
  const AsProcess own;
  return Handle(::OpenEventW(SYNCHRONIZE, FALSE, mark.c_str())) || ::GetLastError() == ERROR_ACCESS_DENIED;
}

/// The same for a mutex of our user's: anybody can make an event of that name, and it must keep no server from its own.
/// Wine gives an event that was made without a security descriptor no owner: it counts as ours.
inline bool is_our_heir_due(const std::wstring& mark) noexcept {
  const AsProcess own;
  const Handle found(::OpenEventW(READ_CONTROL, FALSE, mark.c_str()));
  return found && (ObjectOwner(found.get()).sid() == nullptr || is_ours(found.get()));
}

/// A mutex on its way to the keeper thread, and there. Kept by the MutexKeeper that wants it and by the thread.
struct KeptMutex : public RefCounted {
  KeptMutex(Handle object, std::wstring object_name)
      : mutex(std::move(object).kept()),
        name(std::move(object_name)),
        heir_mark(heir_mark_of(name)),
        tried(Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept()),
        left(Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept()) {}

  /// Counts from now, in ticks of the system's clock; the keeper thread's first look is soon.
  [[nodiscard]] DWORD remaining() const noexcept {
    if (patience == INFINITE) return INFINITE;
    const ULONGLONG passed = ::GetTickCount64() - since;
    return passed < patience ? patience - static_cast<DWORD>(passed) : 0;
  }

  /// Whether this one has the mutex, so that no other of its name may be asked for by the same thread.
  [[nodiscard]] bool is_owned() const noexcept { return is_tried && failure == 0; }

  /// Says to every DLL of the process that the calling thread has the mutex. 0, WAIT_TIMEOUT if it has it already, or
  /// GetLastError().
  DWORD mark_taker() {
    const std::wstring mark =
        name + L".taken." + std::to_wstring(::GetCurrentProcessId()) + L'.' + std::to_wstring(::GetCurrentThreadId());
    const AsProcess own;
    taker = Handle(::CreateEventW(nullptr, TRUE, FALSE, mark.c_str())).kept();
    const DWORD error = ::GetLastError();
    if (taker && error == ERROR_ALREADY_EXISTS) return WAIT_TIMEOUT;
    return taker ? 0 : error;
  }

  /// Says that the mutex, which the calling thread has just taken, will have an heir. 0, WAIT_TIMEOUT if it belongs to
  /// the heir of another, or GetLastError(). A mark of another user's has to do as ours: clients heed it as well.
  DWORD announce_heir() noexcept {
    const AsProcess own;
    heir = Handle(::CreateEventW(nullptr, TRUE, FALSE, heir_mark.c_str())).kept();
    const DWORD error = ::GetLastError();
    if (heir && error != ERROR_ALREADY_EXISTS) return 0;
    heir = Handle();
    if (error != ERROR_ALREADY_EXISTS && error != ERROR_ACCESS_DENIED) return error;
    return is_our_heir_due(heir_mark) ? DWORD{WAIT_TIMEOUT} : DWORD{0};
  }

  Handle mutex;
  std::wstring name;
  std::wstring heir_mark;
  Handle tried;  // set once the thread owns it or has given up
  Handle left;   // set once the thread has let go of it
  DWORD patience = 0;
  ULONGLONG since = 0;
  DWORD failure = 0;                  // of taking it; 0: the thread owns it
  bool is_tried = false;              // the thread's own
  bool taken_in_dll_main = false;     // by the thread in DllMain, for whose end ours waits
  Handle taker;                       // that thread's mark
  Handle heir;                        // the mark of the mutex until ours has it
  std::atomic<bool> unwanted{false};  // the thread is to let go of it
  RefPtr<KeptMutex> next;             // in the thread's list, or on the way there
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32
