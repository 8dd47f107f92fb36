// What event loops of the program's own wait for.
#pragma once

#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// What Server::native_handle() and PendingCall::native_handle() give. Linux: int, a file descriptor. Win32: void*, a
/// HANDLE.
using NativeHandle = detail::NativePlatform::Notifier::Native;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
