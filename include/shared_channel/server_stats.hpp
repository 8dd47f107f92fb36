// What a server has done so far, and is doing.
#pragma once

#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// What Server::stats() returns. Each call that has ended is in one of the first six; the others that the server knows
/// of are in running or waiting. The numbers are of about one moment; those of calls that end meanwhile may be in one
/// of them already and not yet out of another.
struct ServerStats {
  std::uint64_t done = 0;       ///< Answered by the handler.
  std::uint64_t failed = 0;     ///< The handler threw, passed an error on, or its answer was too large.
  std::uint64_t refused = 0;    ///< Came too late for a handler: the server stopped.
  std::uint64_t withdrawn = 0;  ///< Given up by their callers before a handler saw them, as far as the slots tell:
                                ///< while a call ends, the one before it may be missing. Never falls.
  std::uint64_t abandoned = 0;  ///< Given up while the handler ran: its answer reached nobody.
  std::uint64_t malformed = 0;  ///< The request could not be decoded.
  std::uint64_t damaged = 0;    ///< Slots found in a state that no correct client leaves, and reset.

  unsigned running = 0;  ///< Calls in a handler, or kept in a Responder.
  unsigned waiting = 0;  ///< Calls that no handler has yet seen.
  /// How long the caller of the longest of the running calls has waited by now: as the caller tells it, or at least
  /// since an earlier stats() saw the call run. Zero if none runs, and in a fork()ed child.
  std::chrono::nanoseconds longest_running{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
