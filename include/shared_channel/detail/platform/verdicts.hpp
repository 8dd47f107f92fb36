// What the seam's functions answer on every system; see detail/platform.hpp.
#pragma once

namespace shared_channel::detail::platform {

/// How the server stands, seen from a client.
enum class Peer { alive, stopped, died };

/// Why a wait returned.
enum class Wake { signalled, timed_out, server_gone };

/// How an attempt to take the TurnLock ended.
enum class Lock { locked, abandoned, timed_out, server_gone };

}  // namespace shared_channel::detail::platform
