// How a thread that ends in the middle of a function leaves it.
#pragma once

#include <exception>  // says whose library this is

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// pthread_exit() and pthread_cancel() unwind a thread as if they threw this. Whoever catches it must throw it on; any
/// other exception may be caught for good, also one of another language. Where the library has no name for it, no catch
/// sees it.
#if defined(__GLIBCXX__)
using ThreadEnd = abi::__forced_unwind;
#else
class ThreadEnd {};
#endif

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
