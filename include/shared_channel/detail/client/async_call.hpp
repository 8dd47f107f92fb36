// A call that is in flight while its caller does something else.
//
// It begins with its caller alone, and a caller that asks for the reply waits for it as a plain call does, on the
// asking thread. Once something is to happen by itself when the call ends (a callback, a coroutine, a native handle), a
// watcher gets it as well (completion.hpp). From then on only the watcher sleeps on the reply word, because the server
// wakes one sleeper per reply; a caller that waits nevertheless waits for the watcher's word.
//
// Either side may end the call, in its reply or by giving it up: under the mutex, or without it while no other thread
// has the call. The slot must not be reused while a watcher can still sleep on its reply word, so a call ended by its
// caller stays with the watcher until the watcher next wakes, called by its bell.
#pragma once

#include <cstddef>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/spares.hpp>
#include <shared_channel/detail/base/stop_when_asked.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/current_connection.hpp>
#include <shared_channel/detail/client/ending.hpp>
#include <shared_channel/detail/client/failure.hpp>
#include <shared_channel/detail/client/posting_order.hpp>
#include <shared_channel/detail/client/news_bell.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class ClientCore;

template <class Platform>
class Continuation;  // taking.hpp

template <class Platform>
class AsyncCall : public RefCounted {
  using ClientCore = detail::ClientCore<Platform>;
  using CurrentConnection = detail::CurrentConnection<Platform>;
  using Pin = typename CurrentConnection::Pin;
  using Call = detail::Call<Platform>;
  using Mutex = typename Platform::Mutex;
  using Notifier = typename Platform::Notifier;
  using EndListener = detail::EndListener<Call>;
  using Ending = detail::Ending<AsyncCall>;
  using NewsBell = detail::NewsBell<Platform>;
  using Continuation = detail::Continuation<Platform>;
  using Entry = typename Platform::WaitSet::Entry;
  using Entries = typename Platform::WaitSet::Entries;

 public:
  AsyncCall(RefPtr<ClientCore> core, Pin pin, const Deadline& deadline) noexcept
      : core_(std::move(core)),
        pin_(std::move(pin)),
        in_flight_(pin_->posting_order()),
        call_(*pin_),
        deadline_(deadline) {}
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  /// Calls lie in their core's spare memory.
  static void* operator new(std::size_t, Spares& spares) { return spares.take(); }
  static void operator delete(void* memory, Spares& spares) noexcept { spares.give(memory); }
  static void operator delete(AsyncCall* call, std::destroying_delete_t) noexcept {
    call->cancel_when_asked_.reset();  // first, as ever: it may be about to use the rest
    call->withdraw_unheld();
    const RefPtr<ClientCore> core = std::move(call->core_);
    call->~AsyncCall();
    core->spares().give(call);
  }

  [[nodiscard]] const RefPtr<ClientCore>& core() const noexcept { return core_; }
  [[nodiscard]] const Pin& pin() const noexcept { return pin_; }
  [[nodiscard]] Call& call() noexcept { return call_; }
  [[nodiscard]] const Turn& turn() const noexcept { return in_flight_.turn(); }
  /// Of a call that is posted only now.
  [[nodiscard]] const Turn& take_turn() noexcept {
    in_flight_.begin_again(pin_->posting_order());
    return turn();
  }
  [[nodiscard]] Deadline& deadline() noexcept { return deadline_; }

  // ---- the caller's side: one thread at a time ----

  /// Whether finish() would not block.
  [[nodiscard]] bool ready() noexcept {
    Ending ending(*this);
    end_by_now();
    ending.tell();
    return is_over();
  }

  /// Waits until it would not, or until `until` has passed. True if ready.
  bool wait(Deadline until) {
    if (ready()) return true;
    if (may_sleep_on_reply()) {
      Deadline& first = until.at() < deadline_.at() ? until : deadline_;
      const auto waited = call_.wait(first, [] {});
      if (!waited) end([&] { return call_.give_up_sleepless(waited.error()); });
      return ready();
    }
    NewsBell& ended = caller_bell();
    for (;;) {
      ended.take_news();
      if (ready()) return true;
      if (until.passed()) return false;
      // In pieces: the watcher may be in a callback that takes long, or that waits for what we do next.
      Deadline slice = (until.at() < deadline_.at() ? until : deadline_).within(glance_interval);
      ended.sleep([] { return std::optional(Entries{}); }, slice, nullptr);
    }
  }

  /// Waits for the end. True: the reply may be read, until leave(). Else failure() tells why not.
  bool finish() {
    if (!is_shared_) [[likely]]
      return finish_alone();
    if (!may_sleep_on_reply()) {
      wait(Deadline::never());
    } else if (!has_ended()) {
      const bool is_answered = call_.await(deadline_);
      Ending ending(*this);
      if (!has_ended_locked()) {
        end_by_caller(is_answered);
      }
      ending.tell();
    }
    const std::lock_guard lock(mutex_);
    return end_ == End::answered;
  }

  /// Of a call that did not end in its reply.
  [[nodiscard]] const Failure& failure() const noexcept { return call_.failure(); }

  /// Whether the call ended because its client did.
  [[nodiscard]] bool is_orphan() noexcept {
    const std::lock_guard lock(mutex_);
    return end_ == End::orphaned;
  }

  /// The reply has been read. While a watcher may still sleep on its word, the slot stays until that lets the call go.
  void leave() noexcept {
    if (!is_shared_) [[likely]]
      return call_.leave();
    const std::lock_guard lock(mutex_);
    is_read_ = true;
    if (watcher_bell_ == nullptr) call_.leave();
  }

  /// Ends the call, unless it has ended: in its answer, if that is there. The continuation runs.
  void cancel() noexcept {
    end([this] { return call_.give_up(Errc::cancelled); });
  }

  /// Has `token` cancel the call from any thread. For one that nobody but a watcher will wait for; before it gets one.
  void cancel_when_asked(const std::stop_token& token) {
    is_shared_ = true;
    cancel_when_asked_ = UniquePtr<CancelWhenAsked>(new CancelWhenAsked(token, {this}));
  }

  /// The caller wants no reply: the request is withdrawn, or its reply discarded. The continuation never runs.
  void drop() noexcept {
    const UniquePtr<Continuation> unwanted = take_continuation();
    cancel();
  }

  /// Ends a call that needs a watcher, where none could be had.
  void fail(Obstacle obstacle) noexcept {
    end([&] { return call_.give_up(Errc::system_error, obstacle); });
  }

  /// Has `notifier` notified at the end. True: a watcher is now needed.
  bool notify_at_end(const RefPtr<Notifier>& notifier) {
    Ending ending(*this);
    end_by_now();
    ending.tell();
    if (is_over())
      notifier->notify();
    else
      handle_ = notifier;
    return !has_ended_locked() && watcher_bell_ == nullptr;
  }

  /// Has `listener` told of the end. For the call's maker, which has shown it to nobody yet.
  void tell_at_end(EndListener* listener) noexcept { listener_ = UniquePtr<EndListener>(listener); }

  /// Has `continuation` run by the watcher at the end. A watcher is now needed, even if the end has come.
  void continue_with(UniquePtr<Continuation> continuation) noexcept {
    const std::lock_guard lock(mutex_);
    continuation_ = std::move(continuation);
  }

  /// The taker runs it, or drops it so that it never runs.
  UniquePtr<Continuation> take_continuation() noexcept {
    const std::lock_guard lock(mutex_);
    return std::move(continuation_);
  }

  // ---- the watcher's side ----

  [[nodiscard]] bool is_watched() noexcept {
    const std::lock_guard lock(mutex_);
    return watcher_bell_ != nullptr;
  }

  void watch(NewsBell& bell, std::thread::id watcher) noexcept {
    const std::lock_guard lock(mutex_);
    is_shared_ = true;
    watcher_bell_ = &bell;
    watcher_ = watcher;
  }

  /// Whether the call is over, in its reply or otherwise. If so the watcher lets it go and calls resume().
  bool end_if_due(Clock::time_point now, platform::Peer server) noexcept {
    {
      Ending ending(*this);
      if (!has_ended_locked()) decide(now, server);
      ending.tell();
      if (is_over()) unwatch();
      if (is_over() || !has_ended_locked()) return is_over();
    }
    Platform::rest(std::chrono::microseconds(100));  // another thread tells
    return false;
  }

  /// Announces that the watcher sleeps. Nothing: it need not, the call has ended.
  std::optional<Entry> announce() noexcept {
    const std::lock_guard lock(mutex_);
    if (has_ended_locked()) return std::nullopt;
    const State seen = call_.announce(std::exchange(has_waiter_bit_, true));
    if (call_.is_concluded_by(seen)) return std::nullopt;
    auto done = call_.done();
    if (done) return Entry{*done, seen.word()};
    end_locked(call_.give_up_sleepless(done.error()));
    return std::nullopt;
  }

  /// Ends the call because its client ends.
  void orphan() noexcept {
    Ending ending(*this);
    if (!has_ended_locked()) {
      end_locked(call_.give_up(Errc::timed_out));
      if (has_failed(Errc::timed_out)) end_ = End::orphaned;
    }
    ending.tell();
    unwatch();
  }

  void resume() noexcept {
    const UniquePtr<Continuation> continuation = take_continuation();
    if (continuation) continuation->run(*this);
  }

 private:
  friend Ending;
  struct Cancel {
    void operator()() const noexcept {
      if (!call->core_->is_in_child()) call->cancel_untold();
    }
    AsyncCall* call;
  };
  using CancelWhenAsked = StopWhenAsked<Platform, Cancel>;

  enum class End : unsigned char { none, answered, failed, orphaned };  // orphaned: its client ended first

  /// A caller that waits for the watcher's word looks for itself this often.
  static constexpr nanoseconds glance_interval = std::chrono::milliseconds(10);

  /// finish() of a call that no watcher has had: no other thread uses it meanwhile.
  bool finish_alone() {
    if (!has_ended_locked()) {
      end_by_caller(call_.is_answered() ? call_.verdict() : call_.await(deadline_));
      if (const UniquePtr<EndListener> listener = std::move(listener_)) listener->tell();
    }
    return end_ == End::answered;
  }

  /// Of a call that was sent and is nobody's: its maker ran out of memory before it could hand it over.
  void withdraw_unheld() noexcept {
    if (!has_ended_locked() && call_.may_be_in_use()) end_locked(call_.give_up(Errc::cancelled));
    if (const UniquePtr<EndListener> listener = std::move(listener_); listener && has_ended_locked()) listener->tell();
  }

  /// Ends the call for its caller as `give_up` does, unless it has ended, and tells of it.
  template <class GiveUp>
  void end(GiveUp&& give_up) noexcept {
    Ending ending(*this);
    if (!has_ended_locked()) end_by_caller(give_up());
    ending.tell();
  }

  /// For a token: the watcher tells.
  void cancel_untold() noexcept {
    const std::lock_guard lock(mutex_);
    if (!has_ended_locked()) end_by_caller(call_.give_up(Errc::cancelled));
  }

  /// True if only the calling thread may sleep on the reply word.
  [[nodiscard]] bool may_sleep_on_reply() noexcept {
    const std::lock_guard lock(mutex_);
    return watcher_bell_ == nullptr || watcher_ == std::this_thread::get_id();
  }

  NewsBell& caller_bell() {
    const std::lock_guard lock(mutex_);
    return caller_bell_ ? *caller_bell_ : caller_bell_.emplace();
  }

  [[nodiscard]] bool has_ended() noexcept {
    const std::lock_guard lock(mutex_);
    return has_ended_locked();
  }

  // ---- under the mutex, or where no other thread has the call ----

  /// True if this channel failed so. An error that a handler passed on from another does not count.
  [[nodiscard]] bool has_failed(Errc code) const noexcept {
    return end_ == End::failed && call_.failure().code == code && !call_.failure().is_passed_on;
  }

  void unwatch() noexcept {
    watcher_bell_ = nullptr;
    if (is_read_) call_.leave();
  }

  /// For the caller.
  void end_by_now() noexcept {
    if (!has_ended_locked() &&
        decide(Clock::now(), call_.is_answered() ? platform::Peer::alive : call_.glance_at_server()) &&
        watcher_bell_ != nullptr)
      watcher_bell_->ring();
  }

  void end_by_caller(bool is_answered) noexcept {
    end_locked(is_answered);
    if (watcher_bell_ != nullptr) watcher_bell_->ring();
  }

  bool decide(Clock::time_point now, platform::Peer server) noexcept {
    if (call_.is_answered()) {
      end_locked(call_.verdict());
    } else if (server != platform::Peer::alive) {
      end_locked(call_.give_up(server_end_or(Errc::server_died, server)));
    } else if (now >= deadline_.at()) {
      end_locked(call_.give_up(Errc::timed_out));
    }
    return has_ended_locked();
  }

  void end_locked(bool is_answered) noexcept {
    end_ = is_answered ? End::answered : End::failed;
    in_flight_.end();
    if (has_failed(Errc::server_died) || has_failed(Errc::server_stopped)) pin_.retire();
    if (has_failed(Errc::timed_out) || has_failed(Errc::cancelled)) core_->connector().look_later();
    SHARED_CHANNEL_TEST_POINT(client_call_ended);
    if (listener_)
      listener_->note(call_, is_answered);
    else
      be_over();
  }

  [[nodiscard]] bool has_ended_locked() const noexcept { return end_ != End::none; }
  [[nodiscard]] bool is_over() const noexcept { return has_ended_locked() && !listener_ && !is_telling_; }

  void be_over() noexcept {
    if (caller_bell_) caller_bell_->ring();
    if (handle_) handle_->notify();
  }

  RefPtr<ClientCore> core_;  // goes last
  const Pin pin_;
  typename PostingOrder<Platform>::InFlight in_flight_;
  Call call_;
  Deadline deadline_;  // started, and never changed

  Mutex mutex_;
  std::optional<NewsBell> caller_bell_;  // where the caller waits for the watcher's word, once it has had to
  End end_ = End::none;
  bool has_waiter_bit_ = false;  // set for a watcher: it lasts as long as the call
  bool is_read_ = false;
  bool is_telling_ = false;
  bool is_shared_ = false;            // a watcher or a token has had it: from then on two threads use it
  NewsBell* watcher_bell_ = nullptr;  // of the watcher that may sleep on the reply word
  std::thread::id watcher_;
  UniquePtr<EndListener> listener_;  // until it tells
  RefPtr<Notifier> handle_;
  UniquePtr<Continuation> continuation_;
  // Last, so that it goes first, and waits for a cancel() in another thread. It cannot go in its own: nothing that
  // cancel() does lets go of the call.
  UniquePtr<CancelWhenAsked> cancel_when_asked_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
