// How an observer is told of the end of an asynchronous call.
//
// The observer is the user's code, which may call exit() and with it end the client. So it runs without the call's
// mutex: once, on the thread that ended the call. A call that a stop token ended is told of by its watcher instead:
// letting the call go waits for the token's callback, and that would be the one that calls exit(). Until the observer
// has been told the call has ended but is not over: its caller waits, and its watcher keeps it, unless the client ends.
#pragma once

#include <mutex>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What is told that a call has ended, at most once.
template <class Call>
class EndListener {
 public:
  virtual ~EndListener() = default;
  /// Under the call's mutex.
  virtual void note(Call& call, bool is_answered) noexcept = 0;
  /// Afterwards, without it.
  virtual void tell() noexcept = 0;
};

/// Has the mutex of a call that may end, and leaves it to tell. The call lives on meanwhile, whoever lets it go.
template <class AsyncCall>
class Ending {
 public:
  explicit Ending(AsyncCall& call) noexcept : call_(call), lock_(call.mutex_) {}

  /// To be called when the call may have ended.
  void tell() noexcept {
    if (!call_.listener_ || !call_.has_ended_locked()) [[likely]]
      return;
    kept_ = RefPtr<AsyncCall>(&call_);
    const auto listener = std::move(call_.listener_);
    call_.is_telling_ = true;
    lock_.unlock();
    listener->tell();
    if (call_.core()->is_in_child()) return;  // it has forked, and another thread may have had the mutex then
    lock_.lock();
    call_.is_telling_ = false;
    call_.be_over();
    if (call_.watcher_bell_ != nullptr) call_.watcher_bell_->ring();
  }

 private:
  AsyncCall& call_;
  RefPtr<AsyncCall> kept_;
  std::unique_lock<typename AsyncCall::Mutex> lock_;  // goes first
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
