// EXPECT: SharedChannel needs <stop_token>
#include <version>
#undef __cpp_lib_jthread
#include <shared_channel/shared_channel.hpp>
