// SHARED_CHANNEL_PROBE(point): what a tracer sees of a test point, where the system has such probes; Win32 has none.
// Test points lie below the rest of the seam: hence apart from platform.hpp.
#pragma once

#if defined(__linux__)
#include <shared_channel/detail/platform/linux/probe.hpp>
#endif
