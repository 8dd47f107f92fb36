// From a std::stop_token to what it is to stop.
#pragma once

#include <atomic>
#include <stop_token>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Calls `stop` once the token asks for it. The destructor waits for a call of `stop` that runs.
///
/// It waits by itself, because ~stop_callback can sleep forever where libstdc++ has no futexes (MinGW):
/// __waiter_pool::_M_do_wait in <bits/atomic_wait.h> looks whether the callback has ended, and only then takes the
/// mutex to sleep; an end between the two wakes nobody.
template <class Platform, class Stop>
class StopWhenAsked {
 public:
  StopWhenAsked(const std::stop_token& token, Stop stop) : stop_(std::move(stop)), callback_(token, Callback{*this}) {}
  ~StopWhenAsked() {
    if (!has_begun_.load(std::memory_order_seq_cst)) return;
    while (!has_ended_.load(std::memory_order_seq_cst)) rest();
#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
    rest();  // for the asking thread's few steps from `has_ended_` to where ~stop_callback need not sleep
#endif
  }
  StopWhenAsked(const StopWhenAsked&) = delete;
  StopWhenAsked& operator=(const StopWhenAsked&) = delete;

 private:
  struct Callback {
    void operator()() const noexcept {
      self.has_begun_.store(true, std::memory_order_seq_cst);
      self.stop_();
      self.has_ended_.store(true, std::memory_order_seq_cst);
    }
    StopWhenAsked& self;
  };

  static void rest() noexcept { Platform::rest(std::chrono::microseconds(10)); }

  Stop stop_;
  std::atomic<bool> has_begun_{false};
  std::atomic<bool> has_ended_{false};
  const std::stop_callback<Callback> callback_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
