// The asking end of a channel whose messages are known at run time only.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel/channel.hpp>
#include <shared_channel/channel_shape.hpp>
#include <shared_channel/client.hpp>
#include <shared_channel/detail/base/callable.hpp>
#include <shared_channel/detail/base/copy_bytes.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/raw/shape.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/pending_call.hpp>
#include <shared_channel/raw_draft.hpp>
#include <shared_channel/raw_reply.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/timeout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// How long a raw call may take. Functions that take these take a Timeout instead, too. These are nanoseconds: a unit
/// that could be too long for them goes through a Timeout first.
struct CallOptions {
  /// For the whole call, as in Client::call().
  std::chrono::nanoseconds timeout = default_timeout;
  /// How long of that it may wait for a slot where all are occupied; then it fails with busy. Zero: at once.
  std::chrono::nanoseconds slot_wait = (std::chrono::nanoseconds::max)();
  /// The waiting thread asks meanwhile whether the call is to be cancelled. For draft() and call_async(): only until
  /// they return; a program that waits for such a call afterwards does so in pieces, and cancels it.
  Interrupt interrupt = {};
};

namespace detail {

/// The messages of raw channels, as far as the typed classes need one.
struct Raw;

/// What may stand in the place of CallOptions. Braces are always options.
template <class T>
concept TimeoutAlone = std::convertible_to<T, Timeout>;

/// Writes a request that lies elsewhere into its frame, if it can be one.
struct RawCopy {
  std::span<const std::byte> request;

  std::size_t operator()(const Frame& frame) const {
    if (!frame.takes(request.size())) return request.size();
    std::byte* const place = frame.place(request.size());
    copy_bytes(place, request.data(), request.size());
    return request.size();
  }
};

}  // namespace detail

/// Calls a server whose messages are known at run time only: for tools, bindings and bridges. As Client otherwise: it
/// attaches by itself, finds a restarted server, is move-only, and its functions may be used from many threads at once.
///
/// Requests and replies are bytes. A request of fixed size must have exactly so many (invalid_argument; or
/// layout_mismatch if the server was replaced by one with other messages), one that varies in length at most the
/// channel's (message_too_large). Bytes that were made for one server's messages reach no other's: a call that has to
/// go on with a new server of other messages fails with layout_mismatch, and once shape() was asked, so do all calls
/// after such a change, until it is asked again.
class RawClient : private SharedChannel<detail::Raw>::Client {
  using Client = SharedChannel<detail::Raw>::Client;
  using Platform = detail::NativePlatform;
  using Core = detail::ClientCore<Platform>;
  using Writer = detail::RawRequestWriter<Platform>;

 public:
#if defined(__cpp_exceptions)
  /// As create(), but throws ChannelException.
  explicit RawClient(std::string_view name, const ClientOptions& options = {})
      : RawClient(create(name, options).value()) {}
  RawClient(std::string_view name, const ChannelShape& shape, const ClientOptions& options = {})
      : RawClient(create(name, shape, options).value()) {}
#endif

  /// For the messages of whichever server is there, again after each restart. Errors: invalid_name, invalid_argument.
  static Result<RawClient> create(std::string_view name, const ClientOptions& options = {}) {
    detail::Contract any{};
    any.takes_any = true;
    return from(Core::create(name, std::move(any), options));
  }

  /// For servers with these messages alone: calls of others fail with layout_mismatch, which says what they have. Sizes
  /// of messages that vary in length are the server's to say. Errors: the same.
  static Result<RawClient> create(std::string_view name, const ChannelShape& shape, const ClientOptions& options = {}) {
    auto names = detail::Names::make(name, options.scope);
    if (!names) return std::move(names).error();
    auto contract = detail::contract_of(*names, shape, false);
    if (!contract) return std::move(contract).error();
    return from(Core::create(name, *std::move(contract), options));
  }

  /// What the server that is there takes and answers; waits for one. Errors: as wait_for_server().
  Result<ChannelShape> shape(const CallOptions& options = {}) {
    auto contract = within(options, {}, [&](const detail::Deadline& deadline) { return core_->contract(deadline); });
    if (!contract) return std::move(contract).error();
    return detail::channel_shape(*contract);
  }
  Result<ChannelShape> shape(detail::TimeoutAlone auto timeout) { return shape(CallOptions{Timeout(timeout)}); }

  /// As Client::wait_for_server().
  Result<void> wait_for_server(const CallOptions& options, std::stop_token token = {}) {
    return within(options, token, [&](const detail::Deadline& deadline) { return core_->wait_for_server(deadline); });
  }
  Result<void> wait_for_server(detail::TimeoutAlone auto timeout, std::stop_token token = {}) {
    return wait_for_server(CallOptions{Timeout(timeout)}, std::move(token));
  }

  /// Asks, waits for the answer, and copies it into `reply`: how many bytes it has. One that has more than there is
  /// room for is message_too_large, of which not_executed() is false. To ask `token` to stop cancels the call, as a
  /// typed one. Other errors as Client::call().
  Result<std::size_t> call(std::span<const std::byte> request, std::span<std::byte> reply,
                           const CallOptions& options = {}, std::stop_token token = {}) {
    return within(options, token, [&](detail::Deadline& deadline) {
      return exchange_copies(request, reply, deadline, options.slot_wait);
    });
  }
  Result<std::size_t> call(std::span<const std::byte> request, std::span<std::byte> reply,
                           detail::TimeoutAlone auto timeout, std::stop_token token) {
    return call(request, reply, CallOptions{Timeout(timeout)}, std::move(token));
  }
  // The usual call: without what may cancel it, it is one piece of code.
  Result<std::size_t> call(std::span<const std::byte> request, std::span<std::byte> reply,
                           detail::TimeoutAlone auto timeout) {
    if (!core_) return moved_from();
    detail::Deadline deadline{Timeout(timeout)};
    return exchange_copies(request, reply, deadline, Core::no_limit);
  }

  /// The same without copies: `std::size_t fill(std::span<std::byte>)` writes the request in shared memory and returns
  /// how many bytes of the span it used, and `read(std::span<const std::byte>)` sees the reply; up to 4096 of its bytes
  /// are a private copy. `fill` runs again if the call moves on to a new server. While they run they occupy a slot.
  template <class Fill, class Read>
  Result<void> call_in_place(Fill&& fill, Read&& read, const CallOptions& options = {}, std::stop_token token = {}) {
    static_assert(std::is_invocable_r_v<std::size_t, Fill&, std::span<std::byte>>,
                  "SharedChannel: fill must be callable as std::size_t fill(std::span<std::byte>)");
    static_assert(detail::CallableWith<Read&, std::span<const std::byte>>,
                  "SharedChannel: read must be callable as read(std::span<const std::byte>)");
    const auto write = [&](const detail::Frame& frame) {
      const std::size_t bytes = fill(detail::span_of(frame.fixed(), frame.capacity()));
      if (frame.takes(bytes)) frame.commit(bytes);
      return bytes;
    };
    const auto look = [&](const detail::Frame& frame) { return detail::show_reply(frame, read, *core_); };
    return within(options, token, [&](detail::Deadline& deadline) {
      deadline.start();  // what `fill` takes counts
      return exchange(write, look, deadline, options.slot_wait);
    });
  }
  template <class Fill, class Read>
  Result<void> call_in_place(Fill&& fill, Read&& read, detail::TimeoutAlone auto timeout, std::stop_token token = {}) {
    return call_in_place(fill, read, CallOptions{Timeout(timeout)}, std::move(token));
  }

  /// Takes a slot, waiting for one as a call does, for a request that the caller writes there, sends when it likes, and
  /// whose reply it waits for as after call_async(): a call in place, in steps. For as long as the RawDraft lives the
  /// other callers have a slot less.
  Result<RawDraft> draft(const CallOptions& options = {}) {
    auto call = within(options, {},
                       [&](const detail::Deadline& deadline) { return core_->reserve(deadline, options.slot_wait); });
    if (!call) return std::move(call).error();
    return RawDraft(*std::move(call));
  }
  Result<RawDraft> draft(detail::TimeoutAlone auto timeout) { return draft(CallOptions{Timeout(timeout)}); }

  /// Sends the request and returns; see Client::call_async(). The RawReply of the answer holds the call's slot.
  RawPendingCall call_async(std::span<const std::byte> request, const CallOptions& options = {}) {
    auto call = begin(request, options, {});
    if (!call) return RawPendingCall(std::move(call).error());
    return RawPendingCall(*std::move(call));
  }
  RawPendingCall call_async(std::span<const std::byte> request, detail::TimeoutAlone auto timeout) {
    return call_async(request, CallOptions{Timeout(timeout)});
  }

  /// The same, with `done(Result<RawReply>)` called exactly once when the call has ended; see Client::call_async().
  template <class F>
  Result<void> call_async(std::span<const std::byte> request, const CallOptions& options, F&& done,
                          std::stop_token token = {}) {
    static_assert(detail::CallableWith<std::decay_t<F>&, Result<RawReply>>,
                  "SharedChannel: the function given to call_async must be callable as done(Result<RawReply>)");
    return begin_and_tell<RawReply>(std::forward<F>(done), [&] { return begin(request, options, token); });
  }
  template <class F>
  Result<void> call_async(std::span<const std::byte> request, detail::TimeoutAlone auto timeout, F&& done,
                          std::stop_token token = {}) {
    return call_async(request, CallOptions{Timeout(timeout)}, std::forward<F>(done), std::move(token));
  }

  using Client::connected;

 private:
  using AsyncCall = detail::AsyncCall<Platform>;

  explicit RawClient(detail::RefPtr<Core> core) : Client(std::move(core)) {}

  static Result<RawClient> from(Result<detail::RefPtr<Core>> core) {
    if (!core) return std::move(core).error();
    return RawClient(*std::move(core));
  }

  /// What `work` returns, given a deadline that passes early when `token` or options.interrupt say so.
  template <class Work>
  auto within(const CallOptions& options, const std::stop_token& token, Work&& work)
      -> std::invoke_result_t<Work&, detail::Deadline&> {
    if (!core_) return moved_from();
    return core_->cancellable(token, options.timeout, work, options.interrupt);
  }

  template <class Write, class Read>
  auto exchange(Write&& write, Read&& read, detail::Deadline& deadline, std::chrono::nanoseconds slot_wait)
      -> std::invoke_result_t<Read&, const detail::Frame&> {
    Writer writer(*core_);
    auto result = core_->exchange(
        deadline, [&](const detail::Frame& frame, const auto& connection) { return writer(frame, connection, write); },
        read, slot_wait);
    writer.explain(result);
    return result;
  }

  Result<std::size_t> exchange_copies(std::span<const std::byte> request, std::span<std::byte> reply,
                                      detail::Deadline& deadline, std::chrono::nanoseconds slot_wait) {
    if (request.size() > detail::copy_limit) deadline.start();  // the copy counts
    const auto read = [&](const detail::Frame& frame) -> Result<std::size_t> {
      const detail::CheckedBytes shared = frame.checked();
      if (!shared) return core_->undecodable();
      if (shared.size > reply.size()) return no_room(shared.size, reply.size());
      detail::copy_bytes(reply.data(), shared.data, shared.size);
      return shared.size;
    };
    return exchange(detail::RawCopy{request}, read, deadline, slot_wait);
  }

  Result<detail::RefPtr<AsyncCall>> begin(std::span<const std::byte> request, const CallOptions& options,
                                          const std::stop_token& token) {
    auto begun = within(options, token, [&](const detail::Deadline& deadline) {
      Writer writer(*core_);
      const auto write = detail::RawCopy{request};
      auto call = core_->begin(
          deadline,
          [&](const detail::Frame& frame, const auto& connection) { return writer(frame, connection, write); },
          options.slot_wait);
      writer.explain(call);
      return call;
    });
    if (begun && token.stop_possible()) (*begun)->cancel_when_asked(token);
    return begun;
  }

  [[nodiscard]] Error no_room(std::size_t bytes, std::size_t room) const {
    return core_->names().error(
        Errc::message_too_large,
        "the reply has " + std::to_string(bytes) + " bytes, and the caller has room for " + std::to_string(room), 0,
        Execution::possible);
  }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
