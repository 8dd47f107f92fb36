// EXPECT: SharedChannel needs C\+\+20
// LANGUAGE: 17
#include <shared_channel/shared_channel.hpp>
