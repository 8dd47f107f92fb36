// Threads of ours, and what they share. In fork(), whoever waits for one of them lets it go on.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include <shared_channel/detail/platform/linux/fork_guard.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Nothing keeps a thread from ending.
class Thread : std::thread {
 public:
  using std::thread::detach;
  using std::thread::get_id;
  using std::thread::joinable;
  using std::thread::thread;

  void join() {
    const ForkPause others_go_on;
    std::thread::join();
  }
};

/// A std::mutex. No code of the user's runs in a thread that has one but that of a signal handler, which must wait for
/// no thread of ours then: that may want the mutex, and its own thread does not go on before the handler returns.
class Mutex {
 public:
  void lock() {
    count(+1);
    if (mutex_.try_lock()) [[likely]]
      return;
    const ForkPause others_go_on;
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
