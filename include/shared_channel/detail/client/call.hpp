// One call on one connection: claims a slot, posts the request, awaits the answer, gives the slot back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/fetch.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/client/cancellation.hpp>
#include <shared_channel/detail/client/connection.hpp>
#include <shared_channel/detail/client/failure.hpp>
#include <shared_channel/detail/client/slot_claim.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/protocol/passed_on.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/wait/spin.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class Call {
  using Connection = detail::Connection<Platform>;
  using Signal = typename Platform::Signal;

 public:
  explicit Call(Connection& connection) noexcept : connection_(connection), claim_(connection) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { leave(); }

  // Each step answers whether it succeeded; if not, failure() tells why.

  /// Takes the slot of the last call if that is free. Else claim() looks further.
  [[nodiscard]] bool claim_again() noexcept { return claim_.take_again(); }

  /// Takes a slot, waiting in the queue if all are occupied.
  [[nodiscard]] bool claim(Deadline& deadline) { return claim_.take(deadline) || fails(claim_.refusal()); }

  /// How long claim() could wait, if it failed.
  [[nodiscard]] nanoseconds slot_patience() const noexcept { return claim_.patience(); }

  [[nodiscard]] const Connection& connection() const noexcept { return connection_; }

  /// Of a call that its caller waits for.
  [[nodiscard]] Turn next_turn() const noexcept { return connection_.posting_order().next(); }

  /// Where the request is to be written, after claim().
  [[nodiscard]] Frame request() const noexcept { return connection_.slot_array().request(slot()); }
  /// Where the reply is, after await() succeeded.
  [[nodiscard]] Frame reply() const noexcept { return connection_.slot_array().reply(slot()); }
  /// What the handler said when it failed. The length is not trusted.
  [[nodiscard]] std::string text() const {
    const std::uint32_t length = slot().length.load(std::memory_order_relaxed);
    return std::string(slot().text, length < text_capacity ? length : text_capacity);
  }

  /// The request has `size` bytes, more than its frame can carry. If the server is gone, the next one's may.
  bool refuse(std::size_t size) noexcept {
    return fails(connection_.service_end_or(Errc::message_too_large), Execution::none, {}, size, request().capacity());
  }

  /// Sends the request that has been written, to be taken in its `turn`.
  [[nodiscard]] bool post(const Deadline& deadline, const Turn& turn) {
    state_times(deadline);
    put_in_order(slot(), turn);
    is_posted_ = true;
    const Posted posted = detail::post(slot());
    sequence_ = posted.sequence;
    if (turn.before.is_in_flight()) connection_.posting_order().was_posted(claim_.index(), posted);
    has_woken_ = connection_.exec().ring_sleeper();
    SHARED_CHANNEL_TEST_POINT(client_rang);
    // Pairs with the server's stop(): either it sees our request and refuses it, or we see that it stopped. A worker
    // answers what it has taken by then: our own handler may have stopped the server.
    const bool is_stopped = connection_.page().service.load(std::memory_order_seq_cst) != service_open;
    if (is_stopped) [[unlikely]]
      return !withdraw_at_stop() || fails_withdrawn(Errc::server_stopped);
    return true;
  }

  /// Looks for an answer that comes at once. Else await() waits for it.
  [[nodiscard]] bool look_at_once() noexcept {
    is_concluded_ = connection_.spin().look([this] { return load_reply(slot()) == State(sequence_, Phase::done); });
    return is_concluded_;
  }

  /// Waits for the reply: spinning as long as that pays, then asleep.
  [[nodiscard]] bool await(Deadline& deadline);

  /// A caller that takes one of several replies probably comes to the next slots soon: to read the replies there, and
  /// to post there. The next one's line is on its way by then.
  void fetch_slot_after_next() const noexcept {
    const SlotArray& slot_array = connection_.slot_array();
    const std::uint32_t next = claim_.index() + 2;
    fetch_for_writing(&slot_array[next < slot_array.count() ? next : 0].request);
  }

  /// Why the last step did not succeed.
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

  /// Whether a worker may still read the request or write the reply.
  [[nodiscard]] bool may_be_in_use() const noexcept { return is_posted_ && !is_concluded_ && !is_withdrawn_; }

  /// Gives the slot back, once the call has ended and its reply was read.
  void leave() noexcept {
    if (!claim_.is_held()) return;
    if (connection_.clears_slots() && !may_be_in_use()) connection_.slot_array().clear(slot());
    if (is_concluded_) leave_settled(slot(), sequence_);
    claim_.give_back();
  }

  // ---- the parts of await(), for asynchronous calls: something else than await() may end those ----

  /// Whether the reply is there; verdict() then tells which.
  [[nodiscard]] bool is_answered() const noexcept { return load_reply(slot()).concludes(sequence_); }

  /// Waits as await() does, but ends nothing: until the reply is there, the server is gone, or `until` has passed. The
  /// error: there is no Done signal to sleep on. `before_sleep` runs before anything slower than a short spin.
  template <class BeforeSleep>
  Result<void> wait(Deadline& until, BeforeSleep&& before_sleep) {
    AdaptiveSpin& spin = connection_.spin();
    const auto is_over = [this, &until] { return is_answered() || until.is_interrupted(); };
    const auto look_around = [this, &until] {
      ask_if_due<Platform>(until);
      return is_server_gone();
    };
    const PeerWas server = std::exchange(has_woken_, false) ? PeerWas::asleep : PeerWas::awake;
    while (!spin.poll(is_over, look_around, until, server)) {
      if (until.passed()) break;
      before_sleep();
      if (!spin.never_sleeps()) return sleep(until);
      if (look_around()) break;
    }
    return {};
  }

  /// For a sleeper on many calls at once: announces it, and returns the word to sleep on, unless that concludes the
  /// call. One announcement lasts as long as the call.
  [[nodiscard]] State announce(bool again) noexcept {
    return again ? load_reply(slot()) : announce_waiter(slot(), sequence_);
  }
  [[nodiscard]] bool is_concluded_by(State reply) const noexcept { return reply.concludes(sequence_); }
  [[nodiscard]] Result<Signal*> done() { return connection_.done(claim_.index()); }

  [[nodiscard]] platform::Peer server() const noexcept { return connection_.server().look(); }
  /// May be late by a millisecond, and costs no system call.
  [[nodiscard]] platform::Peer glance_at_server() const noexcept { return connection_.server().glance(); }
  [[nodiscard]] bool is_server_gone() const noexcept { return glance_at_server() != platform::Peer::alive; }

  /// Ends the call before its answer. True: the answer has come after all.
  bool give_up(Errc reason, Obstacle obstacle = {}) noexcept;

  /// Ends the call because there is no Done signal to sleep on. A signal that is not found went with the server, whose
  /// end the system may not have announced yet.
  bool give_up_sleepless(const Error& why) noexcept {
    if (why.code() == Errc::no_server) return give_up(connection_.server_end_or(Errc::server_died));
    return give_up(Errc::system_error, {"opening the Done signal failed", why.native()});
  }

  /// What the reply word says, once it concludes the call. True: the handler's answer.
  bool verdict() noexcept {
    is_concluded_ = true;
    const Phase phase = load_reply(slot()).phase();
    return phase == Phase::done || fails_as_answered(phase);
  }

  /// A sleeper looks around this often even if nobody wakes it. Needed only if the process that the kernel woke to
  /// relay the server's death was itself killed just then.
  static constexpr nanoseconds backstop = std::chrono::seconds(1);

 private:
  bool fails(Errc code, Execution execution = Execution::none, Obstacle obstacle = {}, std::size_t size = 0,
             std::size_t limit = 0) noexcept {
    failure_ = {code, execution, obstacle, size, limit, false};
    return false;
  }

  bool fails_withdrawn(Errc code, Execution execution = Execution::none, Obstacle obstacle = {}) noexcept {
    is_withdrawn_ = true;
    return fails(code, execution, obstacle);
  }
  bool fails_as_answered(Phase phase) noexcept;

  /// The handler's failure, or the error that it passes on.
  bool fails_as_told() noexcept {
    const std::optional<PassedOn> error = PassedOn::of(slot().passed_on.load(std::memory_order_relaxed));
    fails(error ? error->code : Errc::handler_failed, error ? error->execution : Execution::possible);
    failure_.is_passed_on = error.has_value();
    return false;
  }

  [[nodiscard]] Slot& slot() const noexcept { return claim_.slot(); }

  /// Withdraws the posted call because the server stopped. False: a worker has it, and answers.
  bool withdraw_at_stop() noexcept;

  /// Withdraws the call. If that meets a worker, looks again for two microseconds: between T1 and T2 the worker decides
  /// sooner.
  Withdrawal withdraw_and_look() noexcept {
    Withdrawal outcome = withdraw(slot(), sequence_);
    if (outcome == Withdrawal::abandoned) {
      spin_briefly([&] { return (outcome = look_again(slot(), sequence_)) != Withdrawal::abandoned; });
    }
    return outcome;
  }

  /// What a handler may ask. It lies on our own cache line, so that writing it costs nothing. The clock is not read for
  /// it: the timeout stands in until the deadline is known, or where the server reads another clock (time namespaces).
  void state_times(const Deadline& deadline) noexcept {
    Slot& mine = slot();
    mine.process.store(connection_.process(), std::memory_order_relaxed);
    mine.timeout.store(static_cast<std::uint64_t>(deadline.timeout().count()), std::memory_order_relaxed);
    mine.deadline.store(may_state(deadline) ? count(deadline) : 0, std::memory_order_relaxed);
  }
  void state_deadline(Deadline& deadline) noexcept {
    if (!deadline.is_never()) deadline.at();
    if (may_state(deadline)) slot().deadline.store(count(deadline), std::memory_order_relaxed);
  }
  [[nodiscard]] bool may_state(const Deadline& deadline) const noexcept {
    return deadline.is_started() && connection_.shares_clock();
  }
  static std::uint64_t count(const Deadline& deadline) noexcept {
    Deadline started = deadline;
    return static_cast<std::uint64_t>(started.at().time_since_epoch().count());
  }

  /// The part of wait() that sleeps.
  Result<void> sleep(Deadline& until) {
    auto done = connection_.done(claim_.index());
    if (!done) return std::move(done).error();
    for (;;) {
      const State reply = announce_waiter(slot(), sequence_);
      if (reply.concludes(sequence_) || until.passed()) return {};
      Deadline slice = until.within(backstop);
      if (wait_for<Platform>(**done, reply.word(), slice, connection_.server()) == platform::Wake::server_gone)
        return {};
      SHARED_CHANNEL_TEST_POINT(client_woke);
    }
  }

  Connection& connection_;
  SlotClaim<Platform> claim_;
  std::uint32_t sequence_ = 0;
  bool is_posted_ = false;
  bool has_woken_ = false;  // a worker, which nobody has waited for yet
  bool is_concluded_ = false;
  bool is_withdrawn_ = false;
  Failure failure_;  // once a step has failed
};

template <class Platform>
bool Call<Platform>::await(Deadline& deadline) {
  const auto waited = wait(deadline, [&] { state_deadline(deadline); });
  if (is_answered()) return verdict();
  if (!waited) return give_up_sleepless(waited.error());
  // The server is asked at the deadline too: a caller whose timeouts are too short to sleep in would otherwise never
  // learn that the server is gone, nor find the next one.
  return give_up(connection_.server_end_or(deadline.is_interrupted() ? Errc::cancelled
                                           : deadline.passed()       ? Errc::timed_out
                                                                     : Errc::server_died));
}

template <class Platform>
bool Call<Platform>::give_up(Errc reason, Obstacle obstacle) noexcept {
  const State request = load_request(slot());
  const bool damaged = !request.is(Phase::posted, sequence_);  // nobody but us writes this word
  switch (withdraw_and_look()) {
    case Withdrawal::answered:
      return verdict();
    case Withdrawal::withdrawn:
      // Nobody took it until now. If the bell was damaged, no later call would be taken either.
      if (reason == Errc::timed_out) connection_.exec().ring_anyway();
      return fails_withdrawn(reason, damaged ? Execution::possible : Execution::none, obstacle);
    case Withdrawal::abandoned:
      break;
  }
  return fails(damaged ? Errc::corrupt : reason, Execution::possible, obstacle);
}

template <class Platform>
bool Call<Platform>::withdraw_at_stop() noexcept {
  constexpr int most = 1000;  // each round takes a worker that lets go; more only where words are damaged
  for (int round = 0; round < most; ++round) {
    if (load_taken(slot()).is(Phase::taken, sequence_)) return false;
    const StopOutcome outcome = withdraw_unless_taken(slot(), sequence_);
    if (outcome != StopOutcome::again) return outcome == StopOutcome::withdrawn;
  }
  return false;
}

template <class Platform>
bool Call<Platform>::fails_as_answered(Phase phase) noexcept {
  switch (phase) {
    case Phase::failed:
      return fails_as_told();
    case Phase::refused:
      return fails(Errc::server_stopped);
    case Phase::malformed:
      return fails(Errc::corrupt);
    case Phase::oversized:
      return fails(Errc::message_too_large, Execution::possible, {}, reply().length(), reply().capacity());
    default:
      return fails(Errc::corrupt, Execution::possible);
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
