// From a std::stop_token to what it is to stop.
#pragma once

#include <atomic>
#include <stop_token>
#include <utility>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Calls `stop` once the token asks for it. The destructor itself waits for a callback that runs, and passes a little
/// time with `rest` meanwhile: where libstdc++ has no futexes, the wake-up of a stop_callback's destructor can get
/// lost.
template <class Stop, class Rest>
class StopWhenAsked {
 public:
  StopWhenAsked(const std::stop_token& token, Stop stop, Rest rest)
      : stop_(std::move(stop)), rest_(std::move(rest)), callback_(token, Callback{*this}) {}
  ~StopWhenAsked() {
    while (is_asked_.load(std::memory_order_seq_cst) && !is_told_.load(std::memory_order_seq_cst)) rest_();
  }
  StopWhenAsked(const StopWhenAsked&) = delete;
  StopWhenAsked& operator=(const StopWhenAsked&) = delete;

 private:
  struct Callback {
    void operator()() const noexcept {
      self.is_asked_.store(true, std::memory_order_seq_cst);
      self.stop_();
      self.is_told_.store(true, std::memory_order_seq_cst);
    }
    StopWhenAsked& self;
  };

  Stop stop_;
  Rest rest_;
  std::atomic<bool> is_asked_{false};
  std::atomic<bool> is_told_{false};
  const std::stop_callback<Callback> callback_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
