// EXPECT: SharedChannel does not know Android
#define __ANDROID__ 1
#include <shared_channel/shared_channel.hpp>
