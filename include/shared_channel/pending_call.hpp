// The answer to a call that its caller did not wait for.
#pragma once

#include <utility>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/client/taking.hpp>
#include <shared_channel/native_handle.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/timeout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// What Client::call_async() returns: the answer, or the Error, that the call will end in by its deadline. Move-only.
/// One thread at a time may use it; it need not be the one that made the call. May outlive its client. Only cancel()
/// may also be called while a coroutine awaits it: by a std::stop_callback, say, that the coroutine has made after it.
///
/// The call occupies one of the server's slots until get(), or until the PendingCall is dropped: then a request that
/// the server has not taken is withdrawn and never runs, and otherwise the reply is discarded.
///
/// Each of ready(), wait() and get() looks for itself: no thread but the caller's is needed for them, and a deadline
/// takes effect when one of them looks. native_handle() and co_await use a completion thread of the client's.
template <class Reply>
class [[nodiscard]] PendingCall {
  using Platform = typename detail::PlatformOf<Reply>::Type;
  using AsyncCall = detail::AsyncCall<Platform>;
  using Notifier = typename Platform::Notifier;

 public:
  using native_handle_type = typename Notifier::Native;  ///< NativeHandle

  /// No call: ready, and get() answers invalid_argument. To be assigned to.
  PendingCall() = default;

  PendingCall(PendingCall&& other) noexcept
      : call_(std::move(other.call_)),
        refusal_(std::move(other.refusal_)),
        notifier_(std::move(other.notifier_)),
        is_taken_(other.is_taken_),
        is_refused_(std::exchange(other.is_refused_, false)) {}
  PendingCall& operator=(PendingCall&& other) noexcept {
    if (this != &other) {
      drop();
      call_ = std::move(other.call_);
      refusal_ = std::exchange(other.refusal_, Result<void>());
      notifier_ = std::move(other.notifier_);
      is_taken_ = other.is_taken_;
      is_refused_ = std::exchange(other.is_refused_, false);
    }
    return *this;
  }
  ~PendingCall() { drop(); }

  /// Whether get() would return at once.
  [[nodiscard]] bool ready() const noexcept { return !call_ || is_in_child() || call_->ready(); }

  /// Whether the request was not even sent; get() tells why, once.
  [[nodiscard]] bool is_refused() const noexcept { return is_refused_; }

  /// Waits until ready(), at most `timeout` (zero or less: looks once). True if ready.
  bool wait(Timeout timeout) { return !call_ || is_in_child() || call_->wait(detail::Deadline(timeout)); }

  /// Ends the call now, unless it has ended already: the PendingCall is then ready(), what waits for it goes on, and
  /// get() gives the answer, if that has come after all, or cancelled. A request that no handler has taken is withdrawn
  /// and never runs, and Error::not_executed() is true; the handler of another learns it by CallContext::cancelled(),
  /// and its reply is dropped. Does not block. Again, or without a call, it does nothing.
  void cancel() noexcept {
    if (call_ && !is_in_child()) call_->cancel();
  }

  /// Waits for the end of the call and hands it over, once: asked again it answers invalid_argument. Errors: as those
  /// of Client::call(). Here nobody sends the request again when its server goes: server_died and server_stopped are
  /// errors, and not_executed() tells whether a handler can have seen it.
  Result<Reply> get() {
    if (!refusal_) return Result<void>(std::move(refusal_)).error();
    if (!call_ || is_taken_) return taken();
    if (is_in_child()) return call_->core()->forked(Execution::possible);
    const detail::RefPtr<AsyncCall> call = std::move(call_);
    return detail::take_reply<Reply>(*call);
  }

  /// What a loop of the program's own can wait for: signalled once ready(), and then for good. Linux: a descriptor for
  /// poll or epoll (readable); Win32: a manual-reset event for MsgWaitForMultipleObjects. Made on first use and owned
  /// by the PendingCall: to be neither closed nor reset nor read, and gone with it. -1 or nullptr if the system has
  /// none to give, and in a fork()ed child.
  [[nodiscard]] native_handle_type native_handle() {
    if (call_ && is_in_child()) return Notifier::none;
    if (!notifier_) {
      auto notifier = detail::RefPtr<Notifier>(new Notifier());
      if (!*notifier) return Notifier::none;
      if (!call_)
        notifier->notify();
      else if (call_->notify_at_end(notifier))
        static_cast<void>(call_->core()->completer().add(call_));
      notifier_ = std::move(notifier);  // only now: if memory ran out, the next asking tries again
    }
    return notifier_->native();
  }

  /// For `co_await`: yields what get() returns. The coroutine goes on at once if the call is ready(), and otherwise
  /// on a completion thread of the client's, where the rules for callbacks hold; see Client::call_async().
  [[nodiscard]] bool await_ready() const noexcept { return ready(); }
  template <class Handle>
  bool await_suspend(Handle coroutine) {
    // From here on the coroutine may go on elsewhere, and this object be gone before add() returns.
    const detail::RefPtr<AsyncCall> call = call_;
    call->continue_with(
        detail::UniquePtr<detail::Resumption<Platform, Handle>>(new detail::Resumption<Platform, Handle>(coroutine)));
    bool is_added = false;
    const detail::AtEnd disarmed([&]() noexcept {
      if (!is_added) static_cast<void>(call->take_continuation());  // memory ran out: the coroutine gets the exception
    });
    const bool has_ended = static_cast<bool>(call->core()->completer().add(call));
    is_added = true;
    return !has_ended || !call->take_continuation();
  }
  Result<Reply> await_resume() {
    if (!call_ || is_taken_ || is_in_child()) return get();
    is_taken_ = true;
    return detail::take_reply<Reply>(*call_);  // and keeps it: another thread may be about to cancel it
  }

 private:
  template <class, class>
  friend class SharedChannel;
  friend class RawClient;
  friend class RawDraft;

  explicit PendingCall(detail::RefPtr<AsyncCall> call) noexcept : call_(std::move(call)) {}
  explicit PendingCall(Error error) : refusal_(std::move(error)), is_refused_(true) {}

  static Error taken() {
    return Error(Errc::invalid_argument, "",
                 "this PendingCall has no answer to give: it was taken already, or moved from, or there never was one",
                 0, Execution::possible);
  }

  [[nodiscard]] bool is_in_child() const noexcept { return call_->core()->is_in_child(); }

  void drop() noexcept {
    if (!call_) return;
    if (call_->core()->must_be_left()) return call_.forget();
    call_->drop();
    call_ = nullptr;
  }

  detail::RefPtr<AsyncCall> call_;
  Result<void> refusal_;  // why it was not even sent, until that was told
  detail::RefPtr<Notifier> notifier_;
  bool is_taken_ = false;  // by a coroutine
  bool is_refused_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
