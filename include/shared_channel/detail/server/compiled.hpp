// What the compiled library has of the answering end, as client/compiled.hpp of the asking one. Servers with an
// observer of their own are not in it.
#pragma once

#include <shared_channel/detail/server/observer.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/server/core.hpp>
#include <shared_channel/detail/server/dispatcher.hpp>
#include <shared_channel/detail/server/finder.hpp>
#include <shared_channel/detail/server/lifecycle.hpp>
#include <shared_channel/detail/server/slots.hpp>
#include <shared_channel/version.hpp>

#if defined(SHARED_CHANNEL_COMPILES)
#define SHARED_CHANNEL_INSTANTIATE template
#elif defined(SHARED_CHANNEL_COMPILED)
#define SHARED_CHANNEL_INSTANTIATE extern template
#endif

#if defined(SHARED_CHANNEL_INSTANTIATE)
namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

SHARED_CHANNEL_INSTANTIATE class ServerSlots<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class Dispatcher<NativePlatform, NoServerObserver>;
SHARED_CHANNEL_INSTANTIATE class Finder<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class ServerCore<NativePlatform, NoServerObserver>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
#undef SHARED_CHANNEL_INSTANTIATE
#endif
