// What keeps a thread of the program from being taken out of our functions: nothing does that here.
#pragma once

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Linux has threads that are cancelled; here there is nothing to do.
class NoCancellation {
 public:
  NoCancellation() noexcept {}
  ~NoCancellation() {}
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;
};

/// Nor has Win32 signals that come on whichever thread has them open, or fork().
using NoSignals = NoCancellation;
using ForkPause = NoCancellation;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
