// Telling a loop that is not ours that requests wait: Server::native_handle().
//
// Clients ring Exec, which no foreign loop can wait for: a futex is no descriptor, and Win32's event is consumed by the
// wait that it ends. So a thread of the server's own waits for Exec in the loop's place and sets a kernel object that
// the loop waits for. It is
//   armed      asleep on Exec as a worker is, announced, so that clients ring it; the object is not set
//   fired      asleep without a timeout, not announced, so that clients do not ring; the object is set
// and goes from armed to fired by itself, and from fired to armed when a serve_one() has found nothing.
//
// Nothing is lost. To be forbidden: a request waits, the object is not set, and nobody is going to set it. The object
// is cleared only by rearm(), which arms the thread under the same mutex. An armed thread announces itself (S1), looks
// for requests (S3), and sleeps with the ticket (S4), which is the eventcount of doorbell.hpp: it finds each request
// that was posted before it looked, also those that came while it was fired, and is rung for each that comes after. It
// then sets the object. That serve_one() had looked before it re-armed is thus only what makes re-arming worth while.
//
// No ring is kept from others. The ring that woke the thread may have been meant for a worker or a serve_one() in
// another thread (S4 wakes one sleeper): when it fires it rings the next sleeper, having taken back its own
// announcement. And a serve_one() that has answered a call rings the thread if more wait, since two rings may have
// merged into the one that it got (Win32).
//
// No wake-up is spurious: an idle channel leaves the thread asleep, but for the server's upkeep every two seconds,
// which it does as a worker on watch does. A busy loop, whose serve_one() finds something each time, leaves it fired.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <utility>

#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Thread-safe.
template <class Platform>
class LoopNotice {
  using Notifier = typename Platform::Notifier;

  using Thread = typename Platform::Thread;

 public:
  using Native = typename Notifier::Native;
  static constexpr Native none = Notifier::none;

  /// `await` returns once a request waits or the server stops. False: the system has no thread or no object to give.
  template <class Await>
  bool start(const Await& await) {
    if (!notifier_) return false;
    // The thread inherits it. The program's loop may wait for signals with signalfd(2), which finds none that another
    // thread takes. No code of the user's runs there.
    const typename Platform::NoSignals unsignalled;
#if defined(__cpp_exceptions)
    try {
#endif
      thread_ = Thread([this, await] { work(await); });
#if defined(__cpp_exceptions)
    } catch (const std::system_error&) {
      return false;
    }
#endif
    return true;
  }

  [[nodiscard]] Native native() const noexcept { return notifier_.native(); }

  /// A serve_one() has found nothing. Not once the server stops: that the object is set then is the loop's to see.
  void rearm(const std::atomic<bool>& stopping) noexcept {
    const std::lock_guard lock(mutex_);
    if (is_armed_ || stopping.load(std::memory_order_seq_cst)) return;
    notifier_.clear();
    is_armed_ = true;
    changed_.notify_one();
  }

  /// After the server has stopped: ends the thread. `wake` makes its await() look again.
  template <class Wake>
  void end(Wake&& wake) noexcept {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      is_closing_ = true;
      changed_.notify_one();
    }
    // Not without end: where the process ends, Win32 may have taken the thread in its sleep.
    constexpr int times = 500;
    for (int time = 0; time < times && !Platform::is_shutting_down() && !has_ended_.load(std::memory_order_acquire);
         ++time)
      wake();
    thread_.join();
  }

  /// Nobody waits for the thread any more: the process ends.
  void detach() noexcept { thread_.detach(); }

 private:
  template <class Await>
  void work(const Await& await) noexcept {
    std::unique_lock lock(mutex_);
    while (!is_closing_) {
      lock.unlock();
      await();
      lock.lock();
      notifier_.notify();
      is_armed_ = false;
      changed_.wait(lock, [this] { return is_armed_ || is_closing_; });
    }
    has_ended_.store(true, std::memory_order_release);
  }

  Notifier notifier_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_armed_ = true;
  bool is_closing_ = false;
  std::atomic<bool> has_ended_{false};
  Thread thread_;
};

/// A server's LoopNotice, made when first asked for. Thread-safe.
template <class Platform>
class KeptNotice {
  using Notice = LoopNotice<Platform>;

 public:
  /// What a loop waits for; Notice::none if the system has no more to give. `await` as in LoopNotice::start().
  template <class Await>
  typename Notice::Native native(const Await& await) {
    const std::lock_guard lock(making_);
    if (!kept_) {
      UniquePtr<Notice> notice(new Notice);
      if (!notice->start(await)) return Notice::none;
      kept_ = std::move(notice);
      notice_.store(&*kept_, std::memory_order_release);
    }
    return kept_->native();
  }

  /// nullptr: nobody has asked for it.
  [[nodiscard]] Notice* get() const noexcept { return notice_.load(std::memory_order_acquire); }

 private:
  typename Platform::Mutex making_;  // an exit() in a signal handler meanwhile does not end the server
  UniquePtr<Notice> kept_;
  std::atomic<Notice*> notice_{nullptr};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
