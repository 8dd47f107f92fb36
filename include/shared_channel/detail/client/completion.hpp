// The threads that end asynchronous calls by themselves: none until a callback, a coroutine or a native handle asks for
// one, then one for every sixty calls (59 on Win32), each asleep while it has nothing to watch, until the client ends.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/client/failure.hpp>
#include <shared_channel/detail/client/news_bell.hpp>
#include <shared_channel/detail/wait/adaptive_spin.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// One thread, and the calls whose ends it waits for, all of one connection. The thread keeps the Watcher alive,
/// because a callback may destroy the client.
template <class Platform>
class Watcher : public RefCounted {
  using Connection = detail::Connection<Platform>;
  using Call = detail::Call<Platform>;
  using AsyncCall = detail::AsyncCall<Platform>;
  using NewsBell = detail::NewsBell<Platform>;
  using ForkMark = typename Platform::ForkMark;
  using Thread = typename Platform::Thread;
  using Mutex = typename Platform::Mutex;
  using WaitSet = typename Platform::WaitSet;
  using Entry = typename WaitSet::Entry;
  using Entries = typename WaitSet::Entries;

 public:
  explicit Watcher(WaitPolicy policy) noexcept : spin_(policy) {}

  /// What is in the way, if no thread can be had.
  Obstacle start() {
    if (const int failure = bell_.prepare(); failure != 0) {
      return {"nothing could be made for a completion thread to sleep on", failure};
    }
#if defined(__cpp_exceptions)
    try {
#endif
      thread_ = Thread([self = RefPtr<Watcher>(this)] { self->work(); });
#if defined(__cpp_exceptions)
    } catch (const std::system_error& error) {
      return {no_thread, platform::native_of(error.code())};
    } catch (const std::bad_alloc&) {  // or the Completer would keep a Watcher without a thread
      return {no_thread, platform::native_of(std::make_error_code(std::errc::not_enough_memory))};
    }
#endif
    return {};
  }

  /// Only Completer calls it, from one thread at a time.
  [[nodiscard]] bool has_room_for(const Connection& connection) const noexcept {
    const std::size_t load = load_.load(std::memory_order_acquire);
    return load == 0 || (load < WaitSet::capacity && connection_ == &connection);
  }
  void add(RefPtr<AsyncCall> call) {
    {
      const std::lock_guard lock(mutex_);
      call->watch(bell_, thread_.get_id());
      connection_ = &*call->pin();
      load_.fetch_add(1, std::memory_order_relaxed);
      arrived_[arrived_count_++] = std::move(call);
    }
    SHARED_CHANNEL_TEST_POINT(client_call_watched);
    bell_.ring();
  }

  void close() noexcept {
    closing_.store(true, std::memory_order_seq_cst);
    bell_.ring();
  }
  /// Waits until the thread has ended; the calling thread, if that is it, ends by itself after its callback.
  void join() {
    if (thread_.get_id() == std::this_thread::get_id()) return thread_.detach();
    thread_.join();
  }

 private:
  void work() noexcept {
    platform::Peer server = platform::Peer::alive;
    for (;;) {
      bell_.take_news();  // first: news that come after it keep the thread from its sleep
      const bool closing = closing_.load(std::memory_order_seq_cst);  // before arrived_, which stays as it is once set
      SHARED_CHANNEL_TEST_POINT(client_watcher_looks);
      take_arrived();
      if (closing) return end_all();
      // Do not carry `server` into the next round: callbacks may add calls to its successor.
      if (!resume_ended(std::exchange(server, platform::Peer::alive))) server = calls().empty() ? idle() : wait();
      if (mark_.in_child() || is_kept_) return stay_forever();
    }
  }

  static constexpr const char* no_thread = "no completion thread could start";

  void take_arrived() {
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at < arrived_count_; ++at) calls_[count_++] = std::move(arrived_[at]);
    arrived_count_ = 0;
  }

  /// Lets go of the calls that have ended, and resumes them. True if there were any.
  bool resume_ended(platform::Peer server) {
    const auto now = Clock::now();
    std::size_t left = 0;  // those go to the front
    for (RefPtr<AsyncCall>& call : calls()) {
      if (!call->end_if_due(now, server)) std::swap(calls_[left++], call);
      if (mark_.in_child()) return true;
    }
    const auto over = calls().subspan(left);
    if (over.empty()) return false;
    load_.fetch_sub(over.size(), std::memory_order_release);
    for (RefPtr<AsyncCall>& call : over) {
      if (!resume(call)) return true;
    }
    count_ = left;
    return true;
  }

  /// False in the child of a callback that has forked, and returned there as well; and if the client stays until the
  /// process ends.
  [[nodiscard]] bool resume(RefPtr<AsyncCall>& call) {
    SHARED_CHANNEL_TEST_POINT(client_call_resumes);
    is_kept_ = call->core()->completer().is_kept();
    if (is_kept_) return false;
    call->resume();
    if (mark_.in_child()) return false;
    call = nullptr;
    return true;
  }

  /// The other calls are the parent's, and their callbacks, or nobody's: here the thread ends, and nothing of them
  /// does.
  void stay_forever() noexcept { RefPtr<Watcher>(this).forget(); }

  platform::Peer idle() {
    Deadline never = Deadline::never();
    bell_.sleep([] { return std::optional(Entries{}); }, never, nullptr);
    return platform::Peer::alive;
  }

  /// Waits until a call may have ended or a new one has come. Answers how the server stands, as far as that was asked.
  platform::Peer wait() {
    AsyncCall& any = *calls_[0];
    Deadline first = any.deadline();
    for (const auto& call : calls()) {
      if (call->deadline().at() < first.at()) first = call->deadline();
    }
    const auto look = [this] {
      for (const auto& call : calls()) {
        if (call->call().is_answered()) return true;
      }
      return bell_.has_news();
    };
    if (spin_.poll(
            look, [&any] { return any.call().is_server_gone(); }, first, PeerWas::awake))
      return platform::Peer::alive;
    if (spin_.never_sleeps()) return any.call().server();
    Deadline slice = first.within(Call::backstop);
    const auto outcome = bell_.sleep([this] { return announce(); }, slice, &any.pin()->server());
    SHARED_CHANNEL_TEST_POINT(client_watcher_woke);
    if (outcome != platform::Wake::server_gone) return platform::Peer::alive;
    const platform::Peer server = any.call().server();
    return server != platform::Peer::alive ? server : platform::Peer::died;
  }

  std::optional<Entries> announce() noexcept {
    std::size_t count = 0;
    for (const auto& call : calls()) {
      const auto entry = call->announce();
      if (!entry) return std::nullopt;
      entries_[count++] = *entry;
    }
    return Entries{entries_.data(), count};
  }

  void end_all() {
    for (RefPtr<AsyncCall>& call : calls()) {
      call->orphan();
      if (mark_.in_child() || !resume(call)) return stay_forever();
    }
    count_ = 0;
  }

  [[nodiscard]] std::span<RefPtr<AsyncCall>> calls() noexcept { return {calls_.data(), count_}; }

  ForkMark mark_;
  NewsBell bell_;
  AdaptiveSpin spin_;  // of its own: the plain calls' one must not learn from ours
  std::atomic<bool> closing_{false};
  std::atomic<std::size_t> load_{0};        // calls that arrived and have not ended yet
  const Connection* connection_ = nullptr;  // theirs; meaningless while there are none
  Mutex mutex_;
  std::array<RefPtr<AsyncCall>, WaitSet::capacity> arrived_;
  std::size_t arrived_count_ = 0;
  std::array<RefPtr<AsyncCall>, WaitSet::capacity> calls_;  // the thread's own
  std::size_t count_ = 0;
  bool is_kept_ = false;
  std::array<Entry, WaitSet::capacity> entries_;
  Thread thread_;
};

/// A client's watchers. Thread-safe.
template <class Platform>
class Completer {
  using AsyncCall = detail::AsyncCall<Platform>;
  using Watcher = detail::Watcher<Platform>;
  using Mutex = typename Platform::Mutex;
  using WatcherRef = RefPtr<Watcher>;

 public:
  explicit Completer(WaitPolicy policy) noexcept : policy_(policy) {}

  /// Has the call end by itself, if nobody watches it yet. Else the call has ended: with its client, or because of what
  /// is in the way.
  Obstacle add(const RefPtr<AsyncCall>& call);

  /// Ends what is being watched, and the threads. Afterwards nothing happens by itself any more. If it is called in a
  /// callback, the calls of that callback's thread end after it, on that thread.
  void close();

  /// In place of close(), for who must not wait: no callback begins any more, the threads end when they next would call
  /// one, and the client stays until the process ends.
  void keep_to_process_end() noexcept { is_kept_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_kept() const noexcept { return is_kept_.load(std::memory_order_relaxed); }

 private:
  Obstacle watch(const RefPtr<AsyncCall>& call);

  const WaitPolicy policy_;
  Mutex mutex_;
  bool closed_ = false;
  std::atomic<bool> is_kept_{false};
  ForwardList<WatcherRef> watchers_;  // grows until closed, then stays
};

template <class Platform>
Obstacle Completer<Platform>::add(const RefPtr<AsyncCall>& call) {
  std::unique_lock lock(mutex_);
  if (call->is_watched()) return {};
  const bool is_orphan = closed_;
  const Obstacle obstacle = is_orphan ? Obstacle{"the client was destroyed", 0} : watch(call);
  if (!obstacle) return {};
  lock.unlock();  // what is told of the end may end the client
  if (is_orphan)
    call->orphan();
  else
    call->fail(obstacle);
  return obstacle;
}

template <class Platform>
Obstacle Completer<Platform>::watch(const RefPtr<AsyncCall>& call) {
  for (const WatcherRef& watcher : watchers_) {
    if (!watcher->has_room_for(*call->pin())) continue;
    watcher->add(call);
    return {};
  }
  WatcherRef& watcher = watchers_.emplace(WatcherRef(new Watcher(policy_)));
  if (const Obstacle obstacle = watcher->start()) {
    watchers_.erase(watcher);
    return obstacle;
  }
  watcher->add(call);
  return {};
}

template <class Platform>
void Completer<Platform>::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  for (const WatcherRef& watcher : watchers_) watcher->close();
  for (const WatcherRef& watcher : watchers_) watcher->join();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
