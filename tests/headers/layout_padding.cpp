// Every hole in the shared memory's layout must be spelled out.
#include <shared_channel/options.hpp>

#if defined(__GNUC__)
#pragma GCC diagnostic error "-Wpadded"
#endif
#include <shared_channel/detail/protocol/layout.hpp>
