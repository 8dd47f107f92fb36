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
  StopWhenAsked(const std::stop_token& token, Stop stop)
      : token_(token), stop_(std::move(stop)), callback_(token, Callback{*this}) {}
  ~StopWhenAsked() {
    if (can_miss_end) await_begin();
    if (!has_begun_.load(std::memory_order_seq_cst)) return;
    while (!has_ended_.load(std::memory_order_seq_cst)) rest();
    if (can_miss_end) rest();  // for the asking thread's few steps from `has_ended_` to where we need not sleep
  }
  StopWhenAsked(const StopWhenAsked&) = delete;
  StopWhenAsked& operator=(const StopWhenAsked&) = delete;

 private:
#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
  static constexpr bool can_miss_end = true;
  using Token = std::stop_token;
#else
  static constexpr bool can_miss_end = false;
  struct Token {
    explicit Token(const std::stop_token&) noexcept {}
    static bool stop_requested() noexcept { return false; }
  };
#endif

  /// The asking thread may have taken the callback, and not have come to call it. Not for long: it may as well be busy
  /// with another callback before ours, or be this very thread.
  void await_begin() const noexcept {
    for (int i = 0; i < 20 && token_.stop_requested() && !has_begun_.load(std::memory_order_seq_cst); ++i) rest();
  }

  struct Callback {
    void operator()() const noexcept {
      self.has_begun_.store(true, std::memory_order_seq_cst);
      self.stop_();
      self.has_ended_.store(true, std::memory_order_seq_cst);
    }
    StopWhenAsked& self;
  };

  static void rest() noexcept { Platform::rest(std::chrono::microseconds(10)); }

  const Token token_;
  Stop stop_;
  std::atomic<bool> has_begun_{false};
  std::atomic<bool> has_ended_{false};
  const std::stop_callback<Callback> callback_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
