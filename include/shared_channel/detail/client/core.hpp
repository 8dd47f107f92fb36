// From a user's call to its Result: makes the call, makes it again on the next server where that is safe, and says in
// words what went wrong. Knows bytes, not message types.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/spares.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/cancellation.hpp>
#include <shared_channel/detail/client/completion.hpp>
#include <shared_channel/detail/client/connector.hpp>
#include <shared_channel/detail/client/crowd.hpp>
#include <shared_channel/detail/client/explain.hpp>
#include <shared_channel/detail/client/failure.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/wait/adaptive_spin.hpp>
#include <shared_channel/detail/wait/fair_yield.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class ClientCore : public RefCounted {
  using Connection = detail::Connection<Platform>;
  using Connector = detail::Connector<Platform>;
  using Pin = typename Connector::Pin;
  using Call = detail::Call<Platform>;
  using AsyncCall = detail::AsyncCall<Platform>;
  using Completer = detail::Completer<Platform>;
  using ForkMark = typename Platform::ForkMark;

 public:
  static constexpr nanoseconds no_limit = (nanoseconds::max)();

  static Result<RefPtr<ClientCore>> create(std::string_view name, Contract contract, const ClientOptions& options);
  ~ClientCore();

  /// One call: `fill` writes the request into its frame and returns `fits`, or how many bytes would not; `read` turns
  /// the reply's frame into the answer, a Result. If the server goes before it took the request and another is there,
  /// the same call goes on with that one, and `fill` runs again. `fill` may also ask for the connection. It waits for a
  /// slot at most `slot_wait`.
  template <class Fill, class Read>
  auto exchange(Deadline& deadline, Fill&& fill, Read&& read, nanoseconds slot_wait = no_limit)
      -> decltype(read(std::declval<const Frame&>())) {
    auto answer = on_server(
        deadline, Liveness::assumed, [](Pin&& pin) { return PlainCall(std::move(pin)); },
        [&](Call& call) {
          return send(
                     call, deadline, slot_wait, [&call] { return call.next_turn(); }, fill) &&
                 (call.look_at_once() || call.await(deadline));
        },
        [&](PlainCall& plain) {
          SHARED_CHANNEL_TEST_POINT(client_reads);
          return read(plain.call().reply());
        });
    fair_yield_.after_call([this] { return is_crowded(); });  // without a slot, which others may wait for
    return answer;
  }

  /// The first half of a call: sends the request, with the same retries, and returns while the call is in flight. It
  /// keeps this core. Nobody resends an asynchronous request, so check that the server is alive first.
  template <class Fill>
  Result<RefPtr<AsyncCall>> begin(Deadline deadline, Fill&& fill, nanoseconds slot_wait = no_limit) {
    Turn turn;
    return on_server_async(deadline, turn, [&](Call& call) {
      return send(
          call, deadline, slot_wait, [&turn] { return turn; }, fill);
    });
  }

  /// begin() in two steps: here is the slot, in which the request is to be written.
  Result<RefPtr<AsyncCall>> reserve(Deadline deadline, nanoseconds slot_wait = no_limit) {
    Turn turn;
    return on_server_async(deadline, turn,
                           [&](Call& call) { return call.claim_again() || claim(call, deadline, slot_wait); });
  }

  /// The second step, once: sends what `fill` writes, or finds written. If that fails the call never runs.
  template <class Fill>
  Result<void> send_reserved(AsyncCall& call, Fill&& fill) {
    if (mark_.in_child()) return forked();
    if (post(
            call.call(), call.deadline(), [&call] { return call.take_turn(); }, fill))
      return {};
    const Error error = explain(call.call().failure(), call.call(), call.deadline());
    goes_on(call.call().failure(), call.pin(), call.deadline());
    return error;
  }

  /// Has `call` end by itself; or says why it cannot, and whether a handler can have seen the request.
  Result<void> watch_or_explain(const RefPtr<AsyncCall>& call);

  /// For asynchronous calls.
  [[nodiscard]] Spares& spares() noexcept { return spares_; }

  /// What ends asynchronous calls by itself.
  [[nodiscard]] Completer& completer() noexcept { return completer_; }

  /// The error of an asynchronous call that ended so.
  Error explain(const Failure& failure, AsyncCall& call) const;

  /// The error of a child that uses what its parent made. What the parent sent, a handler may have seen.
  Error forked(Execution execution = Execution::none) const;

  /// What `work` returns, given a deadline that passes early when `token` asks to stop, or `question` says so. A token
  /// that never asks costs nothing.
  template <class Work>
  auto cancellable(const std::stop_token& token, nanoseconds timeout, Work&& work, Interrupt question = {})
      -> std::invoke_result_t<Work&, Deadline&> {
    if (!token.stop_possible() && !question) {
      Deadline deadline(timeout);
      return work(deadline);
    }
    StopCancellation<Platform> cancellation(token, question);
    if (cancellation.is_interrupted() && !is_in_child())
      return names().error(Errc::cancelled, "the call was cancelled before it began");
    Deadline deadline(timeout, &cancellation);
    return work(deadline);
  }

  Result<void> wait_for_server(Deadline deadline);

  /// The contract of the server that is there; waits for one. See Connector::told_contract().
  Result<Contract> contract(Deadline deadline);
  [[nodiscard]] Connector& connector() noexcept { return connector_; }

  [[nodiscard]] bool connected() noexcept {
    if (mark_.in_child()) return false;
    connector_.look_if_due();
    return static_cast<bool>(connector_.living());
  }

  /// The error of a reply whose bytes make no sense, or whose length is impossible.
  [[nodiscard]] Error undecodable() const;

  [[nodiscard]] bool is_in_child() const noexcept { return mark_.in_child(); }

  /// True if nothing of this may be released: in a fork()ed child it is the parent's, and elsewhere releasing could
  /// wait for a thread that cannot go on.
  [[nodiscard]] bool must_be_left() const noexcept { return mark_.in_child() || Platform::waits_in_vain(); }

  /// The end of the client that has `own`. What goes on after it, in other threads or in one that a signal handler has
  /// interrupted, is the program's error, usual where a program ends: it then goes on with what stays.
  static void end(RefPtr<ClientCore>& own) noexcept;
  [[nodiscard]] const Names& names() const noexcept { return connector_.names(); }

 private:
  /// Whether other clients have many calls in flight.
  [[nodiscard]] bool is_crowded() noexcept;
  /// Whether there are other calls now than the asynchronous ones, which may outlive their client.
  [[nodiscard]] bool is_in_a_call(const RefPtr<ClientCore>& own) noexcept;

  ClientCore(Names names, Contract contract, const ClientOptions& options)
      : connector_(std::move(names), std::move(contract), options),
        completer_(options.wait),
        fair_yield_(options.wait, caller_yields) {}

  /// A call that its caller waits for.
  class PlainCall {
   public:
    explicit PlainCall(Pin&& pin) noexcept : pin_(std::move(pin)), call_(*pin_) {}
    [[nodiscard]] const Pin& pin() const noexcept { return pin_; }
    [[nodiscard]] Call& call() noexcept { return call_; }

   private:
    Pin pin_;
    Call call_;
  };
  static PlainCall& body(PlainCall& call) noexcept { return call; }
  static AsyncCall& body(RefPtr<AsyncCall>& call) noexcept { return *call; }

  /// Whether a server is asked for its life before a call is made.
  enum class Liveness { assumed, asked };

  /// Makes a call with `make`, tries it with `attempt`, and returns its `answer`; on the next server, if the last one
  /// went without having seen the request. Each step builds its result in place: a moved Result costs a short call.
  template <class Make, class Attempt, class Answer>
  auto on_server(Deadline& deadline, Liveness liveness, Make&& make, Attempt&& attempt, Answer&& answer)
      -> decltype(answer(std::declval<std::invoke_result_t<Make&, Pin>&>())) {
    Result<void> last_end;  // of the server before
    for (bool has_attached = false;;) {
      if (mark_.in_child()) return forked();  // in each round: `attempt` runs the user's code
      connector_.look_if_due();
      Pin pin = connector_.current();
      if (pin && liveness == Liveness::asked && pin->server().glance() != platform::Peer::alive) {
        connector_.retire(pin);
        continue;
      }
      if (!pin) {
        deadline.at();  // starts it, unless it runs: what attaching takes counts
        auto attached = has_attached && deadline.passed() ? none_lasts(deadline) : connector_.connect(deadline);
        has_attached = true;
        if (attached) continue;
        // How the last server ended says more than "no server".
        const bool none = attached.error().code() == Errc::no_server;
        return !last_end && none ? std::move(last_end).error() : std::move(attached).error();
      }
      if (HandlerScope::serves(pin->generation())) return would_deadlock();
      auto made = make(std::move(pin));
      Call& call = body(made).call();
      if (attempt(call)) return answer(made);
      last_end = explain(call.failure(), call, deadline);
      if (!goes_on(call.failure(), body(made).pin(), deadline)) return std::move(last_end).error();
    }
  }

  /// For asynchronous calls, of which `turn` becomes the latest one's.
  template <class Attempt>
  Result<RefPtr<AsyncCall>> on_server_async(Deadline& deadline, Turn& turn, Attempt&& attempt) {
    deadline.start();
    return on_server(
        deadline, Liveness::asked,
        [&](Pin&& pin) {
          RefPtr<AsyncCall> call(new (spares_)
                                     AsyncCall(RefPtr<ClientCore>(this), std::move(pin), deadline.uninterrupted()));
          turn = call->turn();
          return call;
        },
        attempt, [](RefPtr<AsyncCall>& call) { return Result<RefPtr<AsyncCall>>(std::move(call)); });
  }

  template <class TurnOf, class Fill>
  static bool send(Call& call, Deadline& deadline, nanoseconds slot_wait, TurnOf&& turn_of, Fill& fill) {
    if (!call.claim_again() && !claim(call, deadline, slot_wait)) return false;
    return post(call, deadline, turn_of, fill);
  }

  template <class TurnOf, class Fill>
  static bool post(Call& call, const Deadline& deadline, TurnOf&& turn_of, Fill& fill) {
    if (const std::size_t size = write_request(call, fill); size != fits) return call.refuse(size);
    SHARED_CHANNEL_TEST_POINT(client_filled);
    return call.post(deadline, turn_of());
  }

  static bool claim(Call& call, Deadline& deadline, nanoseconds slot_wait) {
    if (slot_wait >= deadline.timeout()) return call.claim(deadline);
    Deadline sooner = deadline.within(slot_wait);
    return call.claim(sooner);
  }

  template <class Fill>
  static std::size_t write_request(Call& call, Fill& fill) {
    if constexpr (std::is_invocable_v<Fill&, const Frame&, const Connection&>)
      return fill(call.request(), call.connection());
    else
      return fill(call.request());
  }

  /// Whether a call that failed so may be made again, on the next server.
  bool goes_on(const Failure& failure, const Pin& pin, Deadline& deadline) noexcept {
    if (failure.is_passed_on) return false;
    const bool has_given_up =
        failure.code == Errc::timed_out || failure.code == Errc::busy || failure.code == Errc::cancelled;
    if (has_given_up) connector_.look_for_successor(pin);
    // The slots may be those of dead owners, of whom we cannot learn any more: the next call attaches anew.
    if (failure.code == Errc::busy && !pin->lease().can_tell()) connector_.retire(pin);
    if (failure.code != Errc::server_died && failure.code != Errc::server_stopped) return false;
    connector_.retire(pin);
    return failure.execution == Execution::none && !deadline.passed();
  }

  /// Of a call whose server was gone each time that it had been attached to, until the deadline.
  Result<void> none_lasts(const Deadline& deadline) const {
    if (deadline.is_interrupted()) return names().error(Errc::cancelled, "the call was cancelled before it was sent");
    return names().error(Errc::no_server, "its server was gone as soon as it had been found, again and again");
  }

  Error would_deadlock() const;

  Error explain(const Failure& failure, const Call& call, const Deadline& deadline) const;

  ForkMark mark_;
  Connector connector_;
  Completer completer_;
  FairYield fair_yield_;
  Spares spares_{sizeof(AsyncCall)};
};

template <class Platform>
auto ClientCore<Platform>::create(std::string_view name, Contract contract, const ClientOptions& options)
    -> Result<RefPtr<ClientCore>> {
  auto names = Names::make(name, options.scope);
  if (!names) return std::move(names).error();
  if (!is_possible(options.wait)) return names->error(Errc::invalid_argument, impossible_wait);
  if (auto valid = Platform::Owners::examine(*names, options.server); !valid) return std::move(valid).error();
  return RefPtr<ClientCore>(new ClientCore(*std::move(names), std::move(contract), options));
}

template <class Platform>
ClientCore<Platform>::~ClientCore() = default;

template <class Platform>
void ClientCore<Platform>::end(RefPtr<ClientCore>& own) noexcept {
  if (!own) return;
  if (own->is_in_child()) return own.forget();  // the leases and threads are the parent's
  const typename Platform::NoCancellation uncancelled;
  if (Platform::waits_in_vain()) {
    own->completer_.keep_to_process_end();
    return own.keep();
  }
  own->completer_.close();
  if (own->is_in_a_call(own)) return own.keep();
  own = nullptr;
}

template <class Platform>
bool ClientCore<Platform>::is_in_a_call(const RefPtr<ClientCore>& own) noexcept {
  // Threads that do nothing but call are between two calls for short moments only.
  constexpr int looks = 50;
  for (int look = 0; look < looks; ++look) {
    const std::uint32_t others = own.holders() - 1;  // asynchronous calls, each of which is a user as well
    if (connector_.users() > others) return true;
  }
  return false;
}

template <class Platform>
bool ClientCore<Platform>::is_crowded() noexcept {
  if (mark_.in_child()) return false;
  const Pin pin = connector_.current();
  return pin && others_hold_many(pin->slot_array(), pin->me());
}

template <class Platform>
Result<void> ClientCore<Platform>::watch_or_explain(const RefPtr<AsyncCall>& call) {
  const Obstacle obstacle = completer_.add(call);
  if (!obstacle) return {};
  const Failure answered{Errc::system_error, Execution::possible, obstacle, 0, 0, false};  // with nobody to tell
  return explain(call->finish() ? answered : call->failure(), *call);
}

template <class Platform>
Error ClientCore<Platform>::explain(const Failure& failure, AsyncCall& call) const {
  if (!call.is_orphan()) return explain(failure, call.call(), call.deadline());
  return names().error(failure.code, text_of(orphan_text, failure.execution), 0, failure.execution);
}

template <class Platform>
Error ClientCore<Platform>::forked(Execution execution) const {
  return names().error(Errc::forked, "this client was made before fork(); make a new one in the child", 0, execution);
}

template <class Platform>
Result<void> ClientCore<Platform>::wait_for_server(Deadline deadline) {
  if (mark_.in_child()) return forked();
  if (connected()) return {};
  return connector_.wait_for_server(deadline);
}

template <class Platform>
Result<Contract> ClientCore<Platform>::contract(Deadline deadline) {
  if (mark_.in_child()) return forked();
  connector_.look_if_due();
  for (bool has_attached = false;; has_attached = true) {
    if (const Pin pin = connector_.living()) return connector_.told_contract(*pin);
    if (has_attached && deadline.passed()) return none_lasts(deadline).error();
    if (auto attached = connector_.wait_for_server(deadline); !attached) return std::move(attached).error();
  }
}

template <class Platform>
Error ClientCore<Platform>::undecodable() const {
  return names().error(
      Errc::corrupt,
      "the reply has an impossible length or bytes that cannot be decoded; do both programs use the same types "
      "and codecs? If so, something has written to the shared memory",
      0, Execution::possible);
}

template <class Platform>
Error ClientCore<Platform>::would_deadlock() const {
  return names().error(Errc::would_deadlock,
                       "a handler of this channel calls it, which might wait for itself; "
                       "call another channel, or share the code instead");
}

template <class Platform>
Error ClientCore<Platform>::explain(const Failure& failure, const Call& call, const Deadline& deadline) const {
  Error error = names().error(failure.code, detail::explain(failure, call, deadline.timeout()), failure.obstacle.native,
                              failure.execution);
  error.is_passed_on_ = failure.is_passed_on;
  return error;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
