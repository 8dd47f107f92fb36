// One call on one connection: claim a slot, post the request, await the answer, give the slot back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/client/connection.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Why a call did not end in its answer.
struct Failure {
  Errc code;
  Execution execution;
  int native;
  std::size_t size;   // message_too_large: of the message
  std::size_t limit;  // and of the slot
};

template <class Platform>
class Call {
  using Connection = detail::Connection<Platform>;
  using Signal = typename Platform::Signal;
  using ClientMutex = typename Platform::ClientMutex;

 public:
  explicit Call(Connection& connection) noexcept : connection_(connection) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (holds_) give_back();
  }

  // Each step answers whether it succeeded; if not, failure() tells why.

  /// Takes the slot of the last call if that is free. Else claim() looks further.
  [[nodiscard]] bool claim_again() noexcept {
    const std::uint32_t last = connection_.hint();
    return !others_come_first() && got(detail::claim(connection_.slot_array()[last], connection_.me()), last);
  }

  /// Takes a slot, waiting in the queue if all are occupied.
  [[nodiscard]] bool claim(Deadline& deadline) {
    if (!others_come_first() && try_claim()) return true;
    // The head of the queue may have missed a slot because we held it for a moment.
    if (gave_back_) tell_slot_freed();
    return claim_with_mutex(deadline);
  }

  /// Where the request is to be written, after claim().
  [[nodiscard]] Frame request() const noexcept { return connection_.slot_array().request(slot()); }
  /// Where the reply is, after await() succeeded.
  [[nodiscard]] Frame reply() const noexcept { return connection_.slot_array().reply(slot()); }
  /// What the handler said when it failed. The length is not trusted.
  [[nodiscard]] std::string text() const {
    const std::uint32_t length = slot().length.load(std::memory_order_relaxed);
    return std::string(slot().text, length < text_capacity ? length : text_capacity);
  }

  /// The request has `size` bytes, more than its frame can carry.
  bool refuse(std::size_t size) noexcept {
    return fails(Errc::message_too_large, Execution::none, 0, size, request().capacity());
  }

  /// Sends the request that has been written.
  [[nodiscard]] bool post(const Deadline& deadline) {
    tell(deadline);
    sequence_ = detail::post(slot());
    connection_.exec().ring_sleeper();
    SHARED_CHANNEL_TEST_POINT(client_rang);
    // Pairs with the server's stop(): either it sees our request and refuses it, or we see that it stopped. What a
    // worker has taken by then it answers: it may be our own handler that stopped the server.
    const bool is_stopped = connection_.page().service.load(std::memory_order_seq_cst) != service_open;
    if (is_stopped) [[unlikely]]
      return !is_withdrawn_at_stop() || fails(Errc::server_stopped);
    return true;
  }

  /// Looks for an answer that comes at once. Else await() waits for it.
  [[nodiscard]] bool is_done_at_once() noexcept {
    is_concluded_ = connection_.spin().look([this] { return load_reply(slot()) == State(sequence_, Phase::done); });
    return is_concluded_;
  }

  /// Waits for the reply: spinning as long as that pays, then asleep.
  [[nodiscard]] bool await(Deadline& deadline) {
    const auto waited = wait(deadline, [&] { tell_deadline(deadline); });
    if (is_answered()) return verdict();
    if (!waited) return give_up_sleepless(waited.error());
    // At the deadline too: a caller whose timeouts are too short to sleep in would else never learn that the server is
    // gone, nor find the next one.
    return give_up(server_end_or(deadline.passed() ? Errc::timed_out : Errc::server_died));
  }

  /// Why the last step did not succeed.
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

  /// Gives the slot back, once the call has ended and its reply was read.
  void leave() noexcept {
    if (holds_) give_back();
    holds_ = false;
  }

  // ---- the parts of await(), for asynchronous calls: something else than await() may end those ----

  /// Whether the reply is there; verdict() then tells which.
  [[nodiscard]] bool is_answered() const noexcept { return load_reply(slot()).concludes(sequence_); }

  /// Waits as await() does, but ends nothing: until the reply is there, the server is gone, or `until` has passed. The
  /// error: there is no Done signal to sleep on. `before_sleep` runs before anything slower than a short spin.
  template <class BeforeSleep>
  Result<void> wait(Deadline& until, BeforeSleep&& before_sleep) {
    AdaptiveSpin& spin = connection_.spin();
    while (!spin.poll([this] { return is_answered(); }, [this] { return is_server_gone(); }, until)) {
      if (until.passed()) break;
      before_sleep();
      if (!spin.never_sleeps()) return sleep(until);
      if (is_server_gone()) break;
    }
    return {};
  }

  /// For a sleeper on many calls at once: announces it, and returns the word to sleep on, unless that concludes the
  /// call. One announcement lasts as long as the call.
  [[nodiscard]] State announce(bool again) noexcept {
    return again ? load_reply(slot()) : announce_waiter(slot(), sequence_);
  }
  [[nodiscard]] bool is_concluded_by(State reply) const noexcept { return reply.concludes(sequence_); }
  [[nodiscard]] Result<Signal*> done() { return connection_.done(index_); }

  [[nodiscard]] platform::Peer server() const noexcept { return connection_.server().look(); }
  [[nodiscard]] bool is_server_gone() const noexcept { return server() != platform::Peer::alive; }

  /// The end of a server as an error, `otherwise` if it lives.
  static Errc end_or(Errc otherwise, platform::Peer server) noexcept {
    switch (server) {
      case platform::Peer::alive:
        return otherwise;
      case platform::Peer::stopped:
        return Errc::server_stopped;
      case platform::Peer::died:
        break;
    }
    return Errc::server_died;
  }

  /// Ends the call before its answer. True: the answer has come after all.
  bool give_up(Errc reason, int native = 0) noexcept {
    const State request = load_request(slot());
    const bool damaged = !request.is(Phase::posted, sequence_);  // nobody but us writes this word
    switch (withdraw_and_look()) {
      case Withdrawal::answered:
        return verdict();
      case Withdrawal::withdrawn:
        // Nobody took it in all that time. If the bell was damaged, no call ever would be taken again.
        if (reason == Errc::timed_out) connection_.exec().ring_anyway();
        return fails(reason, damaged ? Execution::possible : Execution::none, native);
      case Withdrawal::abandoned:
        break;
    }
    return fails(damaged ? Errc::corrupt : reason, Execution::possible, native);
  }

  /// The same for want of a Done signal to sleep on. One that is not found went with the server, whose end the system
  /// may not have announced yet.
  bool give_up_sleepless(const Error& why) noexcept {
    if (why.code() == Errc::no_server) return give_up(server_end_or(Errc::server_died));
    return give_up(Errc::system_error, why.native());
  }

  /// What the reply word says, once it concludes the call. True: the handler's answer.
  bool verdict() noexcept {
    is_concluded_ = true;
    switch (load_reply(slot()).phase()) {
      case Phase::done:
        return true;
      case Phase::failed:
        return fails(Errc::handler_failed, Execution::possible);
      case Phase::refused:
        return fails(Errc::server_stopped);
      case Phase::malformed:
        return fails(Errc::corrupt);
      case Phase::oversized:
        return fails(Errc::message_too_large, Execution::possible, 0, reply().length(), reply().capacity());
      default:
        return fails(Errc::corrupt, Execution::possible);
    }
  }

  /// A sleeper looks around this often even if nobody wakes it. Needed only if the process that the kernel woke to
  /// relay the server's death was itself killed just then.
  static constexpr nanoseconds backstop = std::chrono::seconds(1);

 private:
  bool fails(Errc code, Execution execution = Execution::none, int native = 0, std::size_t size = 0,
             std::size_t limit = 0) noexcept {
    failure_ = {code, execution, native, size, limit};
    return false;
  }

  /// The head of the queue looks this often for slots whose owners have died: nobody rings for those.
  static constexpr nanoseconds repair_interval = std::chrono::milliseconds(10);

  [[nodiscard]] Slot& slot() const noexcept { return *slot_; }

  /// Whether the posted call is withdrawn because the server stopped. False: a worker has it, and answers.
  bool is_withdrawn_at_stop() noexcept {
    constexpr int most = 1000;  // each round takes a worker that lets go; more only where words are damaged
    for (int round = 0; round < most; ++round) {
      if (load_taken(slot()).is(Phase::taken, sequence_)) return false;
      const StopOutcome outcome = withdraw_unless_taken(slot(), sequence_);
      if (outcome != StopOutcome::again) return outcome == StopOutcome::withdrawn;
    }
    return false;
  }

  /// Withdraws the call. If that meets a worker, looks for two microseconds: between T1 and T2 it decides sooner.
  Withdrawal withdraw_and_look() noexcept {
    Withdrawal outcome = withdraw(slot(), sequence_);
    if (outcome == Withdrawal::abandoned) {
      spin_briefly([&] { return (outcome = look_again(slot(), sequence_)) != Withdrawal::abandoned; });
    }
    return outcome;
  }
  [[nodiscard]] SlotFreed& slot_freed() const noexcept { return connection_.header().slot_freed; }

  /// What a handler may want to know. On our own line, so that it costs nothing to say. The clock is not read for
  /// it: the timeout will do until the deadline is known, or where the server reads another clock (time namespaces).
  void tell(const Deadline& deadline) noexcept {
    Slot& mine = slot();
    mine.process.store(connection_.process(), std::memory_order_relaxed);
    mine.timeout.store(static_cast<std::uint64_t>(deadline.timeout().count()), std::memory_order_relaxed);
    mine.deadline.store(states_deadline(deadline) ? count(deadline) : 0, std::memory_order_relaxed);
  }
  void tell_deadline(Deadline& deadline) noexcept {
    if (!deadline.is_never()) deadline.at();
    if (states_deadline(deadline)) slot().deadline.store(count(deadline), std::memory_order_relaxed);
  }
  [[nodiscard]] bool states_deadline(const Deadline& deadline) const noexcept {
    return deadline.is_started() && connection_.shares_clock();
  }
  static std::uint64_t count(const Deadline& deadline) noexcept {
    Deadline started = deadline;
    return static_cast<std::uint64_t>(started.at().time_since_epoch().count());
  }

  void hold(std::uint32_t index) noexcept {
    index_ = index;
    slot_ = &connection_.slot_array()[index];
    holds_ = true;
    connection_.set_hint(index);
    // Before post(), so that a worker that looks for the request looks far enough. Sequentially consistent even if
    // another client has raised it: else that client's store, our post and a worker's look could be seen in an order in
    // which the worker reads the old mark and sleeps (a weak-memory model checker found it).
    Word& high_water = connection_.header().high_water;
    std::uint32_t high = high_water.load(std::memory_order_seq_cst);
    while (high <= index && !high_water.compare_exchange_weak(high, index + 1, std::memory_order_seq_cst)) {
    }
    SHARED_CHANNEL_TEST_POINT(client_holds_slot);
  }

  bool got(Claim outcome, std::uint32_t index) noexcept {
    if (outcome == Claim::claimed) hold(index);
    gave_back_ = gave_back_ || outcome == Claim::given_back;
    return outcome == Claim::claimed;
  }

  [[nodiscard]] bool others_come_first() const noexcept {
    return slot_freed().starving.load(std::memory_order_relaxed) != 0;
  }

  bool try_claim() noexcept {
    const SlotArray& slot_array = connection_.slot_array();
    std::uint32_t index = connection_.hint();
    for (std::uint32_t tried = 0; tried < slot_array.count(); ++tried) {
      if (got(detail::claim(slot_array[index], connection_.me()), index)) return true;
      index = index + 1 == slot_array.count() ? 0 : index + 1;
    }
    return false;
  }

  [[nodiscard]] Errc server_end_or(Errc otherwise) const noexcept { return end_or(otherwise, server()); }

  /// Why a slot would be of no use any more, or `otherwise`. Stopped servers live on as long as their handlers run.
  [[nodiscard]] Errc service_end_or(Errc otherwise) const noexcept {
    const bool is_open = connection_.page().service.load(std::memory_order_seq_cst) == service_open;
    return server_end_or(is_open ? otherwise : Errc::server_stopped);
  }

  /// Takes over the first slot whose owner is gone. Only the head of the queue asks the system for that, and once an
  /// owner where its slots lie side by side.
  bool try_recover() noexcept {
    const SlotArray& slot_array = connection_.slot_array();
    std::uint32_t alive = connection_.me();
    for (std::uint32_t index = 0; index < slot_array.count(); ++index) {
      const std::uint32_t owner = slot_array[index].owner.load(std::memory_order_relaxed);
      if (owner == 0 || owner == connection_.me() || owner == alive) continue;
      if (connection_.lease().is_held(owner)) {
        alive = owner;
        continue;
      }
      SHARED_CHANNEL_TEST_POINT(client_found_dead_owner);
      if (got(recover(slot_array[index], owner, connection_.me()), index)) return true;
    }
    return false;
  }

  /// A caller in the queue looks this often whether the slots that it waits for are free.
  static constexpr nanoseconds queue_slice = std::chrono::milliseconds(50);

  /// Queues behind the callers that came before. Only the head of the queue waits for a slot, so that a freed slot
  /// wakes one caller; if it was beaten to the slot by a newcomer, newcomers queue as well.
  ///
  /// A head that stands still (SIGSTOP, a debugger) keeps the mutex and leaves `starving` set. It must not cost others
  /// more than its own slot: so a caller whose slice has passed tries the slots itself, and clears `starving` if it
  /// gets one, for the next newcomers. A head that lives sets it again in its next round, so that it is overtaken now
  /// and then by a caller that has waited, and never starved by newcomers. That is all `starving` is for: no step of
  /// the protocol relies on it, and a slot is claimed by compare-and-swap whoever comes.
  bool claim_with_mutex(Deadline& deadline) {
    ClientMutex& mutex = connection_.client_mutex();
    for (;;) {
      Deadline slice = deadline.within(queue_slice);
      switch (mutex.lock(connection_.me(), connection_.lease(), slice, connection_.server())) {
        case platform::Lock::timed_out:
          // A caller that waits for nothing has no claim before those that have waited.
          if (deadline.timeout() > nanoseconds::zero() && try_claim()) {
            slot_freed().starving.store(0, std::memory_order_relaxed);
            return true;
          }
          if (deadline.passed()) return fails(service_end_or(Errc::busy));
          continue;
        case platform::Lock::server_gone:
          return fails(server_end_or(Errc::server_died));
        case platform::Lock::locked:
          break;
        case platform::Lock::abandoned:
          break;  // what it protects is made anew by every head
      }
      break;
    }
    SHARED_CHANNEL_TEST_POINT(client_has_mutex);
    const bool has_claimed = claim_as_head(deadline);
    slot_freed().starving.store(0, std::memory_order_relaxed);
    slot_freed().announced.store(0, std::memory_order_relaxed);
    SHARED_CHANNEL_TEST_POINT(client_unlocks_mutex);
    mutex.unlock();
    return has_claimed;
  }

  bool claim_as_head(Deadline& deadline) {
    for (unsigned round = 0;; ++round) {
      const std::uint32_t ticket = announce_slot_wait(slot_freed());
      if (try_claim() || try_recover()) return true;
      const Errc end = service_end_or(Errc::busy);
      if (end != Errc::busy || deadline.passed()) return fails(end);
      if (round > 0) slot_freed().starving.store(1, std::memory_order_relaxed);
      // A slot that was found damaged waits for the server to reset it.
      connection_.exec().ring_sleeper();
      Deadline slice = deadline.within(repair_interval);
      connection_.slot_freed().wait(ticket, slice, connection_.server());
    }
  }

  /// The part of wait() that sleeps.
  Result<void> sleep(Deadline& until) {
    auto done = connection_.done(index_);
    if (!done) return std::move(done).error();
    for (;;) {
      const State reply = announce_waiter(slot(), sequence_);
      if (reply.concludes(sequence_) || until.passed()) return {};
      Deadline slice = until.within(backstop);
      if ((*done)->wait(reply.word(), slice, connection_.server()) == platform::Wake::server_gone) return {};
      SHARED_CHANNEL_TEST_POINT(client_woke);
    }
  }

  void give_back() noexcept {
    if (is_concluded_) leave_settled(slot(), sequence_);
    release(slot());
    SHARED_CHANNEL_TEST_POINT(client_released);
    tell_slot_freed();
  }

  void tell_slot_freed() noexcept { connection_.slot_freed().tell(); }

  Connection& connection_;
  Slot* slot_ = nullptr;
  std::uint32_t index_ = 0;
  std::uint32_t sequence_ = 0;
  bool holds_ = false;
  bool is_concluded_ = false;
  bool gave_back_ = false;
  Failure failure_;  // once a step has failed
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
