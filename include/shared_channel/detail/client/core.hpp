// From a user's call to its Result: attach when needed, reconnect when the server was replaced, and say in
// words what went wrong. Knows bytes, not message types.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/completion.hpp>
#include <shared_channel/detail/client/current_connection.hpp>
#include <shared_channel/detail/message/message.hpp>

namespace shared_channel::detail {

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
  static Result<RefPtr<ClientCore>> create(std::string_view name, const Shape& shape, const ClientOptions& options) {
    auto names = Names::make(name, options.scope);
    if (!names) return std::move(names).error();
    if (options.wait.spin < nanoseconds::zero()) {
      return names->error(Errc::invalid_argument, "WaitPolicy::spin is negative; 0 sleeps at once");
    }
    return RefPtr<ClientCore>(new ClientCore(*std::move(names), shape, options));
  }

  /// One call: `fill` writes the request into its frame and answers `fits`, or how many bytes would not; `read` turns
  /// the reply's frame into the answer, a Result. If the server goes before it took the request and another is there,
  /// the same call goes on with that one, and `fill` runs again.
  template <class Fill, class Read>
  auto exchange(Deadline deadline, Fill&& fill, Read&& read) -> decltype(read(std::declval<const Frame&>())) {
    if (mark_.in_child()) return forked();
    Result<void> setback;  // how the last server ended
    for (;;) {
      const Pin pin = connection_.current();
      if (!pin) {
        auto attached = connect(deadline);
        if (attached) continue;
        // That tells more than that there is none.
        const bool none = attached.error().code() == Errc::no_server;
        return !setback && none ? std::move(setback).error() : std::move(attached).error();
      }
      if (HandlerScope::serves(pin->generation())) return would_deadlock();
      Call call(*pin);
      if (send(call, deadline, fill) && (call.is_done_at_once() || call.await(deadline))) {
        SHARED_CHANNEL_TEST_POINT(client_reads);
        return read(call.reply());
      }
      setback = explain(call.failure(), call);
      if (!goes_on(call.failure(), pin, deadline)) return std::move(setback).error();
    }
  }

  /// The first half of a call: sends the request, with the same retries, and returns with the answer outstanding. The
  /// call keeps `self`, which is this core. From then on nobody sends it again, so a dead server is noticed before.
  template <class Fill>
  Result<RefPtr<AsyncCall>> begin(const RefPtr<ClientCore>& self, Deadline deadline, Fill&& fill) {
    if (mark_.in_child()) return forked();
    deadline.start();
    Result<void> setback;
    for (;;) {
      Pin pin = connection_.current();
      if (pin && pin->server().look() != platform::Peer::alive) {
        connection_.retire(pin);
        continue;
      }
      if (!pin) {
        auto attached = connect(deadline);
        if (attached) continue;
        const bool none = attached.error().code() == Errc::no_server;
        return !setback && none ? std::move(setback).error() : std::move(attached).error();
      }
      if (HandlerScope::serves(pin->generation())) return would_deadlock();
      auto call = RefPtr<AsyncCall>(new AsyncCall(self, std::move(pin), deadline));
      if (send(call->call(), deadline, fill)) return call;
      const Failure& failure = call->call().failure();
      setback = explain(failure, call->call());
      if (!goes_on(failure, call->pin(), deadline)) return std::move(setback).error();
    }
  }

  /// What ends asynchronous calls by itself.
  [[nodiscard]] Completer& completer() noexcept { return completer_; }

  /// The error of an asynchronous call that ended so.
  Error explain(const Failure& failure, AsyncCall& call) const {
    if (!call.is_orphan()) return explain(failure, call.call());
    return names_.error(
        failure.code,
        failure.execution == Execution::none
            ? "the client was destroyed before the server took the request; it was withdrawn and never runs"
            : "the client was destroyed before the answer came; the handler may still be running and its answer will "
              "be dropped",
        0, failure.execution);
  }

  Error forked() const {
    return names_.error(Errc::forked, "this client was made before fork(); make a new one in the child");
  }

  Result<void> wait_for_server(Deadline deadline) {
    if (mark_.in_child()) return forked();
    if (connected()) return {};
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

 private:
  /// How often a server that is not there is looked for.
  static constexpr nanoseconds search_interval = std::chrono::milliseconds(5);

  ClientCore(Names names, const Shape& shape, const ClientOptions& options)
      : names_(std::move(names)), shape_(shape), options_(options), completer_(options.wait) {}

  template <class Fill>
  static bool send(Call& call, Deadline& deadline, Fill& fill) {
    if (!call.claim_again() && !call.claim(deadline)) return false;
    if (const std::size_t size = fill(call.request()); size != fits) return call.refuse(size);
    SHARED_CHANNEL_TEST_POINT(client_filled);
    return call.post(deadline);
  }

  /// Whether a call that failed so may be made again, on the next server.
  bool goes_on(const Failure& failure, const Pin& pin, Deadline& deadline) noexcept {
    if (failure.code != Errc::server_died && failure.code != Errc::server_stopped) return false;
    connection_.retire(pin);
    return failure.execution == Execution::none && !deadline.passed();
  }

  /// How often a thread looks whether another one has done with connecting, which rarely takes longer.
  static constexpr nanoseconds glance_interval = std::chrono::microseconds(100);

  static void rest_until(Deadline& deadline, nanoseconds at_most) noexcept {
    const nanoseconds left = deadline.remaining();
    Platform::rest(left < at_most ? left : at_most);
  }

  /// One thread connects at a time. The others wait for it, but not beyond their deadlines.
  class ConnectingThread {
   public:
    ConnectingThread(ClientCore& core, Deadline& deadline) noexcept
        : core_(core), has_turn_(core.connecting_.try_lock()) {
      for (; !has_turn_ && !deadline.passed(); has_turn_ = core.connecting_.try_lock())
        rest_until(deadline, glance_interval);
    }
    ~ConnectingThread() {
      if (has_turn_) core_.connecting_.unlock();
    }
    ConnectingThread(const ConnectingThread&) = delete;
    ConnectingThread& operator=(const ConnectingThread&) = delete;

    explicit operator bool() const noexcept { return has_turn_; }

   private:
    ClientCore& core_;
    bool has_turn_;
  };

  Result<void> connect(Deadline& deadline) {
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
    auto connection = Connection::attach(names_, shape_, options_.wait);
    if (!connection) return std::move(connection).error();
    connection_.install(*std::move(connection));
    SHARED_CHANNEL_TEST_POINT(client_connected);
    return {};
  }

  Result<void> connect_patiently(Deadline& deadline) {
    for (;;) {
      auto connected = connect_once(deadline);
      if (connected) return connected;
      const Errc code = connected.error().code();
      const bool may_come = code == Errc::no_server || code == Errc::server_stopped || code == Errc::server_died;
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
    return names_.error(failure.code, sentence(failure, call), failure.native, failure.execution);
  }

  static std::string sentence(const Failure& failure, const Call& call) {
    const bool never_ran = failure.execution == Execution::none;
    switch (failure.code) {
      case Errc::busy:
        return "every slot stayed occupied until the deadline; raise ServerOptions::max_calls or the timeout";
      case Errc::timed_out:
        return never_ran ? "the server did not take the request before the deadline; it was withdrawn and never runs"
                         : "no answer came before the deadline; the handler may still be running and its answer will "
                           "be dropped";
      case Errc::server_stopped:
        return never_ran ? "the server stopped before it took the request"
                         : "the server stopped; the request may have been executed";
      case Errc::server_died:
        return never_ran ? "the server's process ended before it took the request"
                         : "the server's process ended; the request may have been executed";
      case Errc::handler_failed:
        return "the server's handler failed: " + call.text();
      case Errc::message_too_large:
        return std::string(never_ran ? "the request has " : "the reply has ") + std::to_string(failure.size) +
               (failure.size < 0xFFFF'FFFF ? " bytes" : " bytes or more") + " and the channel carries at most " +
               std::to_string(failure.limit) +
               "; raise ServerOptions::" + (never_ran ? "max_request_bytes" : "max_reply_bytes");
      case Errc::corrupt:
        if (never_ran)
          return "the server could not decode the request; do both programs use the same types and codecs?";
        return "the slot holds a state that no correct peer writes; the request may have been executed";
      default:
        return "the operating system refused to let the call wait";
    }
  }

  Names names_;
  Shape shape_;
  ClientOptions options_;
  ForkMark mark_;
  std::mutex connecting_;
  CurrentConnection connection_;
  Completer completer_;
};

}  // namespace shared_channel::detail
