// Answers a call later, from any thread.
#pragma once

#include <string_view>
#include <utility>

#include <shared_channel/detail/server/duty.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/detail/server/reply.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// The right, and the duty, to answer one call: the second argument of a handler `void(const Request&,
/// Responder<Reply>)`. Move-only. It may be moved to another thread and kept after the handler has returned, unlike a
/// `const Request&`: take a `Request` to keep that as well. The call's slot stays occupied meanwhile. It answers once:
/// after the first reply() or fail() further ones do nothing. One thread at a time may use it. If it is destroyed
/// without a reply, the caller gets handler_failed (with the exception's text if an exception ended the handler).
/// Outliving the caller or the server is safe: the reply goes nowhere.
template <class Reply>
class Responder {
 public:
  /// Sends the reply. One that is too large for the channel reaches the caller as message_too_large. If a Codec
  /// throws, nothing was sent and the call may still be answered.
  void reply(const Reply& message) {
    duty_.conclude([&](detail::AnswerSink& sink, const detail::TakenCall& call) {
      return detail::send(message, sink.reply_frame(call));
    });
  }

  /// Sends an error: the caller gets handler_failed with `text`, of which the first 252 bytes travel.
  void fail(std::string_view text) noexcept { duty_.fail(text); }

  /// Passes on an error of another channel that the call needed, or one of the handler's own making, such as
  /// Error(Errc::busy, "", "too much to do"), which says that nothing was done: the caller gets its code, and
  /// not_executed() and safe_to_retry() as it has them. They are the handler's promise: what it did before it asked
  /// the other channel, it must be able to do twice. Of its message the first 252 bytes travel; native() does not, the
  /// message has it. The caller's client takes it for the end of the call: it neither reconnects nor asks again by
  /// itself. If memory for the message runs out, nothing was sent and the call may still be answered.
  void fail(const Error& error) { duty_.fail(error); }

 private:
  friend class detail::Invocation;
  explicit Responder(detail::AnswerDuty&& duty) noexcept : duty_(std::move(duty)) {}

  detail::AnswerDuty duty_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
