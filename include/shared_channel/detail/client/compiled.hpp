// What the compiled library (src/compiled.cpp) has of the asking end: it instantiates this, and programs that are
// compiled with SHARED_CHANNEL_COMPILED find it there. What is written inside a class is inline, and every program has
// its own; so what need not be inline, because it is not done at each call, stands below its class.
#pragma once

#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/client/completion.hpp>
#include <shared_channel/detail/client/connector.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/client/current_connection.hpp>
#include <shared_channel/detail/client/slot_claim.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

#if defined(SHARED_CHANNEL_COMPILES)
#define SHARED_CHANNEL_INSTANTIATE template
#elif defined(SHARED_CHANNEL_COMPILED)
#define SHARED_CHANNEL_INSTANTIATE extern template
#endif

#if defined(SHARED_CHANNEL_INSTANTIATE)
namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

SHARED_CHANNEL_INSTANTIATE void throw_error<Error>(Error error);
SHARED_CHANNEL_INSTANTIATE class CurrentConnection<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class Connector<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class SlotClaim<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class Call<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class AsyncCall<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class Completer<NativePlatform>;
SHARED_CHANNEL_INSTANTIATE class ClientCore<NativePlatform>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
#undef SHARED_CHANNEL_INSTANTIATE
#endif
