// A call's Failure in words.
#pragma once

#include <cstddef>
#include <string>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/duration_text.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/failure.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What to say of one error code: if the handler certainly did not see the request, and if it may have. A % stands for
/// the call's timeout.
struct FailureText {
  Errc code;
  const char* not_executed;
  const char* possibly_executed;
};

inline constexpr FailureText failure_texts[] = {
    {Errc::busy, "every slot stayed occupied for %; raise ServerOptions::max_calls or the timeout", ""},
    {Errc::timed_out, "the server did not take the request within %; it was withdrawn and never runs",
     "no reply came within %; the handler may still be running and its reply will be dropped"},
    {Errc::cancelled, "the call was cancelled before the server took the request, which never runs",
     "the call was cancelled before its reply came; the handler may still be running and its reply will be dropped"},
    {Errc::server_stopped, "the server stopped before it took the request",
     "the server stopped; the request may have been executed"},
    {Errc::server_died, "the server's process ended before it took the request",
     "the server's process ended; the request may have been executed"},
    {Errc::corrupt, "the server could not decode the request; do both programs use the same types and codecs?",
     "the slot holds a state that no correct peer writes; the request may have been executed"},
};

/// The end of an asynchronous call whose client was destroyed.
inline constexpr FailureText orphan_text = {
    Errc::timed_out, "the client was destroyed before the server took the request; it was withdrawn and never runs",
    "the client was destroyed before the reply came; the handler may still be running and its reply will be dropped"};

inline const char* text_of(const FailureText& text, Execution execution) noexcept {
  return execution == Execution::none ? text.not_executed : text.possibly_executed;
}

/// Of a message that no slot can carry.
inline std::string too_large(const Failure& failure) {
  const bool is_request = failure.execution == Execution::none;
  return std::string(is_request ? "the request has " : "the reply has ") + std::to_string(failure.size) +
         (failure.size < 0xFFFF'FFFF ? " bytes" : " bytes or more") + " and the channel carries at most " +
         std::to_string(failure.limit) +
         "; raise ServerOptions::" + (is_request ? "max_request_bytes" : "max_reply_bytes") +
         ", or the size in the shape of a raw server";
}

/// Of a call that had to wait, and could not.
inline std::string could_not_block(const Failure& failure) {
  return std::string("could not block: ") + failure.obstacle.what +
         (failure.execution == Execution::none ? "; the request was withdrawn and never runs"
                                               : "; the request may have been executed");
}

/// The text with the timeout in its place.
inline std::string with_timeout(std::string text, nanoseconds timeout) {
  if (const std::size_t at = text.find('%'); at != std::string::npos) text.replace(at, 1, duration_text(timeout));
  return text;
}

template <class Platform>
std::string explain(const Failure& failure, const Call<Platform>& call, nanoseconds timeout) {
  if (failure.is_passed_on) return "its handler says: " + call.text();
  if (failure.code == Errc::handler_failed) return "the server's handler failed: " + call.text();
  if (failure.code == Errc::message_too_large) return too_large(failure);
  if (failure.obstacle) return could_not_block(failure);
  for (const FailureText& text : failure_texts) {
    if (text.code == failure.code)
      return with_timeout(text_of(text, failure.execution),
                          failure.code == Errc::busy ? call.slot_patience() : timeout);
  }
  return "the call ended with " + std::string(to_string(failure.code));
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
