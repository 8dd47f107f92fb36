// Standard headers that would cost every file of a user's time, and that the library does without: docs/performance.md.
#include <shared_channel/shared_channel.hpp>

#if defined(__linux__) && defined(_GLIBCXX_RELEASE) && _GLIBCXX_RELEASE <= 13
#if defined(_GLIBCXX_CHRONO) || defined(_GLIBCXX_SSTREAM)
#error "shared_channel.hpp includes <chrono> as a whole: detail/base/deadline.hpp has the clocks"
#endif
#if defined(_GLIBCXX_FUNCTIONAL) || defined(_GLIBCXX_UNORDERED_MAP)
#error "shared_channel.hpp includes <functional>"
#endif
#endif
