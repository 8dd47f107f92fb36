// What keeps a thread of the program from being taken out of our functions.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <mutex>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Keeps pthread_cancel() away from calls of libc that it would end: our functions are noexcept, and may not be left in
/// the middle. The cancellation stays pending.
class NoCancellation {
 public:
  NoCancellation() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { ::pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_ = 0;
};

/// Keeps signal handlers away for a moment, where the system lets us. One that cannot be blocked still comes.
class NoSignals {
 public:
  NoSignals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    is_blocked_ = ::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0;
  }
  ~NoSignals() {
    if (is_blocked_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
  bool is_blocked_;
};

/// A std::mutex. No code of the user's runs in a thread that has one but that of a signal handler, which must wait for
/// no thread of ours then: that may want the mutex, and its own thread does not go on before the handler returns.
class Mutex {
 public:
  void lock() {
    count(+1);
    mutex_.lock();
  }
  [[nodiscard]] bool try_lock() noexcept {
    count(+1);
    const bool is_ours = mutex_.try_lock();
    if (!is_ours) count(-1);
    return is_ours;
  }
  void unlock() noexcept {
    mutex_.unlock();
    count(-1);
  }

  /// Whether the calling thread has one.
  [[nodiscard]] static bool is_held_here() noexcept { return held().load(std::memory_order_relaxed) != 0; }

 private:
  static void count(int change) noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    held().store(held().load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  static std::atomic<int>& held() noexcept {
    thread_local std::atomic<int> held{0};
    return held;
  }

  std::mutex mutex_;
};

/// Whether our other threads cannot go on before the calling one does, so that it must not wait for them.
inline bool waits_in_vain() noexcept { return Mutex::is_held_here(); }

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
