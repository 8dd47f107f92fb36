// The asking end.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel/channel.hpp>
#include <shared_channel/detail/base/callable.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/client/compiled.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/client/taking.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/client/observer.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/pending_call.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/timeout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// Calls the server of a name. Needs no server to be constructed: each call attaches when it must, and finds a
/// restarted server by itself. Move-only; its calls, wait_for_server() and connected() may be used from
/// many threads at once. Destroying a client while another thread uses it is an error of the program. Calls under way
/// then go on, on memory that stays until the process is gone; a call that begins in that very moment may crash.
///
/// Every call ends exactly once, in its own answer or an Error, by its deadline:
///   no_server                                at once; with ClientOptions::wait_for_server at the deadline
///   server_stopped, server_died              at once, not at the deadline
///   busy                                     every slot was occupied until the deadline
///   timed_out                                the answer did not come in time; it will reach nobody
///   handler_failed                           the handler threw; message() has its text
///   cancelled                                somebody asked its token to stop, or called PendingCall::cancel()
///   message_too_large                        the request, before anything was sent; or the handler's reply
///   invalid_argument                         refused before anything was sent
///   layout_mismatch, access_denied, not_owner, would_deadlock, forked, corrupt, out_of_memory, system_error
/// Error::not_executed() tells whether a handler can have seen the request. A request that was certainly not
/// seen is sent again by the same call if a new server is up; call_async() sends each request once. A client that was
/// moved from answers no_server.
template <class Request, class Reply>
class SharedChannel<Request, Reply>::Client {
  using Platform = typename detail::PlatformOf<Request>::Type;
  using Core = detail::ClientCore<Platform>;
  using AsyncCall = detail::AsyncCall<Platform>;
  using Observer = detail::ClientObserver<Request>;

 public:
#if defined(__cpp_exceptions)
  /// As create(), but throws ChannelException.
  explicit Client(std::string_view name, const ClientOptions& options = {}) : Client(create(name, options).value()) {}
#endif

  /// Errors: invalid_name, invalid_argument. Makes no system object.
  static Result<Client> create(std::string_view name, const ClientOptions& options = {}) {
    auto core = Core::create(name, detail::contract_of<Request, Reply>(), options);
    if (!core) return std::move(core).error();
    return Client(*std::move(core));
  }

  Client(Client&& other) noexcept = default;
  Client& operator=(Client&& other) noexcept {
    if (this != &other) {
      Core::end(core_);
      core_ = std::move(other.core_);
    }
    return *this;
  }
  ~Client() { Core::end(core_); }

  /// Asks and waits for the answer, at most `timeout` on the steady clock. nanoseconds::max() waits indefinitely; zero
  /// or less tries once. Large replies live on the heap inside the Result. Not for Bytes.
  Result<Reply> call(const Request& request,
                     Timeout timeout = default_timeout) requires(!detail::BytesMessage<Request>) {
    if (!core_) return moved_from();
    Observer observer(core_->names());
    return observer.ended([&] { return exchange(request, detail::Deadline(timeout), observer); });
  }

  /// The same, until somebody asks `token` to stop: then the call ends within a millisecond, whatever it waits for, in
  /// its answer if that is there, else in Errc::cancelled. A request that no handler has taken is withdrawn and never
  /// runs, and Error::not_executed() is true; the handler of another learns it by CallContext::cancelled(), and its
  /// reply is dropped. What runs in this thread (a Codec, `fill`, `read`) is not interrupted.
  Result<Reply> call(const Request& request, Timeout timeout,
                     std::stop_token token) requires(!detail::BytesMessage<Request>) {
    if (!core_) return moved_from();
    Observer observer(core_->names());
    return observer.ended([&] {
      return core_->cancellable(
          token, timeout, [&](const detail::Deadline& deadline) { return exchange(request, deadline, observer); });
    });
  }

  /// The same without copies, for messages of fixed size: `fill(Request&)` writes the request in shared memory,
  /// `read(const Reply&)` sees the reply there. A Request of up to 4096 bytes starts value-initialised, or as zero
  /// bytes if it has no default constructor; a larger one holds what an earlier message left. For Bytes: `std::size_t
  /// fill(std::span<std::byte>)` returns how many bytes of the span it used, and `read(std::span<const std::byte>)`
  /// sees the reply; up to 4096 of its bytes are a private copy.
  ///
  /// `fill` runs again if the call moves on to a new server. `read` should trust the values no more than it trusts the
  /// server, and must not keep the reference. While they run they occupy a slot.
  template <class Fill, class Read>
  Result<void> call_in_place(Fill&& fill, Read&& read, Timeout timeout = default_timeout,
                             std::stop_token token = {}) requires(!detail::BytesMessage<Request>) {
    static_assert(detail::FixedMessage<Request> && detail::FixedMessage<Reply>,
                  "SharedChannel: call_in_place is for messages of fixed size, and for Bytes");
    static_assert(detail::Fills<Fill&, Request>, "SharedChannel: fill must be callable as fill(Request&)");
    static_assert(detail::CallableWith<Read&, const Reply&>,
                  "SharedChannel: read must be callable as read(const Reply&)");
    return exchange_in_place(
        timeout, token,
        [&](const detail::Frame& frame) {
          fill(detail::fresh_object_at<Request>(frame.fixed()));
          return detail::fits;
        },
        [&](const detail::Frame& frame) -> Result<void> {
          read(detail::object_at<Reply>(static_cast<const std::byte*>(frame.fixed())));
          return {};
        });
  }
  template <class Fill, class Read>
  Result<void> call_in_place(Fill&& fill, Read&& read, Timeout timeout = default_timeout,
                             std::stop_token token = {}) requires(detail::BytesMessage<Request>) {
    static_assert(std::is_invocable_r_v<std::size_t, Fill&, std::span<std::byte>>,
                  "SharedChannel: fill must be callable as std::size_t fill(std::span<std::byte>)");
    static_assert(detail::CallableWith<Read&, std::span<const std::byte>>,
                  "SharedChannel: read must be callable as read(std::span<const std::byte>)");
    return exchange_in_place(
        timeout, token,
        [&](const detail::Frame& frame) {
          const std::size_t bytes = fill(detail::span_of(frame.fixed(), frame.capacity()));
          if (bytes > frame.capacity()) return bytes;
          frame.commit(bytes);
          return detail::fits;
        },
        [&](const detail::Frame& frame) { return detail::show_reply(frame, read, *core_); });
  }

  /// Sends the request and returns; the PendingCall gives the reply, see there. A client may have as many calls in
  /// flight as the server has slots; with all of them occupied call_async() queues, at most `timeout`, as call() does.
  /// The timeout counts from here. An error to send comes back in a PendingCall that is ready. Not for Bytes.
  /// Thread-safe.
  PendingCall<Reply> call_async(const Request& request,
                                Timeout timeout = default_timeout) requires(!detail::BytesMessage<Request>) {
    auto call = begin(request, timeout);
    if (!call) return PendingCall<Reply>(std::move(call).error());
    return PendingCall<Reply>(*std::move(call));
  }

  /// The same, with `done(Result<Reply>)` called exactly once when the call has ended; unless this returns an error:
  /// then `done` is never called, and Error::not_executed() tells whether a handler can have seen the request.
  ///
  /// It is called on a completion thread of this client's; also by the destructor of the client, which ends the calls
  /// that are still in flight (timed_out) and returns when the last `done` has. Each thread ends up to sixty calls, one
  /// after the other: a `done` that takes long delays others. It may call this client and begin new calls, though one
  /// that begins more than have ended may wait for slots that only its own thread frees. It may destroy the client, or
  /// hold the last reference to it: the other calls of its thread then end once it has returned. It must neither throw
  /// nor end its thread (pthread_exit()), nor may the Reply's Codec: the program would end. If it forks and returns in
  /// the child as well, the thread ends there, and no other `done` of the parent's is called. On Linux the thread
  /// inherits the signals that its first call's thread has blocked: block those for signalfd(2) before that.
  template <class F>
  Result<void> call_async(const Request& request, Timeout timeout, F&& done) requires(!detail::BytesMessage<Request>) {
    static_assert(detail::CallableWith<std::decay_t<F>&, Result<Reply>>,
                  "SharedChannel: the function given to call_async must be callable as done(Result<Reply>)");
    return begin_and_tell<Reply>(std::forward<F>(done), [&] { return begin(request, timeout); });
  }

  /// The same, until somebody asks `token` to stop: that ends the call as PendingCall::cancel() does, and `done` is
  /// called; asked before the request is sent, this returns `cancelled`.
  template <class F>
  Result<void> call_async(const Request& request, Timeout timeout, F&& done,
                          std::stop_token token) requires(!detail::BytesMessage<Request>) {
    static_assert(detail::CallableWith<std::decay_t<F>&, Result<Reply>>,
                  "SharedChannel: the function given to call_async must be callable as done(Result<Reply>)");
    return begin_and_tell<Reply>(std::forward<F>(done), [&] { return begin(request, timeout, token); });
  }

  /// Waits until a server is there and attaches to it. Errors: no_server at the deadline, or what attaching says.
  Result<void> wait_for_server(Timeout timeout) {
    if (!core_) return moved_from();
    return core_->wait_for_server(detail::Deadline(timeout));
  }
  /// The same, until somebody asks `token` to stop: cancelled.
  Result<void> wait_for_server(Timeout timeout, std::stop_token token) {
    if (!core_) return moved_from();
    return core_->cancellable(token, timeout,
                              [&](const detail::Deadline& deadline) { return core_->wait_for_server(deadline); });
  }

  /// Whether this client is attached to a server that is alive at this moment.
  [[nodiscard]] bool connected() const noexcept { return core_ && core_->connected(); }

 private:
  friend class RawClient;
  explicit Client(detail::RefPtr<Core> core) : core_(std::move(core)) {}

  Result<Reply> exchange(const Request& request, detail::Deadline deadline, Observer& observer) {
    if constexpr (!detail::FixedMessage<Request> || sizeof(Request) > detail::copy_limit)
      deadline.start();  // what encoding or copying takes counts
    observer.asks(request);
    return core_->exchange(
        deadline, observer.writer([&](const detail::Frame& frame) { return detail::write_message(request, frame); }),
        observer.reader([&](const detail::Frame& frame) { return detail::read_reply<Reply>(frame, *core_); }));
  }

  Result<detail::RefPtr<AsyncCall>> begin(const Request& request, Timeout timeout) {
    if (!core_) return moved_from();
    Observer observer(core_->names());
    observer.asks(request);
    return observer.begun([&] { return begin_by(request, detail::Deadline(timeout), observer); });
  }
  Result<detail::RefPtr<AsyncCall>> begin(const Request& request, Timeout timeout, const std::stop_token& token) {
    if (!core_) return moved_from();
    Observer observer(core_->names());
    observer.asks(request);
    auto begun = observer.begun([&] {
      return core_->cancellable(
          token, timeout, [&](const detail::Deadline& deadline) { return begin_by(request, deadline, observer); });
    });
    if (begun && token.stop_possible()) (*begun)->cancel_when_asked(token);
    return begun;
  }
  Result<detail::RefPtr<AsyncCall>> begin_by(const Request& request, const detail::Deadline& deadline,
                                             Observer& observer) {
    return core_->begin(
        deadline, observer.writer([&](const detail::Frame& frame) { return detail::write_message(request, frame); }));
  }

  /// Has `done` called at the end of what `begin` begins, with an Answer.
  template <class Answer, class F, class Begin>
  Result<void> begin_and_tell(F&& done, Begin&& begin) {
    using Callback = detail::Callback<Platform, Answer, std::decay_t<F>>;
    if (!core_) return moved_from();
    if (detail::is_empty(done))
      return core_->names().error(Errc::invalid_argument, "the function given to call_async is empty");
    auto then = detail::UniquePtr<Callback>(new Callback(std::forward<F>(done)));
    Result<detail::RefPtr<AsyncCall>> begun = begin();
    if (!begun) return std::move(begun).error();
    (*begun)->continue_with(std::move(then));
    return (*begun)->core()->watch_or_explain(*begun);  // the client may be ending
  }

  template <class Fill, class Read>
  Result<void> exchange_in_place(Timeout timeout, const std::stop_token& token, Fill&& fill, Read&& read) {
    if (!core_) return moved_from();
    Observer observer(core_->names());
    const auto work = [&](detail::Deadline deadline) {
      deadline.start();  // what the user's `fill` takes counts
      return core_->exchange(deadline, observer.writer(fill), observer.reader(read));
    };
    return observer.ended([&] { return core_->cancellable(token, timeout, work); });
  }

  static Error moved_from() { return Error(Errc::no_server, "", "this client was moved from"); }

  detail::RefPtr<Core> core_;  // shared with the pending calls
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
