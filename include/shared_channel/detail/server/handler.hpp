// The forms a handler may take, and how each is called on the frames of a slot.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel/call_context.hpp>
#include <shared_channel/detail/base/callable.hpp>
#include <shared_channel/detail/base/stored.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/passed_on.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/server/reply.hpp>
#include <shared_channel/responder.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Callable with these arguments, with or without a trailing context.
template <class Handler, class... Args>
concept Accepts = CallableWith<Handler&, Args...> || CallableWith<Handler&, Args..., const CallContext&>;

/// The same, for a handler of one signature.
template <class Handler, class... Args>
concept PlainlyAccepts = HasOneSignature<Handler> && Accepts<Handler, Args...>;

/// Calls the handler so. The context costs a little, so `call` makes it only for handlers that take one.
template <class Handler, class Call, class... Args>
decltype(auto) call_with(Handler& handler, const Call& call, Args&&... args) {
  if constexpr (std::invocable<Handler&, Args..., const CallContext&>) {
    const CallContext context = call.context();
    return handler(std::forward<Args>(args)..., context);
  } else {
    return handler(std::forward<Args>(args)...);
  }
}

/// What `Accepts` returns.
template <class Handler, class... Args>
struct AnswerOf : std::invoke_result<Handler&, Args...> {};
template <class Handler, class... Args>
requires std::invocable<Handler&, Args..., const CallContext&>
struct AnswerOf<Handler, Args...> : std::invoke_result<Handler&, Args..., const CallContext&> {
};

template <class Handler, class Answer, class... Args>
concept Returns = Accepts<Handler, Args...> &&
    (std::is_void_v<Answer> ? std::is_void_v<typename AnswerOf<Handler, Args...>::type>
                            : std::is_convertible_v<typename AnswerOf<Handler, Args...>::type, Answer>);

/// A request as a handler gets it: a decoded one is the handler's to keep or to move.
template <class Request>
using Given = std::conditional_t<CodedMessage<Request>, Request&&, const Request&>;

/// `std::size_t(std::span<const std::byte>, std::span<std::byte>)`, for Bytes.
template <class Handler, class Request, class Reply>
concept BytesHandler =
    BytesMessage<Request> && Returns<Handler, std::size_t, std::span<const std::byte>, std::span<std::byte>>;

/// What a handler can be given to write its reply into: the slot's bytes, or a default-constructed Reply.
template <class Reply>
concept WritableReply = FixedMessage<Reply> || std::default_initializable<Reply>;

/// `void(const Request&, Reply&)`: writes the reply, if of fixed size, where the client will read it; else into a
/// default-constructed one. One that takes a `Reply` or a `const Reply&` is not meant, unless there is nothing to
/// write: what it writes is lost.
template <class Handler, class Request, class Reply>
concept InPlaceHandler =
    !BytesMessage<Request> && WritableReply<Reply> && Returns<Handler, void, Given<Request>, Reply&> &&
    (std::is_empty_v<Reply> || !PlainlyAccepts<Handler, Given<Request>, const Reply&>);

/// `void(const Request&, Responder<Reply>)` or `void(Request, Responder<Reply>)`: answers later.
template <class Handler, class Request, class Reply>
concept DeferringHandler = !BytesMessage<Request> && Returns<Handler, void, Request&&, Responder<Reply>>;

/// The same of one that has no form before it. A concept, so that no generic body is compiled for a Responder in vain.
template <class Handler, class Request, class Reply>
concept OnlyDeferringHandler = !InPlaceHandler<Handler, Request, Reply> && DeferringHandler<Handler, Request, Reply>;

/// `void(T&)`: one struct both ways. A `void(const T&)` is not meant: it could not answer.
template <class Handler, class Request, class Reply>
concept InOutHandler = !BytesMessage<Request> && std::same_as<Request, Reply> && !Accepts<Handler, Request> &&
                       Returns<Handler, void, Request&>;

/// `Reply(const Request&)` or `Reply(Request)`.
template <class Handler, class Request, class Reply>
concept ReturningHandler = !BytesMessage<Request> && Returns<Handler, Reply, Given<Request>>;

/// `Result<Reply>(const Request&)` or `Result<Reply>(Request)`: answers, or passes an error on. Of a handler for Bytes
/// the Result is the reply's size.
template <class Handler, class Request, class Reply>
concept PassingOnHandler =
    !BytesMessage<Request> && Accepts<Handler, Given<Request>> &&
    std::same_as<std::remove_cvref_t<typename AnswerOf<Handler, Given<Request>>::type>, Result<Reply>>;
template <class Handler, class Request>
concept PassingOnBytesHandler =
    BytesMessage<Request> && Accepts<Handler, std::span<const std::byte>, std::span<std::byte>> &&
    std::same_as<typename AnswerOf<Handler, std::span<const std::byte>, std::span<std::byte>>::type,
                 Result<std::size_t>>;

/// What serve(), serve_one() and start() accept.
template <class Handler, class Request, class Reply>
concept HandlerFor = BytesHandler<Handler, Request, Reply> || PassingOnBytesHandler<Handler, Request> ||
    InPlaceHandler<Handler, Request, Reply> || DeferringHandler<Handler, Request, Reply> ||
    InOutHandler<Handler, Request, Reply> || PassingOnHandler<Handler, Request, Reply> ||
    ReturningHandler<Handler, Request, Reply>;

template <class Handler, class Request, class Reply>
constexpr bool check_handler() {
  static_assert(
      HandlerFor<Handler, Request, Reply>,
      "SharedChannel: a handler must be callable as Reply(const Request&), Reply(Request), one that returns "
      "Result<Reply>, void(const Request&, Reply&) (Reply being default-constructible), void(const Request&, "
      "Responder<Reply>) or, where request and reply are one type, void(T&); for Bytes as "
      "std::size_t(std::span<const std::byte>, std::span<std::byte>); each may take a trailing const CallContext&");
  return true;
}

// ---- the request ------------------------------------------------------------------------------------

/// Calls `use` with the request. Copied first if it is small, or if `own_copy` says that it must survive the peer's
/// next move; decoded if it is coded.
template <class Request, bool own_copy, class Use>
Outcome with_request(const Frame& frame, Use&& use) {
  if constexpr (CodedMessage<Request>) {
    std::optional<Request> request = decode_message<Request>(frame);
    return request ? use(*request) : Phase::malformed;
  } else if constexpr (sizeof(Request) <= copy_limit) {
    alignas(Request) std::byte copy[sizeof(Request)];
    std::memcpy(copy, frame.fixed(), sizeof(Request));
    if (!is_value<Request>(copy)) return Phase::malformed;
    return use(object_at<Request>(copy));
  } else if constexpr (own_copy) {
    OnHeap<Request> copy(FromBytes{frame.fixed()});
    return use(*copy.get());
  } else {
    return use(object_at<Request>(frame.fixed()));
  }
}

// ---- calling ----------------------------------------------------------------------------------------

/// A handler returned an error in place of its answer.
template <class Call>
Outcome pass_on(const Error& error, const Call& call) {
  return call.write_failure(error.message(), PassedOn::of(error).word());
}

/// Bytes: the handler writes into all the room there is; short replies then move inline. The handler is called in one
/// place, so that it becomes one piece with its server: that is a tenth of a short call.
template <class Request, class Handler, class Call>
Outcome invoke_bytes(Handler& handler, const Call& call) {
  const CheckedBytes shared = call.request().checked();
  if (!shared) return Phase::malformed;
  const PrivateBytes request(shared);
  const Frame reply = call.reply();
  const std::span<std::byte> room = span_of(reply.fixed(), reply.capacity());
  std::size_t bytes = 0;
  if constexpr (PassingOnBytesHandler<Handler, Request>) {
    const Result<std::size_t> size = detail::call_with(handler, call, request.bytes(), room);
    if (!size) return pass_on(size.error(), call);
    bytes = *size;
  } else {
    bytes = detail::call_with(handler, call, request.bytes(), room);
  }
  return send_written(reply, bytes, [&](std::string_view text) { return call.write_failure(text, PassedOn::none); });
}

/// Calls `handler` for a taken call: anything that offers request() and reply() frames, context(), write_failure() and
/// responder(). Inline request and reply may be the same bytes: inline messages are copied or decoded before the
/// reply is written.
template <class Request, class Reply, class Handler, class Call>
Outcome invoke(Handler& handler, const Call& call) {
  static_assert(inline_capacity <= copy_limit);
  if constexpr (BytesMessage<Request>) {
    return invoke_bytes<Request>(handler, call);
  } else {
    constexpr bool defers = OnlyDeferringHandler<Handler, Request, Reply>;
    return with_request<Request, defers>(call.request(), [&](Request& request) -> Outcome {
      if constexpr (requires { call.saw(request); }) call.saw(request);  // an observer's
      if constexpr (InPlaceHandler<Handler, Request, Reply>) {
        return send_filled<Reply>(call.reply(), [&](Reply& reply) {
          detail::call_with(handler, call, static_cast<Given<Request>>(request), reply);
        });
      } else if constexpr (defers) {
        detail::call_with(handler, call, std::move(request), call.template responder<Responder<Reply>>());
        return deferred;
      } else if constexpr (InOutHandler<Handler, Request, Reply>) {
        if constexpr (FixedMessage<Request> && sizeof(Request) > copy_limit) {
          std::memcpy(static_cast<void*>(call.reply().fixed()), address_of(request), sizeof(Request));
          detail::call_with(handler, call, object_at<Request>(call.reply().fixed()));
          return Phase::done;
        } else {
          detail::call_with(handler, call, request);
          return detail::send<Reply>(request, call.reply());
        }
      } else if constexpr (PassingOnHandler<Handler, Request, Reply>) {
        const Result<Reply> answer = detail::call_with(handler, call, static_cast<Given<Request>>(request));
        return answer ? detail::send<Reply>(*answer, call.reply()) : pass_on(answer.error(), call);
      } else {
        return send_made<Reply>(call.reply(), [&]() -> decltype(auto) {
          return detail::call_with(handler, call, static_cast<Given<Request>>(request));
        });
      }
    });
  }
}

/// What a server of such messages calls, and how. Raw ones have forms of their own (raw_server.hpp).
template <class Request, class Reply>
struct Forms {
  template <class Handler>
  static constexpr bool is_handler() {
    return check_handler<Handler, Request, Reply>();
  }
  template <class Handler, class Call>
  static Outcome invoke(Handler& handler, const Call& call) {
    return detail::invoke<Request, Reply>(handler, call);
  }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
