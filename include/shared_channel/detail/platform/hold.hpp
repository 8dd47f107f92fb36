// How a name stands, for who only looks (inspection.hpp).
#pragma once

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Whether the ServerLease of a name is held: by somebody, or by nobody although something of it is left, or there is
/// nothing of it, or the system does not tell.
enum class Hold { held, left, none, unknown };

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
