// The threads that a server has besides its callers'.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/error_text.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Not thread-safe, but for leave() and what follows it, and has_this_thread().
template <class Platform>
class Workers {
  using Thread = typename Platform::Thread;

 public:
  /// Starts `count` threads that do `work`. `most` work in all, those included that the server's caller lends.
  template <class Work>
  Result<void> start([[maybe_unused]] const Names& names, unsigned count, unsigned most, const Work& work) {
    working_.store(most, std::memory_order_relaxed);  // before one of them can leave again
#if defined(__cpp_exceptions)
    try {
#endif
      for (unsigned i = 0; i < count; ++i) {
        threads_.emplace([&id = ids_[i], work] {
          id.store(std::this_thread::get_id(), std::memory_order_relaxed);
          work();
        });
      }
#if defined(__cpp_exceptions)
    } catch (const std::system_error& error) {
      return names.error(Errc::system_error, "a server thread could not start; use fewer threads",
                         platform::native_of(error.code()));
    } catch (const std::bad_alloc&) {  // the destructor waits until serving ends, which an exception would leave open
      return names.error(Errc::out_of_memory, "there is no memory for a server thread; use fewer threads");
    }
#endif
    return {};
  }

  /// Whether the calling thread is one of them, also while its end destroys what is thread_local. Not by the system's
  /// number, which a later thread may have before ours is joined.
  [[nodiscard]] bool has_this_thread() const noexcept {
    const std::thread::id me = std::this_thread::get_id();
    for (const auto& id : ids_) {
      if (id.load(std::memory_order_relaxed) == me) return true;
    }
    return false;
  }

  /// For a worker that ends: true if it was the last one.
  bool leave() noexcept { return working_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  /// The last one that left says so here once it has nothing more to do.
  void tell_gone() noexcept {
    const std::lock_guard lock(mutex_);
    are_gone_ = true;
    gone_.notify_all();
  }

  /// True once all have left; false if the deadline passes before.
  bool await_gone(Deadline deadline) {
    // Where the steady clock cannot be waited for, larger numbers would overflow.
    constexpr nanoseconds longest = std::chrono::hours(1);
    const typename Platform::ForkPause others_go_on;
    std::unique_lock lock(mutex_);
    while (!are_gone_ && !deadline.passed()) gone_.wait_until(lock, deadline.within(longest).at());
    return are_gone_;
  }

  void join() noexcept {
    for (Thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    for (auto& id : ids_) id.store({}, std::memory_order_relaxed);  // from now on others may have them
  }

  void detach() noexcept {
    for (Thread& thread : threads_) thread.detach();
  }

 private:
  std::atomic<unsigned> working_{0};
  std::atomic<std::thread::id> ids_[max_threads]{};  // each thread writes its own
  ForwardList<Thread> threads_;
  std::mutex mutex_;
  std::condition_variable gone_;
  bool are_gone_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
