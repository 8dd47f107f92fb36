// Threads of ours that a user's thread waits for, in DllMain too: a static object of a DLL goes while the DLL is
// unloaded, and a thread_local one while its thread ends. No thread starts or ends before DllMain returns. So a thread
// has begun before its maker goes on, and is waited for by an event that it sets when it has left our code.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// As std::thread, whose exceptions it throws.
class Thread {
 public:
  Thread() = default;
  template <class F>
  explicit Thread(F work) : steps_(new Steps) {
    thread_ = std::thread([steps = steps_, work = std::move(work)]() mutable {
      if (steps->begin()) {
        F own = std::move(work);
        own();
      }
      ::SetEvent(steps->left.get());
    });
    if (!win32::is_in_dll_main()) ::WaitForSingleObject(steps_->begun.get(), INFINITE);
  }
  Thread(Thread&&) noexcept = default;
  Thread& operator=(Thread&&) noexcept = default;

  [[nodiscard]] std::thread::id get_id() const noexcept { return thread_.get_id(); }
  [[nodiscard]] bool joinable() const noexcept { return thread_.joinable(); }
  void detach() { thread_.detach(); }

  void join() {
    if (!win32::is_in_dll_main()) return thread_.join();
    if (!steps_->give_up()) {  // else it was made in this very DllMain, and will do nothing
      const HANDLE handles[] = {steps_->left.get(), steps_->thread.get()};
      ::WaitForMultipleObjects(2, handles, FALSE, INFINITE);  // at the process's end it is gone without a word
      ::SetThreadPriority(steps_->thread.get(), THREAD_PRIORITY_TIME_CRITICAL);  // it has a few instructions left
      ::WaitForSingleObject(steps_->thread.get(), last_steps_ms);
    }
    thread_.detach();
  }

 private:
  static constexpr DWORD last_steps_ms = 20;  // to return, after the event; the code may be unloaded next

  struct Steps : RefCounted {
    Steps() noexcept
        : begun(Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept()),
          left(Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept()) {}

    /// In the thread. False: nobody wants it any more.
    bool begin() noexcept {
      HANDLE own = nullptr;
      const HANDLE process = ::GetCurrentProcess();
      ::DuplicateHandle(process, ::GetCurrentThread(), process, &own, SYNCHRONIZE | THREAD_SET_INFORMATION, FALSE, 0);
      thread = Handle(own).kept();
      const bool is_wanted = !is_decided.exchange(true, std::memory_order_acq_rel);
      ::SetEvent(begun.get());
      return is_wanted;
    }
    /// In DllMain. False: the thread has begun.
    bool give_up() noexcept { return !is_decided.exchange(true, std::memory_order_acq_rel); }

    Handle begun;
    Handle left;
    Handle thread;
    std::atomic<bool> is_decided{false};
  };

  RefPtr<Steps> steps_;
  std::thread thread_;
};

using Mutex = std::mutex;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
