// From a user's call to its Result: attach when needed, reconnect when the server was replaced, and say in
// words what went wrong. Knows bytes, not message types.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/completion.hpp>
#include <shared_channel/detail/client/current_connection.hpp>
#include <shared_channel/detail/client/explain.hpp>
#include <shared_channel/detail/client/server_trust.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class ClientCore : public RefCounted {
  using Connection = detail::Connection<Platform>;
  using CurrentConnection = detail::CurrentConnection<Platform>;
  using Pin = typename CurrentConnection::Pin;
  using Call = detail::Call<Platform>;
  using AsyncCall = detail::AsyncCall<Platform>;
  using Completer = detail::Completer<Platform>;
  using ForkMark = typename Platform::ForkMark;

 public:
  static Result<RefPtr<ClientCore>> create(std::string_view name, Contract contract, const ClientOptions& options) {
    auto names = Names::make(name, options.scope);
    if (!names) return std::move(names).error();
    if (options.wait.spin < nanoseconds::zero()) {
      return names->error(Errc::invalid_argument, "WaitPolicy::spin is negative; 0 sleeps at once");
    }
    if (auto valid = Platform::Owners::examine(*names, options.server); !valid) return std::move(valid).error();
    return RefPtr<ClientCore>(new ClientCore(*std::move(names), std::move(contract), options));
  }

  /// One call: `fill` writes the request into its frame and returns `fits`, or how many bytes would not; `read` turns
  /// the reply's frame into the answer, a Result. If the server goes before it took the request and another is there,
  /// the same call goes on with that one, and `fill` runs again.
  template <class Fill, class Read>
  auto exchange(Deadline deadline, Fill&& fill, Read&& read) -> decltype(read(std::declval<const Frame&>())) {
    return on_server(
        deadline, Liveness::assumed, [](Pin&& pin) { return PlainCall(std::move(pin)); },
        [&](Call& call) { return send(call, deadline, fill) && (call.is_done_at_once() || call.await(deadline)); },
        [&](PlainCall& plain) {
          SHARED_CHANNEL_TEST_POINT(client_reads);
          return read(plain.call().reply());
        });
  }

  /// The first half of a call: sends the request, with the same retries, and returns while the call is in flight. It
  /// keeps `self`, which is this core. Nobody resends an asynchronous request, so check that the server is alive first.
  template <class Fill>
  Result<RefPtr<AsyncCall>> begin(const RefPtr<ClientCore>& self, Deadline deadline, Fill&& fill) {
    deadline.start();
    return on_server(
        deadline, Liveness::asked,
        [&](Pin&& pin) { return RefPtr<AsyncCall>(new AsyncCall(self, std::move(pin), deadline)); },
        [&](Call& call) { return send(call, deadline, fill); },
        [](RefPtr<AsyncCall>& call) { return Result<RefPtr<AsyncCall>>(std::move(call)); });
  }

  /// Has `call` end by itself; or says why it cannot, and whether a handler can have seen the request.
  Result<void> watch_or_explain(const RefPtr<AsyncCall>& call) {
    if (completer_.add(call)) return {};
    constexpr Failure answered{Errc::system_error, Execution::possible, 0, 0, 0};  // in vain: nobody was there to tell
    return explain(call->finish() ? answered : call->failure(), *call);
  }

  /// What ends asynchronous calls by itself.
  [[nodiscard]] Completer& completer() noexcept { return completer_; }

  /// The error of an asynchronous call that ended so.
  Error explain(const Failure& failure, AsyncCall& call) const {
    if (!call.is_orphan()) return explain(failure, call.call());
    return names_.error(failure.code, text_of(orphan_text, failure.execution), 0, failure.execution);
  }

  Error forked() const {
    return names_.error(Errc::forked, "this client was made before fork(); make a new one in the child");
  }

  Result<void> wait_for_server(Deadline deadline) {
    if (mark_.in_child()) return forked();
    if (connected()) return {};
    const typename Platform::NoCancellation uncancelled;
    return connect_patiently(deadline);
  }

  [[nodiscard]] bool connected() noexcept {
    if (mark_.in_child()) return false;
    const Pin pin = connection_.current();
    return pin && pin->server().look() == platform::Peer::alive;
  }

  /// The error of a reply whose bytes make no sense.
  [[nodiscard]] Error undecodable() const {
    return names_.error(Errc::corrupt,
                        "the reply could not be decoded; do both programs use the same types and codecs?", 0,
                        Execution::possible);
  }

  [[nodiscard]] bool is_in_child() const noexcept { return mark_.in_child(); }

  /// After a call that timed out: a server that has a successor serves nobody any more, whatever its liveness word
  /// says, which a stray write may have lit or a death may have left lit. A record that names nobody proves nothing,
  /// nor does that of a user who may not serve us.
  void doubt(const Pin& pin) noexcept {
    if (!is_due(next_doubt_, doubt_interval)) return;
    const typename Platform::NoCancellation uncancelled;
    const auto current = Platform::ServerLease::current_generation(names_);
    if (!current || current->generation == pin->generation()) return;
    if (ServerTrust<Platform>::allows(options_.server, current->owner)) connection_.retire(pin);
  }

 private:
  /// How often a server that is not there is looked for.
  static constexpr nanoseconds search_interval = std::chrono::milliseconds(5);

  /// How often a client that times out looks whether its server is still the channel's.
  static constexpr nanoseconds doubt_interval = std::chrono::milliseconds(500);

  /// How often a client that finds no server in order knocks at what there is.
  static constexpr nanoseconds knock_interval = std::chrono::milliseconds(500);

  /// How long a server may take to mend what makes its memory look corrupted.
  static constexpr nanoseconds mending = std::chrono::seconds(3);

  /// True for one thread in each interval.
  static bool is_due(std::atomic<std::int64_t>& next, nanoseconds interval) noexcept {
    const std::int64_t now = Clock::now().time_since_epoch().count();
    std::int64_t due = next.load(std::memory_order_relaxed);
    const std::int64_t after = now + std::chrono::duration_cast<Clock::duration>(interval).count();
    return now >= due && next.compare_exchange_strong(due, after, std::memory_order_relaxed);
  }

  static bool is_perhaps_damage(Errc code) noexcept {
    return code == Errc::no_server || code == Errc::server_stopped || code == Errc::corrupt ||
           code == Errc::layout_mismatch;
  }

  ClientCore(Names names, Contract contract, const ClientOptions& options)
      : names_(std::move(names)), contract_(std::move(contract)), options_(options), completer_(options.wait) {}

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
    if (mark_.in_child()) return forked();
    Result<void> setback;  // how the last server ended
    for (;;) {
      Pin pin = connection_.current();
      if (pin && liveness == Liveness::asked && pin->server().look() != platform::Peer::alive) {
        connection_.retire(pin);
        continue;
      }
      if (!pin) {
        auto attached = connect(deadline);
        if (attached) continue;
        // How the last server ended says more than "no server".
        const bool none = attached.error().code() == Errc::no_server;
        return !setback && none ? std::move(setback).error() : std::move(attached).error();
      }
      if (HandlerScope::serves(pin->generation())) return would_deadlock();
      auto made = make(std::move(pin));
      Call& call = body(made).call();
      if (attempt(call)) return answer(made);
      setback = explain(call.failure(), call);
      if (!goes_on(call.failure(), body(made).pin(), deadline)) return std::move(setback).error();
    }
  }

  template <class Fill>
  static bool send(Call& call, Deadline& deadline, Fill& fill) {
    if (!call.claim_again() && !call.claim(deadline)) return false;
    if (const std::size_t size = fill(call.request()); size != fits) return call.refuse(size);
    SHARED_CHANNEL_TEST_POINT(client_filled);
    return call.post(deadline);
  }

  /// Whether a call that failed so may be made again, on the next server.
  bool goes_on(const Failure& failure, const Pin& pin, Deadline& deadline) noexcept {
    if (failure.code == Errc::timed_out) doubt(pin);
    if (failure.code != Errc::server_died && failure.code != Errc::server_stopped) return false;
    connection_.retire(pin);
    return failure.execution == Execution::none && !deadline.passed();
  }

  static void rest_until(Deadline& deadline, nanoseconds at_most) noexcept {
    const nanoseconds left = deadline.remaining();
    Platform::rest(left < at_most ? left : at_most);
  }

  /// How often a thread looks whether another one has connected. Connecting rarely takes longer than the yields before.
  static constexpr nanoseconds glance_interval = std::chrono::microseconds(100);
  static constexpr unsigned yields_before_rest = 1000;

  /// One thread connects at a time. The others wait for it, but not beyond their deadlines.
  class ConnectingThread {
   public:
    ConnectingThread(ClientCore& core, Deadline& deadline) noexcept : core_(core) {
      for (unsigned look = 0; !(is_it_ = core.connecting_.try_lock()) && !deadline.passed(); ++look) {
        if (look < yields_before_rest)
          std::this_thread::yield();
        else
          rest_until(deadline, glance_interval);
      }
    }
    ~ConnectingThread() {
      if (is_it_) core_.connecting_.unlock();
    }
    ConnectingThread(const ConnectingThread&) = delete;
    ConnectingThread& operator=(const ConnectingThread&) = delete;

    explicit operator bool() const noexcept { return is_it_; }

   private:
    ClientCore& core_;
    bool is_it_ = false;
  };

  Result<void> connect(Deadline& deadline) {
    const typename Platform::NoCancellation uncancelled;
    return options_.wait_for_server ? connect_patiently(deadline) : connect_once(deadline);
  }

  /// Makes a connection current, unless another thread has done so meanwhile.
  Result<void> connect_once(Deadline& deadline) {
    const ConnectingThread me(*this, deadline);
    if (!me) return names_.error(Errc::timed_out, "another thread was still connecting at the deadline");
    {
      const Pin pin = connection_.current();
      if (pin && pin->server().look() == platform::Peer::alive) return {};
      if (pin) connection_.retire(pin);
    }
    auto connection = Connection::attach(names_, contract_, options_);
    if (!connection) {
      if (is_perhaps_damage(connection.error().code()) && is_due(next_knock_, knock_interval))
        Connection::knock(names_, options_);
      return std::move(connection).error();
    }
    connection_.install(*std::move(connection));
    SHARED_CHANNEL_TEST_POINT(client_connected);
    return {};
  }

  Result<void> connect_patiently(Deadline& deadline) {
    Deadline mended(mending);
    for (;;) {
      auto connected = connect_once(deadline);
      if (connected) return connected;
      const Errc code = connected.error().code();
      const bool may_come = code == Errc::no_server || code == Errc::server_stopped || code == Errc::server_died ||
                            (code == Errc::corrupt && !mended.passed());
      if (!may_come || deadline.passed()) return connected;
      rest_until(deadline, search_interval);
    }
  }

  Error would_deadlock() const {
    return names_.error(Errc::would_deadlock,
                        "a handler of this channel calls it, which might wait for itself; "
                        "call another channel, or share the code instead");
  }

  Error explain(const Failure& failure, const Call& call) const {
    return names_.error(failure.code, detail::explain(failure, call), failure.native, failure.execution);
  }

  Names names_;
  Contract contract_;
  ClientOptions options_;
  ForkMark mark_;
  std::mutex connecting_;
  std::atomic<std::int64_t> next_doubt_{0};  // on the steady clock
  std::atomic<std::int64_t> next_knock_{0};
  CurrentConnection connection_;
  Completer completer_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
