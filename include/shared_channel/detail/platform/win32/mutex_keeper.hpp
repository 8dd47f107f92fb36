// Owning a mutex beyond the life of the thread that asked for it: the server's name, and its sign of life.
//
// A static server in a DLL is made and destroyed in DllMain. No thread starts or ends before that returns, so the
// thread that keeps the mutex is not waited for there.
#pragma once

#include <atomic>
#include <utility>

#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32 {

/// Owns a mutex on a thread of our own. A mutex belongs to the thread that waited for it, and the user's thread that
/// made the server may end before the server does.
class MutexKeeper {
 public:
  explicit MutexKeeper(Handle mutex) noexcept : mutex_(std::move(mutex).kept()) {}
  MutexKeeper(const MutexKeeper&) = delete;
  MutexKeeper& operator=(const MutexKeeper&) = delete;

  /// Waits until the mutex is free again, not for the thread's end, which waits for DllMain to return. The thread's
  /// handle is in the same wait: at the process's end the system ends the threads first.
  ~MutexKeeper() {
    if (!thread_) return;
    ::SetEvent(leave_.get());
    if (taken_here_) ::ReleaseMutex(mutex_.get());  // refused in another thread; the handle's end frees it then
    const HANDLE handles[] = {left_.get(), thread_.get()};
    if (is_in_dll_main() && !has_begun_.load()) {
      ::TerminateThread(thread_.get(), 0);  // before its first instruction, so it holds nothing
      return;
    }
    ::WaitForMultipleObjects(2, handles, FALSE, INFINITE);
    // It has only to return from run(): the code under it may be unloaded next.
    ::WaitForSingleObject(thread_.get(), is_in_dll_main() ? last_steps_ms : INFINITE);
  }

  /// Takes the mutex. 0, WAIT_TIMEOUT if another still had it after `patience`, or GetLastError(). Once only.
  DWORD take(DWORD patience) noexcept {
    patience_ = patience;
    tried_ = Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept();
    leave_ = Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept();
    left_ = Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept();
    if (!tried_ || !leave_ || !left_) return ::GetLastError();
    const bool cannot_start_yet = is_in_dll_main();
    if (cannot_start_yet) {
      // This thread takes the mutex, and ours waits behind it, the first in the queue, for the day that this one ends.
      const DWORD outcome = ::WaitForSingleObject(mutex_.get(), patience);
      if (outcome != WAIT_OBJECT_0 && outcome != WAIT_ABANDONED) return failure_of(outcome);
      taken_here_ = true;
      patience_ = INFINITE;
    }
    thread_ = Handle(::CreateThread(nullptr, 0, &MutexKeeper::run, this, 0, nullptr)).kept();
    if (!thread_) return ::GetLastError();
    if (cannot_start_yet) return 0;
    ::WaitForSingleObject(tried_.get(), INFINITE);
    return failure_;
  }

 private:
  static constexpr DWORD last_steps_ms = 20;

  static DWORD WINAPI run(void* self) noexcept {
    static_cast<MutexKeeper*>(self)->keep();
    return 0;
  }

  static DWORD failure_of(DWORD outcome) noexcept {
    return outcome == WAIT_TIMEOUT ? DWORD{WAIT_TIMEOUT} : ::GetLastError();
  }

  void keep() noexcept {
    has_begun_.store(true);
    const HANDLE handles[] = {mutex_.get(), leave_.get()};
    const DWORD outcome = ::WaitForMultipleObjects(2, handles, FALSE, patience_);
    const bool holds = outcome == WAIT_OBJECT_0 || outcome == WAIT_ABANDONED_0;
    failure_ = holds ? 0 : failure_of(outcome);
    ::SetEvent(tried_.get());
    if (holds) {
      ::WaitForSingleObject(leave_.get(), INFINITE);
      ::ReleaseMutex(mutex_.get());
    }
    ::SetEvent(left_.get());  // the last touch: the object may be gone
  }

  Handle mutex_;
  Handle tried_;
  Handle leave_;
  Handle left_;
  Handle thread_;
  DWORD patience_ = 0;
  DWORD failure_ = 0;
  bool taken_here_ = false;
  std::atomic<bool> has_begun_{false};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32
