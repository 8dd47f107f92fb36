// The server's side of a channel: waits for requests, has them handled, ends in good order. Knows bytes, not message
// types.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <new>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/protocol/cause.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/handler.hpp>
#include <shared_channel/detail/server/slots.hpp>
#include <shared_channel/detail/server/upkeep.hpp>
#include <shared_channel/detail/wait/spin.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// A handler that the server owns without knowing its type.
struct KeptHandler {
  virtual ~KeptHandler() = default;
};

/// Does `end` when it goes out of scope, however that comes about.
template <class End>
class AtEnd {
 public:
  explicit AtEnd(End end) noexcept : end_(end) {}
  ~AtEnd() { end_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  End end_;
};

template <class Platform>
class ServerCore final : private AnswerSink {
  using Generation = detail::Generation<Platform>;
  using Exec = typename Generation::Exec;
  using ForkMark = typename Platform::ForkMark;

 public:
  /// `contract_for` makes the channel's Contract from options that have been checked.
  template <class ContractFor>
  static Result<UniquePtr<ServerCore>> create(std::string_view name, const ServerOptions& options,
                                              ContractFor&& contract_for) {
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
    stop();
    if (in_background_) join();
    // A serve() in another thread leaves by itself after stop() and joins its workers; its last call is answered first.
    while (serving_.load(std::memory_order_acquire)) {
      wake_workers();
      Platform::rest(std::chrono::milliseconds(1));
    }
    link_->cut([] { Platform::rest(std::chrono::milliseconds(1)); });
  }

  /// Whether the calling thread is in one of this server's handlers: what end() would wait for is itself.
  [[nodiscard]] bool is_in_handler() const noexcept { return HandlerScope::serves(generation_->number()); }

  /// end() for a thread that is in a handler, which called exit() perhaps: waits for nobody. The threads leave when
  /// they next look, so the core must stay until the process ends.
  void let_go() noexcept {
    stop();
    link_->close();
    upkeep_.close([] { Platform::rest(std::chrono::milliseconds(1)); });
    generation_->retire();
    if (is_started_.load(std::memory_order_acquire)) {  // else start() still adds to them
      for (std::thread& worker : workers_) worker.detach();
    }
    next_let_go_ = last_let_go().load(std::memory_order_relaxed);
    while (!last_let_go().compare_exchange_weak(next_let_go_, this, std::memory_order_acq_rel)) {
    }
  }

  /// Serves on the calling thread and options.threads - 1 more until stop(), or until `token` is asked to stop.
  template <class Answer>
  Result<void> serve(Answer& answer, const std::stop_token& token = {}) {
    if (auto begun = begin_serving(); !begun) return begun;
    Result<void> started;
    // Also if the program ends this thread: the workers leave, and the server may be destroyed.
    const AtEnd leave([this]() noexcept {
      if (!stopping()) stop();
      join();
      serving_.store(false, std::memory_order_release);
    });
    {
      // Ends before we say that we serve no more: from then on the server may be destroyed. A callback that runs is
      // waited for by ourselves: where libstdc++ has no futexes, the wake-up of a stop_callback's destructor can get
      // lost.
      std::atomic<bool> is_asked{false}, is_told{false};
      const std::stop_callback stop_when_asked(token, [this, &is_asked, &is_told] {
        is_asked.store(true, std::memory_order_seq_cst);
        if (!stopping()) stop();
        is_told.store(true, std::memory_order_seq_cst);
      });
      started = start_workers(answer, options_.threads - 1);
      if (started)
        work(answer);
      else
        stop();
      join();
      while (is_asked.load(std::memory_order_seq_cst) && !is_told.load(std::memory_order_seq_cst))
        Platform::rest(std::chrono::milliseconds(1));
    }
    return started && lost_name_.load(std::memory_order_relaxed) ? nameless() : std::move(started);
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

  /// Answers one request. False: none came before the deadline, or the server was stopped.
  template <class Answer>
  Result<bool> serve_one(Answer& answer, Deadline deadline) {
    if (auto begun = begin_serving(); !begun) return std::move(begun).error();
    const AtEnd leave([this]() noexcept {
      if (stopping()) slots_side_.refuse_all();
      serving_.store(false, std::memory_order_release);
    });
    const TakenCall call = next(deadline);
    if (call) handle(call, answer);
    if (!call && lost_name_.load(std::memory_order_relaxed)) return nameless();
    return static_cast<bool>(call);
  }

  /// Only atomics and wake-ups: safe in a signal handler.
  void stop() noexcept {
    if (mark_.in_child()) return;  // the parent's threads serve on
    closing_.store(true, std::memory_order_seq_cst);
    // Pairs with the client's post: it sees that we stopped, or we see its request. Before the workers are told:
    // whoever still posts in a slot that one of them has refused already must see it.
    generation_->page().service.store(service_stopped, std::memory_order_seq_cst);
    stopping_.store(true, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_stopping);
    slots_side_.refuse_all();
    exec().ring_all();
    slots_side_.tell_slot_freed();  // who waits for a slot need not wait any longer
  }

  [[nodiscard]] const Names& names() const noexcept { return names_; }
  [[nodiscard]] bool is_in_child() const noexcept override { return mark_.in_child(); }

  /// Slots found in a state that no correct peer leaves, and reset.
  [[nodiscard]] std::uint64_t damaged_slots() const noexcept { return slots_side_.damaged(); }

 private:
  ServerCore(Names names, const ServerOptions& options, UniquePtr<Generation> generation)
      : names_(std::move(names)),
        options_(options),
        generation_(std::move(generation)),
        spin_(options.wait, Platform::usable_cores()) {}

  [[nodiscard]] Header& header() const noexcept { return generation_->header(); }
  [[nodiscard]] const SlotArray& slot_array() const noexcept { return generation_->slot_array(); }
  [[nodiscard]] Exec& exec() const noexcept { return generation_->exec(); }

  /// Where leak checkers find the cores that nobody destroys.
  static std::atomic<ServerCore*>& last_let_go() noexcept {
    static std::atomic<ServerCore*> core{nullptr};
    return core;
  }

  // ---- threads ----
  Result<void> begin_serving() {
    if (mark_.in_child())
      return names_.error(Errc::forked, "this server was made before fork(); make a new one in the child");
    if (serving_.exchange(true, std::memory_order_acq_rel)) {
      return names_.error(Errc::invalid_argument,
                          "this server is already serving; ServerOptions::threads sets how many handlers run at once");
    }
    return {};
  }

  template <class Answer>
  Result<void> start_workers(Answer& answer, unsigned count) {
    working_.store(options_.threads, std::memory_order_relaxed);  // before one of them can leave again
#if defined(__cpp_exceptions)
    try {
#endif
      for (unsigned i = 0; i < count; ++i) workers_.emplace([this, &answer] { work(answer); });
#if defined(__cpp_exceptions)
    } catch (const std::system_error& error) {
      return names_.error(Errc::system_error, "a server thread could not start; use fewer threads",
                          platform::native_of(error.code()));
    } catch (const std::bad_alloc&) {  // the destructor waits until serving ends, which an exception would leave open
      return names_.error(Errc::out_of_memory, "there is no memory for a server thread; use fewer threads");
    }
#endif
    return {};
  }

  void join() noexcept {
    // One ring may not do: foreign sleepers may have swallowed it, or a stray write has undone it.
    // Not without end: where the process ends, Win32 may have taken the threads in their sleep.
    constexpr int rings = 500;
    for (int ring = 0; ring < rings && stopping() && wake_workers(); ++ring)
      Platform::rest(std::chrono::milliseconds(2));
    for (std::thread& worker : workers_) {
      if (worker.joinable()) worker.join();
    }
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
    if (!upkeep_.begin()) return;
    const bool is_ours = generation_->mend(closing_, options_.threads);
    upkeep_.end();
    if (is_ours || stopping()) return;
    lost_name_.store(true, std::memory_order_relaxed);
    stop();
  }

  [[nodiscard]] Error nameless() const {
    return names_.error(Errc::server_stopped,
                        "somebody removed the lock on this channel's name while the server ran, so that another server "
                        "could take it; this one has stopped; make a new one");
  }

  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_seq_cst); }

  template <class Answer>
  void work(Answer& answer) {
    // If the program ends the last thread that serves (pthread_exit() in a handler), nobody would answer any more.
    const AtEnd leave([this]() noexcept {
      if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1 && !stopping()) stop();
    });
    Deadline never = Deadline::never();
    Courtesy courtesy(options_.wait);
    std::uint32_t calls = 0;
    while (const TakenCall call = next(never)) {
      handle(call, answer);
      courtesy.after_call();
      if (++calls % calls_per_clock == 0) keep_up();
    }
    slots_side_.refuse_all();
    exec().ring_all();  // the next worker leaves likewise
  }

  /// A busy worker never wakes, and looks after its words as well; not at every call, for which the clock is dear.
  static constexpr std::uint32_t calls_per_clock = 64;

  // ---- finding requests ----
  /// The next request, or nothing once the deadline has passed or the server is stopping.
  TakenCall next(Deadline& deadline) {
    if (stopping()) return {};
    TakenCall found = slots_side_.take_another();
    const auto look = [&] {
      found = slots_side_.take_any();
      return found || stopping();
    };
    if (found || spin_.look(look)) return found;
    return await(look, found, deadline);
  }

  template <class Look>
  TakenCall await(Look& look, const TakenCall& found, Deadline& deadline) {
    for (;;) {
      if (stopping()) return {};
      if (spin_.poll(look, deadline)) return found;
      if (deadline.passed()) return {};
      if (!spin_.never_sleeps()) {
        const Upkeep::Sleep sleep(upkeep_);
        const Sleeper sleeper(exec().words(), options_.threads);
        if (look()) return found;
        Deadline slice = deadline.until(sleep.end());
        exec().wait(sleeper.ticket(), slice);
        SHARED_CHANNEL_TEST_POINT(server_woke);
      }
      keep_up();
    }
  }

  // ---- answering them ----
  /// What a handler is called with: the taken call's frames, and whatever else the handler's form asks for.
  class Invocation {
   public:
    Invocation(ServerCore& core, TakenCall call) noexcept : core_(core), call_(call) {}
    [[nodiscard]] Frame request() const noexcept { return core_.slot_array().request(*call_.slot); }
    [[nodiscard]] Frame reply() const noexcept { return core_.slot_array().reply(*call_.slot); }
    [[nodiscard]] CallContext context() const { return core_.context(call_); }
    template <class Reply>
    [[nodiscard]] Responder<Reply> responder() const {
      has_responder_ = true;
      return Responder<Reply>(core_.link_, call_);
    }
    Outcome fail(std::string_view text, std::uint32_t cause) const noexcept { return core_.fail(call_, text, cause); }
    /// Whether the duty to answer went over to a Responder.
    [[nodiscard]] bool has_responder() const noexcept { return has_responder_; }

   private:
    ServerCore& core_;
    TakenCall call_;
    mutable bool has_responder_ = false;
  };

  template <class Answer>
  void handle(TakenCall call, Answer& answer) {
    // Two rings that meet before a sleeper sleeps can merge into one (Win32 events do): whoever got the one passes it
    // on.
    if (options_.threads > 1 && exec().words().sleepers.load(std::memory_order_relaxed) != 0 &&
        slots_side_.has_posted()) {
      exec().ring_sleeper();
    }
    Outcome outcome = deferred;
    {
      HandlerScope scope(generation_->number(), call.index, call.sequence);
      const Invocation invocation(*this, call);
#if defined(__cpp_exceptions)
      const auto fail_unless_answered = [&](std::string_view text) {
        return invocation.has_responder() && !scope.is_unanswered() ? deferred : fail(call, text);
      };
      try {
        outcome = answer(invocation);
        if (scope.is_unanswered()) outcome = fail(call, dropped);
      } catch (const std::exception& exception) {
        outcome = fail_unless_answered(exception.what());
      } catch (...) {
        if (std::current_exception()) {
          outcome = fail_unless_answered("it threw something that is not a std::exception");
        } else {  // pthread_exit() or pthread_cancel(): not an exception of C++, and must go on
          outcome = fail_unless_answered("its thread was ended");
          if (outcome != deferred) slots_side_.leave(call, outcome);
          throw;
        }
      }
#else
      outcome = answer(invocation);
#endif
    }
    SHARED_CHANNEL_TEST_POINT(server_handled);
    if (outcome != deferred) slots_side_.leave(call, outcome);
  }

  [[nodiscard]] CallContext context(TakenCall call) const {
    const Slot& slot = *call.slot;
    const auto stated = static_cast<std::int64_t>(slot.deadline.load(std::memory_order_relaxed));
    const auto timeout = static_cast<std::int64_t>(slot.timeout.load(std::memory_order_relaxed));
    // A deadline not yet stated belongs to a call that was posted this instant.
    // No client states a negative one, and who subtracts the clock from it must not overflow.
    const Clock::time_point deadline =
        stated == 0 ? Deadline(nanoseconds(timeout)).at() : Clock::time_point(nanoseconds(stated > 0 ? stated : 0));
    return CallContext(link_, call, deadline, slot.process.load(std::memory_order_relaxed));
  }

  // ---- AnswerSink: what responders and contexts ask for, from any thread ----
  [[nodiscard]] Frame reply_frame(TakenCall call) const noexcept override { return slot_array().reply(*call.slot); }

  Phase fail(TakenCall call, std::string_view text, std::uint32_t cause = Cause::none) noexcept override {
    return slots_side_.fail(call, text, cause);
  }

  void conclude(TakenCall call, Phase outcome) noexcept override {
    slots_side_.leave(call, outcome);
    // A worker looks at every slot again before it sleeps or ends; a responder's thread does not. While it was at the
    // desk, a worker may have turned away from the slot's next call. Either that worker came after us, or we see its
    // call.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (stopping())
      slots_side_.refuse_all();
    else if (slots_side_.is_posted(call.index))
      exec().ring_sleeper();
  }

  static constexpr std::string_view dropped = "the handler dropped the call without an answer";

  void drop(TakenCall call) noexcept override {
    // If the handler is throwing, handle() will know the text.
    if (std::uncaught_exceptions() > 0 &&
        HandlerScope::leave_unanswered(generation_->number(), call.index, call.sequence))
      return;
    conclude(call, fail(call, dropped));
  }

  [[nodiscard]] bool is_wanted(TakenCall call) const noexcept override { return slots_side_.is_wanted(call); }

  Names names_;
  ServerOptions options_;
  ForkMark mark_;
  UniquePtr<Generation> generation_;
  RefPtr<ServerLink> link_{new ServerLink(*this, Platform::user_of)};
  ServerSlots<Platform> slots_side_{*generation_};
  AdaptiveSpin spin_;

  Upkeep upkeep_;
  std::atomic<bool> closing_{false};  // stop() has begun
  std::atomic<bool> stopping_{false};
  std::atomic<bool> lost_name_{false};
  std::atomic<bool> serving_{false};
  std::atomic<unsigned> working_{0};
  bool in_background_ = false;
  std::atomic<bool> is_started_{false};  // start() has all its threads
  UniquePtr<KeptHandler> background_;    // of start()
  ForwardList<std::thread> workers_;
  ServerCore* next_let_go_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
