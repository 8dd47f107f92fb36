// Tells a program of its own calls, for logs and metrics.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// How one call ended, as one of its two ends saw it.
struct CallRecord {
  static constexpr std::size_t no_alternative = ~std::size_t{0};

  /// The channel's name; valid while the observer runs.
  std::string_view channel;
  /// Nothing if the call was answered; else the code that the caller gets, or would get. The reply of an asynchronous
  /// call has not been decoded yet: get() may still find it corrupt.
  std::optional<Errc> error;
  /// Of a call that was not answered: it is certain that no handler saw it, as Error::not_executed().
  bool not_executed = false;
  /// When the client was called; of a server's record, when the handler was.
  std::chrono::steady_clock::time_point began;
  /// When the reply was there, or the call was given up; of a server's record, when it was answered.
  std::chrono::steady_clock::time_point ended;
  /// 0 if there was none. A message that is too large for the channel counts too.
  std::size_t request_bytes = 0;
  std::size_t reply_bytes = 0;
  /// Which alternative a request that is a std::variant held; no_alternative for other requests.
  std::size_t alternative = no_alternative;

  [[nodiscard]] std::chrono::nanoseconds duration() const noexcept { return ended - began; }
};

/// What is told of the calls of all channels with this Request. Specialise it with one of these functions, or both:
///
///   template <>
///   struct shared_channel::ObserverOf<Request> {
///     static void client_done(const CallRecord& call);   once for each call(), call_in_place() and call_async()
///     static void server_done(const CallRecord& call);   once for each call that a handler was given
///   };
///
/// Without one, nothing of this is compiled. Every file of a program that uses the channel must see the specialisation:
/// put it into the header that defines Request, right after it. Otherwise the program breaks the one-definition rule,
/// and nobody can tell which calls are observed.
///
/// The functions are called on the thread that ends the call: the caller's, a completion thread of the client's, the
/// handler's, or that of a Responder; so from several threads at once. A client's runs before the answer is handed over
/// and, for an asynchronous call, as soon as somebody finds the call ended, which is not before get(), wait() or
/// ready() if nothing else waits for it. A server's runs once the reply is on its way. They must be short, must not
/// throw (the program would end) and must not use the clients, calls and servers that they are told of.
///
/// Not told of: a client's calls that an exception of its own Codec, `fill` or `read` ends, or that are refused before
/// anything is looked at (a client that was moved from, an empty callback); calls that a server refuses because it
/// stops, or that were withdrawn before a handler saw them (ServerStats counts them); wait_for_server(); raw channels,
/// whose programs see every call themselves.
template <class Request>
struct ObserverOf {
  using IsAbsent = void;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
