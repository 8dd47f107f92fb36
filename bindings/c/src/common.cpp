// What belongs to neither end.
#include <shared_channel.h>

#include <shared_channel/version.hpp>

uint32_t sc_version() { return SHARED_CHANNEL_VERSION; }
