// EXPECT: nodiscard
#include <shared_channel/shared_channel.hpp>

#if defined(__GNUC__)
#pragma GCC diagnostic error "-Wunused-result"
#elif defined(_MSC_VER)
#pragma warning(error : 4834)
#endif

void use(shared_channel::SharedChannel<int>::Server& server) {
  server.start([](int value) { return value; });
}
