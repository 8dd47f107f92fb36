// What a function that must not throw does when memory runs out in it.
#pragma once

#include <new>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What `work` returns; or, if memory runs out in it, what `otherwise` does. Programs without exceptions end there.
template <class Work, class Otherwise>
auto or_without_memory(Work&& work, [[maybe_unused]] Otherwise&& otherwise) -> decltype(work()) {
#if defined(__cpp_exceptions)
  try {
#endif
    return work();
#if defined(__cpp_exceptions)
  } catch (const std::bad_alloc&) {
    return otherwise();
  }
#endif
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
