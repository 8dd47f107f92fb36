// The server's side of a channel: its threads wait for requests and have them handled, until it stops. Knows bytes, not
// message types.
#pragma once

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/duration_text.hpp>
#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/stop_when_asked.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/observe/server_observer.hpp>
#include <shared_channel/detail/server/counters.hpp>
#include <shared_channel/detail/server/dispatcher.hpp>
#include <shared_channel/detail/server/finder.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/detail/server/loop_notice.hpp>
#include <shared_channel/detail/server/running_times.hpp>
#include <shared_channel/detail/server/slots.hpp>
#include <shared_channel/detail/server/upkeep.hpp>
#include <shared_channel/detail/server/workers.hpp>
#include <shared_channel/detail/wait/spin.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// A handler that the server owns without knowing its type.
struct KeptHandler {
  virtual ~KeptHandler() = default;
};

template <class Platform, class Observer = NoServerObserver>
class ServerCore {
  using Generation = detail::Generation<Platform>;
  using Exec = typename Generation::Exec;
  using ForkMark = typename Platform::ForkMark;
  using LoopNotice = detail::LoopNotice<Platform>;

 public:
  /// `contract_for` makes the channel's Contract from options that have been checked.
  template <class ContractFor>
  static Result<UniquePtr<ServerCore>> create(std::string_view name, const ServerOptions& options,
                                              ContractFor&& contract_for) {
    const typename Platform::NoCancellation uncancelled;
    auto names = Names::make(name, options.scope);
    if (!names) return std::move(names).error();
    auto generation = Generation::make(*names, options, contract_for);
    if (!generation) return std::move(generation).error();
    return UniquePtr<ServerCore>(new ServerCore(*std::move(names), options, *std::move(generation)));
  }

  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;

  ~ServerCore() { end(); }

  /// Stops, and waits until handlers and responders have let go. Until then a handler may use its Server.
  void end() noexcept {
    const typename Platform::NoCancellation uncancelled;
    stop();
    if (in_background_) join();
    // A serve() in another thread leaves by itself after stop() and joins its workers; its last call is answered first.
    // Unless the process ends, and has ended that thread.
    while (serving_.load(std::memory_order_acquire) && !Platform::is_shutting_down()) {
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

  /// Whether the calling thread is in one of this server's handlers, or answers one of its calls: end() would wait for
  /// itself.
  [[nodiscard]] bool is_in_handler() const noexcept {
    return HandlerScope::serves(generation_->number()) || dispatcher_.link().is_visited_here();
  }

  /// end() for a thread that is in a handler or a codec (which may have called exit()): waits for nobody. The threads
  /// leave when they next look, so the core must stay until the process ends.
  void let_go() noexcept {
    stop();
    dispatcher_.link().close();
    upkeep_.close(rest_while_others_live);
    generation_->retire();
    if (is_started_.load(std::memory_order_acquire)) {  // else start() still adds to them
      workers_.detach();
    }
    if (LoopNotice* const notice = notice_.get()) notice->detach();
    next_let_go_ = last_let_go().load(std::memory_order_relaxed);
    while (!last_let_go().compare_exchange_weak(next_let_go_, this, std::memory_order_acq_rel)) {
    }
  }

  /// Serves on the calling thread and options.threads - 1 more until stop(), or until `token` is asked to stop.
  template <class Answer>
  Result<void> serve(Answer& answer, const std::stop_token& token = {}) {
    if (auto begun = begin_serving(); !begun) return has_stopped() ? ending() : std::move(begun);
    Result<void> started;
    // Also if the program ends this thread: the workers leave, and the server may be destroyed.
    const AtEnd leave([this]() noexcept {
      if (!stopping()) stop();
      join();
      serving_.store(false, std::memory_order_release);
    });
    {
      // Ends before we say that we serve no more: from then on the server may be destroyed.
      const StopWhenAsked stop_when_asked(
          token,
          [this]() noexcept {
            if (!stopping()) stop();
          },
          [] { Platform::rest(std::chrono::milliseconds(1)); });
      started = start_workers(answer, options_.threads - 1);
      if (started)
        work(answer);
      else
        stop();
      join();
    }
    if (mark_.in_child()) return made_before_fork();
    return started ? ending() : std::move(started);
  }

  /// Serves on options.threads threads in the background. `kept` answers until they have ended.
  template <class Answer>
  Result<void> start(UniquePtr<Answer> kept) {
    if (stopping()) return names_.error(Errc::server_stopped, "this server has been stopped; make a new one");
    if (auto begun = begin_serving(); !begun) return begun;
    Answer& answer = *kept;
    background_ = std::move(kept);
    in_background_ = true;  // the threads leave with stop(); only join() waits for them
    Result<void> started = start_workers(answer, options_.threads);
    if (started) {
      is_started_.store(true, std::memory_order_release);
    } else {
      stop();
      join();
    }
    return started;
  }

  /// Waits until the threads of start() have left, and tells why they did.
  Result<void> wait(Deadline deadline) {
    if (mark_.in_child()) return made_before_fork();
    if (is_in_handler())
      return names_.error(Errc::would_deadlock, "a handler waits for the end of the server that it answers for");
    if (!is_started_.load(std::memory_order_acquire))
      return names_.error(Errc::invalid_argument, "this server was not begun with start(), so that nothing ends");
    if (workers_.await_gone(deadline)) return ending();
    return names_.error(Errc::timed_out, "waited " + duration_text(deadline.timeout()) +
                                             "; the server still serves or ends its last calls");
  }

  /// Answers one request. False: none came before the deadline, or the server was stopped.
  template <class Answer>
  Result<bool> serve_one(Answer& answer, Deadline deadline) {
    if (auto begun = begin_serving(); !begun) {
      auto why = has_stopped() ? ending() : std::move(begun);
      return why ? Result<bool>(false) : std::move(why).error();
    }
    const AtEnd leave([this]() noexcept {
      fence_after_unlocking();
      if (stopping()) slots_.refuse_all();
      serving_.store(false, std::memory_order_release);
    });
    const TakenCall call = finder_.next(deadline, keeping_up());
    if (call) dispatcher_.handle(call, answer);
    if (mark_.in_child()) return made_before_fork();
    if ((!call || ++answered_one_by_one_ % calls_per_clock == 0) && !stopping()) keep_up();
    if (LoopNotice* const notice = notice_.get()) {
      fence_after_unlocking();
      finder_.tell_loop(*notice, !call);
    }
    if (!call) {
      if (auto end = ending(); !end) return std::move(end).error();
    }
    return static_cast<bool>(call);
  }

  /// What a loop of the program's own can wait for: set while requests wait. Made when first asked for.
  typename LoopNotice::Native native_handle() {
    if (mark_.in_child()) return LoopNotice::none;
    return notice_.native([this] { finder_.await_work(keeping_up()); });
  }

  [[nodiscard]] ServerStats stats() const {
    ServerStats stats = slots_.stats();
    stats.longest_running = times_->longest(slots_, generation_->slot_array().count());
    return stats;
  }

  /// Only atomics and wake-ups: safe in a signal handler.
  void stop() noexcept {
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

  [[nodiscard]] const Names& names() const noexcept { return names_; }
  [[nodiscard]] bool is_in_child() const noexcept { return mark_.in_child(); }

  /// Slots found in a state that no correct peer leaves, and reset.
  [[nodiscard]] std::uint64_t damaged_slots() const noexcept { return slots_.damaged(); }

 private:
  ServerCore(Names names, const ServerOptions& options, UniquePtr<Generation> generation)
      : names_(std::move(names)), options_(options), generation_(std::move(generation)) {}

  [[nodiscard]] Exec& exec() const noexcept { return generation_->exec(); }

  /// Where leak checkers find the cores that nobody destroys.
  static std::atomic<ServerCore*>& last_let_go() noexcept {
    static std::atomic<ServerCore*> core{nullptr};
    return core;
  }

  /// Passes a little time. False: the process ends, and has ended its other threads wherever they were.
  static bool rest_while_others_live() noexcept {
    Platform::rest(std::chrono::milliseconds(1));
    return !Platform::is_shutting_down();
  }

  // ---- threads ----
  Result<void> begin_serving() {
    if (mark_.in_child()) return made_before_fork();
    if (serving_.exchange(true, std::memory_order_acq_rel)) {
      return names_.error(Errc::invalid_argument,
                          "this server is already serving; ServerOptions::threads sets how many handlers run at once");
    }
    return {};
  }

  template <class Answer>
  Result<void> start_workers(Answer& answer, unsigned count) {
    return workers_.start(names_, count, options_.threads, [this, &answer] { work(answer); });
  }

  void join() noexcept {
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
      serving_.store(false, std::memory_order_release);
    }
  }

  /// Whether one still had to be woken.
  bool wake_workers() noexcept {
    const bool is_needed = upkeep_.has_sleepers();
    if (is_needed) exec().ring_all();
    return is_needed;
  }

  void keep_up() noexcept {
    if (mark_.in_child() || !upkeep_.begin()) return;
    const bool is_ours = generation_->mend(closing_, finder_.most_sleepers());
    publish(slots_.stats(), generation_->page().statistics);
    upkeep_.end();
    if (is_ours || stopping()) return;
    cause_of_end_.store(CauseOfEnd::name_lost, std::memory_order_relaxed);
    stop();
  }

  [[nodiscard]] auto keeping_up() noexcept {
    return [this]() noexcept { keep_up(); };
  }

  /// Why a server ends. Written before stopping_ is set, and read by threads that have seen that.
  enum class CauseOfEnd : unsigned char { asked, name_lost, threads_ended };

  /// An error if the server has ended by itself.
  [[nodiscard]] Result<void> ending() const {
    switch (cause_of_end_.load(std::memory_order_relaxed)) {
      case CauseOfEnd::name_lost:
        return names_.error(Errc::server_stopped,
                            "somebody removed this channel's files from shared memory while the server ran, so that no "
                            "client finds it or another server has the name; this one has stopped; make a new one");
      case CauseOfEnd::threads_ended:
        return names_.error(Errc::server_stopped,
                            "handlers ended the threads that served, the last one too, so that this server has "
                            "stopped; return from handlers, and make a new one");
      case CauseOfEnd::asked:
        break;
    }
    return {};
  }

  [[nodiscard]] Error made_before_fork() const {
    return names_.error(Errc::forked, "this server was made before fork(); make a new one in the child");
  }

  /// Whether stop() leaves nothing to serve, even if other threads still do.
  [[nodiscard]] bool has_stopped() const noexcept { return stopping() && !mark_.in_child(); }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_seq_cst); }

  /// A worker looks at every slot again before it sleeps or ends; a serve_one() may be the program's last. While it
  /// held a slot's lock, stop() or the loop's thread may have passed over the slot's next call. Either they look again
  /// after us, or we see that call, or that we stop.
  static void fence_after_unlocking() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }

  template <class Answer>
  void work(Answer& answer) {
    // If the program ends the last thread that serves (pthread_exit() in a handler), nobody would answer any more.
    const AtEnd leave([this]() noexcept {
      if (mark_.in_child() || !workers_.leave()) return;
      if (!stopping()) {
        cause_of_end_.store(CauseOfEnd::threads_ended, std::memory_order_relaxed);
        stop();
      }
      workers_.tell_gone();
    });
    Deadline never = Deadline::never();
    FairYield fair_yield(options_.wait, server_yields);
    std::uint32_t calls = 0;
    while (const TakenCall call = finder_.next(never, keeping_up())) {
      dispatcher_.handle(call, answer);
      fair_yield.after_call();
      if (++calls % calls_per_clock == 0) keep_up();
    }
    slots_.refuse_all();
    exec().ring_all();  // the next worker leaves likewise
  }

  /// A busy worker never wakes from sleep, nor does a serve_one() that does not wait: they also mend the words of their
  /// server; not at every call, because reading the clock is dear.
  static constexpr std::uint32_t calls_per_clock = 64;

  Names names_;
  ServerOptions options_;
  ForkMark mark_;
  UniquePtr<Generation> generation_;
  std::atomic<bool> closing_{false};  // stop() has begun
  std::atomic<bool> stopping_{false};
  ServerSlots<Platform> slots_{*generation_};
  Dispatcher<Platform, Observer> dispatcher_{*generation_, slots_, options_.threads, stopping_, mark_, names_};
  Upkeep upkeep_;
  Finder<Platform> finder_{generation_->exec(), slots_, upkeep_, stopping_, mark_, options_};
  std::atomic<CauseOfEnd> cause_of_end_{CauseOfEnd::asked};
  std::atomic<bool> serving_{false};
  std::uint32_t answered_one_by_one_ = 0;  // calls, by serve_one()
  bool in_background_ = false;
  std::atomic<bool> is_started_{false};  // start() has all its threads
  UniquePtr<KeptHandler> background_;    // of start()
  Workers<typename Platform::Thread> workers_;
  UniquePtr<RunningTimes> times_{new RunningTimes};
  KeptNotice<Platform> notice_;
  ServerCore* next_let_go_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
