// A call that is on its way while its caller does something else.
//
// It begins with its caller alone. Whoever then asks for the answer waits for it as a plain call does, on the asking
// thread. Once something is to happen by itself when the call ends (a callback, a coroutine, a native handle), a
// watcher gets it as well (completer.hpp), and from then on the watcher alone sleeps on the reply word: the server
// wakes one sleeper per answer. The caller, if it waits nevertheless, waits for the watcher's word.
//
// Either of them may end the call, under the mutex: in its answer, or by giving it up. The slot goes back when the
// answer was read, but never while a watcher may sleep on its reply word: the next call of that slot could sleep there
// too. So a call that its caller ended stays with the watcher until that comes round, called by its bell.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/current_connection.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>

namespace shared_channel::detail {

template <class Platform>
class ClientCore;

/// Calls a watcher away from its sleep. One sleeper, any number of ringers, one process; doorbell.hpp has the argument:
/// R1 is `news_`, and S3 looks at it.
template <class Platform>
class WatcherBell {
  using WaitSet = typename Platform::WaitSet;
  using Entries = typename WaitSet::Entries;
  using Watch = typename Platform::Watch;

 public:
  [[nodiscard]] int failure() const noexcept { return set_.failure(); }

  /// After whatever there is to find has been published.
  void ring() noexcept {
    news_.store(true, std::memory_order_seq_cst);  // R1
    if (must_ring(bell_)) set_.ring();
  }

  [[nodiscard]] bool has_news() const noexcept { return news_.load(std::memory_order_seq_cst); }
  /// Before looking for them.
  void take_news() noexcept { news_.exchange(false, std::memory_order_seq_cst); }

  /// Sleeps until a ring, or until what `look` says: it runs after the announcement, and answers with the entries to
  /// sleep on, or nothing if there is no need to.
  template <class Look>
  platform::Wake sleep(Look&& look, Deadline& deadline, const Watch* server) {
    const Sleeper sleeper(bell_, 1);                   // S1, S2
    if (has_news()) return platform::Wake::signalled;  // S3
    const std::optional<Entries> entries = look();
    if (!entries) return platform::Wake::signalled;
    return set_.wait(sleeper.ticket(), *entries, deadline, server);  // S4
  }

 private:
  DoorbellWords bell_{};
  std::atomic<bool> news_{false};
  WaitSet set_{bell_.sequence};
};

template <class Platform>
class AsyncCall;

/// What happens by itself when a call has ended. Runs on the watcher's thread, at most once.
template <class Platform>
class Continuation {
 public:
  virtual ~Continuation() = default;
  virtual void run(AsyncCall<Platform>& call) noexcept = 0;
};

template <class Platform>
class AsyncCall : public RefCounted {
  using ClientCore = detail::ClientCore<Platform>;
  using CurrentConnection = detail::CurrentConnection<Platform>;
  using Pin = typename CurrentConnection::Pin;
  using Call = detail::Call<Platform>;
  using Notifier = typename Platform::Notifier;
  using WatcherBell = detail::WatcherBell<Platform>;
  using Continuation = detail::Continuation<Platform>;
  using Entry = typename Platform::WaitSet::Entry;
  using Entries = typename Platform::WaitSet::Entries;

 public:
  AsyncCall(RefPtr<ClientCore> core, Pin pin, const Deadline& deadline) noexcept
      : core_(std::move(core)), pin_(std::move(pin)), call_(*pin_), deadline_(deadline) {}
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  [[nodiscard]] const RefPtr<ClientCore>& core() const noexcept { return core_; }
  [[nodiscard]] const Pin& pin() const noexcept { return pin_; }
  [[nodiscard]] Call& call() noexcept { return call_; }
  [[nodiscard]] Deadline& deadline() noexcept { return deadline_; }

  // ---- the caller's side: one thread at a time ----

  /// Whether finish() would not block.
  [[nodiscard]] bool ready() noexcept {
    const std::lock_guard lock(mutex_);
    return ended_by_now();
  }

  /// Waits until then, or until `until` has passed. True if ready.
  bool wait(Deadline until) {
    if (ready()) return true;
    if (mine_to_wait()) {
      call_.wait(until.at() < deadline_.at() ? until : deadline_);
      return ready();
    }
    WatcherBell& ended = caller_bell();
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
    if (!mine_to_wait()) {
      wait(Deadline::never());
    } else if (!has_ended()) {
      end(call_.await(deadline_));
    }
    const std::lock_guard lock(mutex_);
    return is_answered_;
  }

  /// Of a call that has ended.
  [[nodiscard]] const Failure& failure() const noexcept { return call_.failure(); }

  /// Whether the call ended because its client did.
  [[nodiscard]] bool is_orphan() noexcept {
    const std::lock_guard lock(mutex_);
    return orphan_;
  }

  /// Nobody wants the reply's bytes any more.
  void leave() noexcept {
    const std::lock_guard lock(mutex_);
    if (bell_ == nullptr) call_.leave();
  }

  /// The caller wants no answer: the request is withdrawn, or its reply discarded. What was to happen does not.
  void cancel() noexcept {
    const UniquePtr<Continuation> unwanted = take_continuation();
    const std::lock_guard lock(mutex_);
    if (!ended_) end_by_caller(call_.give_up(Errc::timed_out));
  }

  /// Ends a call that nobody watches with an error of this program's own.
  void fail(Errc reason, int native) noexcept {
    const std::lock_guard lock(mutex_);
    if (!ended_) end_by_caller(call_.give_up(reason, native));
  }

  /// Has `notifier` notified at the end. True: a watcher is now needed.
  bool notify_at_end(RefPtr<Notifier> notifier) noexcept {
    const std::lock_guard lock(mutex_);
    notifier_ = std::move(notifier);
    if (ended_by_now()) notifier_->notify();
    return !ended_ && bell_ == nullptr;
  }

  /// Has `continuation` run by the watcher at the end. A watcher is now needed, even if the end has come.
  void continue_with(UniquePtr<Continuation> continuation) noexcept {
    const std::lock_guard lock(mutex_);
    continuation_ = std::move(continuation);
  }

  /// Who takes it runs it, or sees to it that nobody does.
  UniquePtr<Continuation> take_continuation() noexcept {
    const std::lock_guard lock(mutex_);
    return std::move(continuation_);
  }

  // ---- the watcher's side ----

  [[nodiscard]] bool is_watched() noexcept {
    const std::lock_guard lock(mutex_);
    return bell_ != nullptr;
  }

  void watch(WatcherBell& bell, std::thread::id watcher) noexcept {
    const std::lock_guard lock(mutex_);
    bell_ = &bell;
    watcher_ = watcher;
  }

  /// Whether the call has ended, in whatever way. If so the watcher lets it go and calls resume().
  bool end_if_due(Clock::time_point now, platform::Peer server) noexcept {
    const std::lock_guard lock(mutex_);
    if (!ended_) decide(now, server);
    if (ended_) bell_ = nullptr;
    return ended_;
  }

  /// Announces that the watcher sleeps. Nothing: it need not, the call has ended.
  std::optional<Entry> announce() noexcept {
    const std::lock_guard lock(mutex_);
    if (ended_) return std::nullopt;
    const State seen = call_.announce(announced_);
    announced_ = true;
    if (call_.is_concluded_by(seen)) return std::nullopt;
    auto done = call_.done();
    if (done) return Entry{*done, seen.word()};
    end_locked(call_.give_up_sleepless(done.error()));
    return std::nullopt;
  }

  /// Ends the call because its client ends.
  void orphan() noexcept {
    const std::lock_guard lock(mutex_);
    bell_ = nullptr;
    if (ended_) return;
    end_locked(call_.give_up(Errc::timed_out));
    orphan_ = !is_answered_ && failure().code == Errc::timed_out;
  }

  void resume() noexcept {
    const UniquePtr<Continuation> continuation = take_continuation();
    if (continuation) continuation->run(*this);
  }

 private:
  /// A caller that waits for the watcher's word looks for itself this often.
  static constexpr nanoseconds glance_interval = std::chrono::milliseconds(10);

  /// Whether nobody but the calling thread can be asleep on the reply word.
  [[nodiscard]] bool mine_to_wait() noexcept {
    const std::lock_guard lock(mutex_);
    return bell_ == nullptr || watcher_ == std::this_thread::get_id();
  }

  WatcherBell& caller_bell() {
    const std::lock_guard lock(mutex_);
    return caller_bell_ ? *caller_bell_ : caller_bell_.emplace();
  }

  [[nodiscard]] bool has_ended() noexcept {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  /// For the caller; under the mutex, like all that follows.
  bool ended_by_now() noexcept {
    if (!ended_ && decide(Clock::now(), call_.is_answered() ? platform::Peer::alive : call_.server()) &&
        bell_ != nullptr)
      bell_->ring();
    return ended_;
  }

  void end_by_caller(bool is_answered) noexcept {
    end_locked(is_answered);
    if (bell_ != nullptr) bell_->ring();
  }

  bool decide(Clock::time_point now, platform::Peer server) noexcept {
    if (call_.is_answered()) {
      end_locked(call_.verdict());
    } else if (server != platform::Peer::alive) {
      end_locked(call_.give_up(Call::end_or(Errc::server_died, server)));
    } else if (now >= deadline_.at()) {
      end_locked(call_.give_up(Errc::timed_out));
    }
    return ended_;
  }

  void end_locked(bool is_answered) noexcept {
    ended_ = true;
    is_answered_ = is_answered;
    if (!is_answered && (failure().code == Errc::server_died || failure().code == Errc::server_stopped)) pin_.retire();
    SHARED_CHANNEL_TEST_POINT(client_call_ended);
    if (caller_bell_) caller_bell_->ring();
    if (notifier_) notifier_->notify();
  }

  void end(bool is_answered) noexcept {
    const std::lock_guard lock(mutex_);
    if (!ended_) end_by_caller(is_answered);
  }

  const RefPtr<ClientCore> core_;  // first, so that it goes last
  const Pin pin_;
  Call call_;
  Deadline deadline_;  // started, and never changed

  std::mutex mutex_;
  std::optional<WatcherBell> caller_bell_;  // where the caller waits for the watcher's word, once it has had to
  bool ended_ = false;
  bool orphan_ = false;
  bool announced_ = false;
  bool is_answered_ = false;     // once ended
  WatcherBell* bell_ = nullptr;  // of the watcher that may sleep on the reply word
  std::thread::id watcher_;
  RefPtr<Notifier> notifier_;
  UniquePtr<Continuation> continuation_;
};

}  // namespace shared_channel::detail
