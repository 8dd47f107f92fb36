// How a thread that ends in the middle of a function leaves it.
#pragma once

#include <exception>  // says whose library this is

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What pthread_exit() and pthread_cancel() throw, or seem to: it must go on. No exception of C++, and none of another
/// language either, which may be caught for good. Where nobody says what it is, it passes by every catch.
#if defined(__GLIBCXX__)
using ThreadEnd = abi::__forced_unwind;
#else
class ThreadEnd {};
#endif

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
