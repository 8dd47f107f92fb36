// EXPECT: SharedChannel knows Win32 and Linux
#include <version>
#undef _WIN32
#undef __linux__
#include <shared_channel/shared_channel.hpp>
