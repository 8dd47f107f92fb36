// How a server begins, is asked to stop, and ends: what ServerCore does once and not at each call.
#pragma once

#include <atomic>
#include <stop_token>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/duration_text.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/stop_when_asked.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/server/core.hpp>
#include <shared_channel/detail/server/counters.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform, class Observer>
auto ServerCore<Platform, Observer>::create(std::string_view name, const ServerOptions& options,
                                            const Contract& contract) -> Result<UniquePtr<ServerCore>> {
  const typename Platform::NoCancellation uncancelled;
  auto names = Names::make(name, options.scope);
  if (!names) return std::move(names).error();
  auto generation = Generation::make(*names, options, contract);
  if (!generation) return std::move(generation).error();
  return UniquePtr<ServerCore>(new ServerCore(*std::move(names), options, *std::move(generation)));
}

template <class Platform, class Observer>
ServerCore<Platform, Observer>::~ServerCore() {
  end();
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::end() noexcept {
  const typename Platform::NoCancellation uncancelled;
  stop();
  if (in_background_) join();
  // A serve() in another thread leaves by itself after stop() and joins its workers; its last call is answered first.
  // Unless the process ends, and has ended that thread.
  while (serving_.load(std::memory_order_acquire) != nobody && !Platform::is_shutting_down()) {
    wake_workers();
    Platform::rest(std::chrono::milliseconds(1));
  }
  if (LoopNotice* const notice = notice_.get()) {
    notice->end([this] {
      exec().ring_all();
      Platform::rest(std::chrono::milliseconds(1));
    });
  }
  dispatcher_.link().cut(rest_while_others_live);
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::keep_to_process_end() noexcept {
  stop();
  dispatcher_.link().close();
  upkeep_.close(Platform::thread_number(), rest_while_others_live);
  generation_->retire();
  if (is_started_.load(std::memory_order_acquire)) {  // else start() still adds to them
    workers_.detach();
  }
  if (LoopNotice* const notice = notice_.get()) notice->detach();
  next_kept_ = last_kept().load(std::memory_order_relaxed);
  while (!last_kept().compare_exchange_weak(next_kept_, this, std::memory_order_acq_rel)) {
  }
}

template <class Platform, class Observer>
Result<void> ServerCore<Platform, Observer>::serve_with(const Work& work, const std::stop_token& token) {
  if (auto begun = begin_serving(); !begun) return has_stopped() ? ending() : std::move(begun);
  Result<void> started;
  // Also if the program ends this thread: the workers leave, and the server may be destroyed.
  const AtEnd leave([this]() noexcept {
    if (!stopping()) stop();
    join();
    serving_.store(nobody, std::memory_order_release);
  });
  {
    // Ends before we say that we serve no more: from then on the server may be destroyed.
    const auto stop_once = [this]() noexcept {
      if (!stopping()) stop();
    };
    const StopWhenAsked<Platform, decltype(stop_once)> stop_when_asked(token, stop_once);
    started = start_workers(work, options_.threads - 1);
    if (started)
      work();
    else
      stop_without_threads();
    join();
  }
  if (mark_.in_child()) return made_before_fork();
  return started ? ending() : std::move(started);
}

template <class Platform, class Observer>
Result<void> ServerCore<Platform, Observer>::start_with(const Work& work, UniquePtr<KeptHandler> kept) {
  if (stopping()) {
    const Result<void> end = ending();
    return end ? names_.error(Errc::server_stopped, "this server has been stopped; make a new one") : end.error();
  }
  if (auto begun = begin_serving(); !begun) return begun;
  background_ = std::move(kept);
  in_background_ = true;  // the threads leave with stop(); only join() waits for them
  Result<void> started = start_workers(work, options_.threads);
  if (started) {
    serving_.store(its_own_threads, std::memory_order_release);
    is_started_.store(true, std::memory_order_release);
  } else {
    stop_without_threads();
    join();
  }
  return started;
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::stop_without_threads() noexcept {
  if (!stopping()) cause_of_end_.store(CauseOfEnd::no_threads, std::memory_order_relaxed);
  stop();
}

template <class Platform, class Observer>
Result<void> ServerCore<Platform, Observer>::wait(Deadline deadline) {
  if (mark_.in_child()) return made_before_fork();
  if (would_wait_for_itself())
    return names_.error(Errc::would_deadlock, "a handler waits for the end of the server that it answers for");
  if (!is_started_.load(std::memory_order_acquire))
    return names_.error(Errc::invalid_argument, "this server was not begun with start(), so nothing ends");
  const HandlerScope scope(mark_, generation_->number());  // a signal handler may call exit() meanwhile
  if (workers_.await_gone(deadline)) return ending();
  return names_.error(Errc::timed_out, "waited " + duration_text(deadline.timeout()) +
                                           "; the server still serves or ends its last calls");
}

template <class Platform, class Observer>
auto ServerCore<Platform, Observer>::native_handle() -> typename LoopNotice::Native {
  if (mark_.in_child()) return LoopNotice::none;
  return notice_.native([this] { finder_.await_work(*this); });
}

template <class Platform, class Observer>
ServerStats ServerCore<Platform, Observer>::stats() const {
  ServerStats stats = slots_.stats();
  if (!mark_.in_child()) stats.longest_running = times_->longest(slots_, generation_->slot_array().count());
  return stats;
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::stop() noexcept {
  if (mark_.in_child()) return;  // the parent's threads serve on
  closing_.store(true, std::memory_order_seq_cst);
  // Pairs with the client's post: either the client sees that we stopped, or we see its request. Before the workers
  // are told, because a client that posts in a slot that a worker has refused already must see it.
  generation_->page().service.store(service_stopped, std::memory_order_seq_cst);
  stopping_.store(true, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  SHARED_CHANNEL_TEST_POINT(server_stopping);
  slots_.refuse_all();
  exec().ring_all();
  slots_.tell_slot_freed();  // a caller that waits for a slot need not wait any longer
}

template <class Platform, class Observer>
Result<void> ServerCore<Platform, Observer>::begin_serving() {
  if (mark_.in_child()) return made_before_fork();
  std::uint32_t serving = nobody;
  if (!serving_.compare_exchange_strong(serving, Platform::thread_number(), std::memory_order_acq_rel)) {
    return names_.error(Errc::invalid_argument,
                        "this server is already serving; ServerOptions::threads sets how many handlers run at once");
  }
  return {};
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::join() noexcept {
  if (mark_.in_child()) return;  // it has but this thread
  const typename Platform::NoCancellation uncancelled;
  // One ring may not be enough: another sleeper may have swallowed it, or a stray write undone it. The number of
  // rings is bounded: where the process ends, Win32 may have ended the threads in their sleep.
  constexpr int rings = 500;
  for (int ring = 0; ring < rings && stopping() && !Platform::is_shutting_down() && wake_workers(); ++ring)
    Platform::rest(std::chrono::milliseconds(2));
  workers_.join();
  if (in_background_) {
    in_background_ = false;
    serving_.store(nobody, std::memory_order_release);
  }
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::look_at_clock(ClockLooks& looks) noexcept {
  const Clock::time_point now = Clock::now();
  looks.looked(now);
  keep_up(now);
}

template <class Platform, class Observer>
void ServerCore<Platform, Observer>::keep_up(Clock::time_point now) noexcept {
  if (mark_.in_child() || !upkeep_.begin(Platform::thread_number(), now)) return;
  using platform::NameState;
  const NameState name = generation_->mend(closing_, finder_.most_sleepers());
  publish(slots_.stats(), generation_->page().statistics);
  upkeep_.end();
  if (name == NameState::ours || name == NameState::unknown || stopping()) return;
  cause_of_end_.store(name == NameState::lost ? CauseOfEnd::name_lost : CauseOfEnd::name_unrenewable,
                      std::memory_order_relaxed);
  stop();
}

template <class Platform, class Observer>
Result<void> ServerCore<Platform, Observer>::ending() const {
  switch (cause_of_end_.load(std::memory_order_relaxed)) {
    case CauseOfEnd::no_threads:
      return names_.error(Errc::server_stopped,
                          "the system had no threads to serve with, so this server has stopped; make a new one, with "
                          "fewer ServerOptions::threads");
    case CauseOfEnd::name_lost:
      return names_.error(Errc::server_stopped,
                          "somebody removed this channel's files from shared memory while the server ran, or ended the "
                          "thread that holds its name, so no client finds it or another server has the name; this one "
                          "has stopped; make a new one");
    case CauseOfEnd::name_unrenewable:
      return names_.error(Errc::server_stopped,
                          "somebody removed this channel's lock or record from shared memory, and its server cannot "
                          "make them anew, because its process has become another user since; it has stopped; make a "
                          "new one");
    case CauseOfEnd::threads_ended:
      return names_.error(Errc::server_stopped,
                          "handlers ended the threads that served, the last one too, so this server has "
                          "stopped; return from handlers, and make a new one");
    case CauseOfEnd::asked:
      break;
  }
  return {};
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
