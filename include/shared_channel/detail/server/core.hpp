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
#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/server/clock_looks.hpp>
#include <shared_channel/detail/server/dispatcher.hpp>
#include <shared_channel/detail/server/finder.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/detail/server/observer.hpp>
#include <shared_channel/detail/server/loop_notice.hpp>
#include <shared_channel/detail/server/running_times.hpp>
#include <shared_channel/detail/server/slots.hpp>
#include <shared_channel/detail/server/upkeep.hpp>
#include <shared_channel/detail/server/workers.hpp>
#include <shared_channel/detail/wait/fair_yield.hpp>
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
class ServerCore final : private Mender {
  using Generation = detail::Generation<Platform>;
  using Exec = typename Generation::Exec;
  using ForkMark = typename Platform::ForkMark;
  using LoopNotice = detail::LoopNotice<Platform>;

 public:
  /// `contract` says what the channel's messages are; it means nothing if the options are wrong.
  static Result<UniquePtr<ServerCore>> create(std::string_view name, const ServerOptions& options,
                                              const Contract& contract);

  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;

  ~ServerCore();

  /// Stops, and waits until handlers and responders have let go. Until then a handler may use its Server.
  void end() noexcept;

  /// Whether end() would wait for the calling thread, because it
  ///   - is in one of this server's handlers, or answers one of its calls;
  ///   - serves, or waits for the end, and is now in a signal handler that has called exit();
  ///   - was amid a call, for whose mutex a handler may wait, and is now in such a signal handler;
  ///   - was a worker, and the last to release the server, with a thread_local object of the handler's.
  [[nodiscard]] bool would_wait_for_itself() const noexcept {
    return is_in_handler() || serving_.load(std::memory_order_relaxed) == Platform::thread_number() ||
           Platform::waits_in_vain() || workers_.has_this_thread();
  }

  /// end() for a thread that it would wait for: waits for nobody. The threads leave when they next look, so the core
  /// must stay until the process ends.
  void keep_to_process_end() noexcept;

  /// What a thread of the server does. Only work(), which is behind it, knows the type of the handler.
  struct Work {
    template <class HandlerCall>
    static Work with(ServerCore& core, HandlerCall& handler) noexcept {
      return {&core, &handler, [](ServerCore& to, void* how) { to.work(*static_cast<HandlerCall*>(how)); }};
    }
    void operator()() const { run(*core, handler); }

    ServerCore* core;
    void* handler;
    void (*run)(ServerCore&, void*);
  };

  /// Serves on the calling thread and options.threads - 1 more until stop(), or until `token` is asked to stop.
  template <class HandlerCall>
  Result<void> serve(HandlerCall& handler, const std::stop_token& token = {}) {
    return serve_with(Work::with(*this, handler), token);
  }

  Result<void> serve_with(const Work& work, const std::stop_token& token);

  /// Serves on options.threads threads in the background. `kept` answers until they have ended.
  template <class HandlerCall>
  Result<void> start(UniquePtr<HandlerCall> kept) {
    const Work work = Work::with(*this, *kept);
    return start_with(work, std::move(kept));
  }

  Result<void> start_with(const Work& work, UniquePtr<KeptHandler> kept);

  /// Waits until the threads of start() have left, and tells why they did.
  Result<void> wait(Deadline deadline);

  /// Answers one request. False: none came before the deadline, or the server was stopped.
  template <class HandlerCall>
  Result<bool> serve_one(HandlerCall& handler, Deadline deadline) {
    if (auto begun = begin_serving(); !begun) {
      auto why = has_stopped() ? ending() : std::move(begun);
      return why ? Result<bool>(false) : std::move(why).error();
    }
    const AtEnd leave([this]() noexcept {  // it may be the program's last
      slots_.fence_after_unlocking();
      if (stopping()) slots_.refuse_all();
      serving_.store(nobody, std::memory_order_release);
    });
    const TakenCall call = finder_.next(deadline, *this);
    const bool took_long = call && dispatcher_.handle(call, handler);
    if (mark_.in_child()) return made_before_fork();
    if ((!call || looks_one_by_one_.are_due(took_long)) && !stopping()) look_at_clock(looks_one_by_one_);
    if (LoopNotice* const notice = notice_.get()) {
      slots_.fence_after_unlocking();
      finder_.tell_loop(*notice, !call);
    }
    if (!call) {
      if (auto end = ending(); !end) return std::move(end).error();
    }
    return static_cast<bool>(call);
  }

  /// What a loop of the program's own can wait for: set while requests wait. Made when first asked for.
  typename LoopNotice::Native native_handle();

  [[nodiscard]] ServerStats stats() const;

  /// Only atomics and wake-ups: safe in a signal handler.
  void stop() noexcept;

  [[nodiscard]] const Names& names() const noexcept { return names_; }
  [[nodiscard]] bool is_in_child() const noexcept { return mark_.in_child(); }

  [[nodiscard]] std::uint32_t slot_count() const noexcept { return generation_->slot_array().count(); }

  /// Slots found in a state that no correct peer leaves, and reset.
  [[nodiscard]] std::uint64_t damaged_slots() const noexcept { return slots_.damaged(); }

 private:
  ServerCore(Names names, const ServerOptions& options, UniquePtr<Generation> generation)
      : names_(std::move(names)), options_(options), generation_(std::move(generation)) {}

  [[nodiscard]] Exec& exec() const noexcept { return generation_->exec(); }

  /// Where leak checkers find the cores that nobody destroys.
  static std::atomic<ServerCore*>& last_kept() noexcept {
    static std::atomic<ServerCore*> core{nullptr};
    return core;
  }

  /// Passes a little time. False: the process ends, and has ended its other threads wherever they were.
  static bool rest_while_others_live() noexcept {
    Platform::rest(std::chrono::milliseconds(1));
    return !Platform::is_shutting_down();
  }

  // ---- threads ----
  /// In place of the number of the thread that serves.
  static constexpr std::uint32_t nobody = 0;
  static constexpr std::uint32_t its_own_threads = 0xFFFF'FFFF;

  Result<void> begin_serving();

  [[nodiscard]] bool is_in_handler() const noexcept {
    return HandlerScope::serves(generation_->number()) || dispatcher_.link().is_visited_here();
  }

  Result<void> start_workers(const Work& work, unsigned count) {
    return workers_.start(names_, count, options_.threads, work);
  }

  void join() noexcept;

  /// The end of a server that could not begin to serve.
  void stop_without_threads() noexcept;

  /// Whether one still had to be woken.
  bool wake_workers() noexcept {
    const bool is_needed = upkeep_.has_sleepers();
    if (is_needed) exec().ring_all();
    return is_needed;
  }

  void keep_up() noexcept override { keep_up(Clock::now()); }
  void keep_up(Clock::time_point now) noexcept;

  /// A busy worker never wakes from sleep, nor does a serve_one() that does not wait: they also mend the words of their
  /// server.
  void look_at_clock(ClockLooks& looks) noexcept;

  /// Why a server ends. Written before stopping_ is set, and read by threads that have seen that.
  enum class CauseOfEnd : unsigned char { asked, no_threads, name_lost, name_unrenewable, threads_ended };

  /// An error if the server has ended by itself.
  [[nodiscard]] Result<void> ending() const;

  [[nodiscard]] Error made_before_fork() const {
    return names_.error(Errc::forked, "this server was made before fork(); make a new one in the child");
  }

  /// Whether stop() leaves nothing to serve, even if other threads still do.
  [[nodiscard]] bool has_stopped() const noexcept { return stopping() && !mark_.in_child(); }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_seq_cst); }

  template <class HandlerCall>
  void work(HandlerCall& handler) {
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
    ClockLooks looks;
    while (const TakenCall call = finder_.next(never, *this)) {
      const bool took_long = dispatcher_.handle(call, handler);
      fair_yield.after_call();
      if (looks.are_due(took_long)) [[unlikely]]
        look_at_clock(looks);
    }
    slots_.refuse_all();
    exec().ring_all();  // the next worker leaves likewise
  }

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
  std::atomic<std::uint32_t> serving_{nobody};  // the number of the thread that serve() or serve_one() has
  ClockLooks looks_one_by_one_;                 // of serve_one()
  bool in_background_ = false;
  std::atomic<bool> is_started_{false};  // start() has all its threads
  UniquePtr<KeptHandler> background_;    // of start()
  Workers<Platform> workers_;
  UniquePtr<RunningTimes> times_{new RunningTimes};
  KeptNotice<Platform> notice_;
  ServerCore* next_kept_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
