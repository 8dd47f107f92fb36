// The answering end of a channel whose messages are known at run time only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel/call_context.hpp>
#include <shared_channel/channel.hpp>
#include <shared_channel/channel_shape.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/raw/shape.hpp>
#include <shared_channel/detail/server/core.hpp>
#include <shared_channel/detail/server/duty.hpp>
#include <shared_channel/detail/server/handler.hpp>
#include <shared_channel/detail/server/reply.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/server.hpp>
#include <shared_channel/timeout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// A request to a raw server: a private copy, to be kept as long as the program likes. Move-only.
class RawRequest {
  static constexpr std::align_val_t alignment{detail::inline_alignment};

 public:
  RawRequest(RawRequest&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  RawRequest& operator=(RawRequest&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~RawRequest() {
    if (data_ != nullptr) ::operator delete(data_, alignment);
  }

  /// Aligned to 16.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  template <class, class>
  friend struct detail::Forms;
  explicit RawRequest(std::span<const std::byte> bytes)
      : data_(static_cast<std::byte*>(::operator new(bytes.empty() ? 1 : bytes.size(), alignment))),
        size_(bytes.size()) {
    if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
  }

  std::byte* data_;
  std::size_t size_;
};

/// The right, and the duty, to answer one raw call; as Responder otherwise. Where replies have a fixed size, a reply
/// must have exactly that: with another the caller gets handler_failed, which says so.
class RawResponder {
 public:
  /// Sends the reply. One that is too long for the channel reaches the caller as message_too_large.
  void reply(std::span<const std::byte> message) {
    reply_in_place([&](std::span<std::byte> room) {
      // A short reply may be a part of the request, which lies in the same bytes.
      if (message.size() <= room.size() && !message.empty()) std::memmove(room.data(), message.data(), message.size());
      return message.size();
    });
  }

  /// Sends what `std::size_t fill(std::span<std::byte>)` writes where the caller reads it, returning how many bytes it
  /// used. It does not run if the server is gone, or if the call is answered. If it throws, nothing was sent and the
  /// call may still be answered.
  template <class Fill>
  void reply_in_place(Fill&& fill) {
    static_assert(std::is_invocable_r_v<std::size_t, Fill&, std::span<std::byte>>,
                  "SharedChannel: fill must be callable as std::size_t fill(std::span<std::byte>)");
    duty_.conclude([&](detail::AnswerSink& sink, const detail::TakenCall& call) {
      const detail::Frame frame = sink.reply_frame(call);
      const std::size_t bytes = fill(detail::span_of(frame.fixed(), frame.capacity()));
      return detail::send_written(
          frame, bytes, [&](std::string_view text) { return sink.write_failure(call, text, detail::PassedOn::none); });
    });
  }

  /// Where reply_in_place() lets `fill` write, for programs that write first and then let it count. Valid until the
  /// reply, and as long as the server lives. Empty once answered, and if the server is gone.
  [[nodiscard]] std::span<std::byte> room() const {
    const std::optional<detail::Frame> frame = duty_.reply_frame();
    return frame ? detail::span_of(frame->fixed(), frame->capacity()) : std::span<std::byte>();
  }

  /// Sends an error, as Responder::fail() does.
  void fail(std::string_view text) noexcept { duty_.fail(text); }
  void fail(const Error& error) { duty_.fail(error); }

 private:
  friend class detail::Invocation;
  explicit RawResponder(detail::AnswerDuty&& duty) noexcept : duty_(std::move(duty)) {}

  detail::AnswerDuty duty_;
};

/// A call that RawServer::next() gave out, to be answered when and where the program likes.
struct RawCall {
  RawRequest request;
  RawResponder responder;
  CallContext context;
};

namespace detail {

struct Raw;

/// `void(RawRequest, RawResponder)`: answers later.
template <class Handler>
concept RawDeferringHandler = Returns<Handler, void, RawRequest&&, RawResponder>;

/// `void(std::span<const std::byte>, RawResponder)`: the same, without a copy.
template <class Handler>
concept RawLookingHandler =
    !RawDeferringHandler<Handler> && Returns<Handler, void, std::span<const std::byte>, RawResponder>;

template <>
struct Forms<Raw, Raw> {
  template <class Handler>
  static constexpr bool is_handler() {
    static_assert(
        BytesHandler<Handler, Bytes, Bytes> || PassingOnBytesHandler<Handler, Bytes> || RawDeferringHandler<Handler> ||
            RawLookingHandler<Handler>,
        "SharedChannel: a raw server's handler must be callable as std::size_t(std::span<const std::byte>, "
        "std::span<std::byte>), as one that returns Result<std::size_t>, or as void(RawRequest, RawResponder) or "
        "void(std::span<const std::byte>, RawResponder); each may take a trailing const CallContext&");
    return true;
  }

  template <class Handler, class Call>
  static Outcome invoke(Handler& handler, const Call& call) {
    if constexpr (RawDeferringHandler<Handler>) {
      std::optional<RawRequest> request = copy_of(call.request());
      if (!request) return Phase::malformed;
      call_with(handler, call, *std::move(request), call.template responder<RawResponder>());
      return deferred;
    } else if constexpr (RawLookingHandler<Handler>) {
      const CheckedBytes shared = call.request().checked();
      if (!shared) return Phase::malformed;
      call_with(handler, call, span_of(shared.data, shared.size), call.template responder<RawResponder>());
      return deferred;
    } else {
      return invoke_bytes<Bytes>(handler, call);
    }
  }

 private:
  /// Nothing if the frame claims an impossible length.
  static std::optional<RawRequest> copy_of(const Frame& frame) {
    const CheckedBytes shared = frame.checked();
    if (!shared) return std::nullopt;
    return RawRequest(span_of(shared.data, shared.size));
  }
};

}  // namespace detail

/// Serves a channel whose messages are known at run time only: for tools, bindings and bridges. As Server otherwise.
///
/// A handler is called as one of
///   std::size_t(std::span<const std::byte> request, std::span<std::byte> reply)   returns the reply's size
///   Result<std::size_t>(the same)                                                 or passes an error on
///   void(RawRequest, RawResponder)                                                answers later, from any thread
///   void(std::span<const std::byte> request, RawResponder)                        the same without a copy
/// and each may take a trailing `const CallContext&`.
///
/// Where the bytes of a span lie:
///   - The reply's lie in shared memory, and so do those of a request of more than 4096 bytes.
///   - Those of a shorter request are a private copy, except in the last form. It is aligned to 16, whatever the shape
///     says.
///   - In the last form a request of any length lies in shared memory, until it is answered and as long as the server
///     lives. One of up to 112 bytes lies where a short reply is to be written: who fills that in place copies first
///     what is still needed of the request.
///
/// Where replies have a fixed size, a reply must have exactly that. Requests of fixed size always do.
class RawServer : private SharedChannel<detail::Raw>::Server {
  using Server = SharedChannel<detail::Raw>::Server;
  using Core = detail::ServerCore<detail::NativePlatform>;

 public:
  using Server::native_handle_type;

#if defined(__cpp_exceptions)
  /// As create(), but throws ChannelException.
  explicit RawServer(std::string_view name, const ChannelShape& shape, const ServerOptions& options = {})
      : RawServer(create(name, shape, options).value()) {}
#endif

  /// As Server::create(). The most bytes of messages that vary in length are the shape's to say, not the options'.
  /// Errors: invalid_argument also for a shape with a size that is not from 1 to 1 GiB, an alignment that is not a
  /// power of two up to 4096, or a description that is none or does not go with the size.
  static Result<RawServer> create(std::string_view name, const ChannelShape& shape, const ServerOptions& options = {}) {
    auto names = detail::Names::make(name, options.scope);
    if (!names) return std::move(names).error();
    auto contract = detail::contract_of(*names, shape, true);
    if (!contract) return std::move(contract).error();
    auto core = Core::create(name, options, *contract);
    if (!core) return std::move(core).error();
    return RawServer(*std::move(core));
  }

  // As Server's; serve_one(), next() and serve() exclude each other.
  using Server::damaged_slots;
  using Server::native_handle;
  using Server::serve;
  using Server::serve_one;
  using Server::start;
  using Server::stats;
  using Server::stop;
  using Server::wait;

  /// The next request, for a program that answers by itself; nothing if none came within `timeout` (zero or less: looks
  /// once), or if the server is stopped. One thread at a time (invalid_argument); the calls may be answered from any.
  /// A call that is destroyed unanswered is handler_failed. Errors as serve_one().
  Result<std::optional<RawCall>> next(Timeout timeout) {
    detail::Deadline deadline(timeout);
    std::optional<RawCall> taken;
    const auto keep = [&](RawRequest request, RawResponder responder, const CallContext& context) {
      taken.emplace(RawCall{std::move(request), std::move(responder), context});
    };
    // A request that could not be read was answered without us: another may wait behind it. Once the time is over, one
    // look at each slot finds that; more could go on forever, if bad requests keep coming.
    for (std::uint32_t late = 0;;) {
      auto served = serve_one(keep, deadline.remaining());
      if (!served) return std::move(served).error();
      if (taken || !*served || (deadline.passed() && ++late > core_->slot_count())) return taken;
    }
  }

 private:
  explicit RawServer(detail::UniquePtr<Core> core) : Server(std::move(core)) {}
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
