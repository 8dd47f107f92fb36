// Looks at the channels of this machine from outside: which there are, and how each stands. Reads and changes nothing:
// no lease is taken, no word written, nobody woken, and nothing that is read is believed before it is checked. Not part
// of shared_channel.hpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shared_channel/channel_info.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/inspect/channel_names.hpp>
#include <shared_channel/detail/inspect/inspector.hpp>
#include <shared_channel/detail/platform/inspection.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// The names of all channels of a scope that the system shows to this user, sorted: also of those that it may not open,
/// and of what killed servers left. A name may be gone by the time that it is looked at. Errors: access_denied,
/// system_error (the system does not list its objects). Thread-safe.
inline Result<std::vector<std::string>> list_channels(Scope scope = Scope::session) {
  const detail::platform::NoCancellation uncancelled;
  auto objects = detail::platform::object_names(scope);
  if (!objects) return std::move(objects).error();
  return detail::channels_among(*objects);
}

/// How the channel of a name stands at about this moment. Errors: invalid_name, no_server (there is nothing of that
/// name). Whatever else is wrong is in the ChannelInfo. Thread-safe.
inline Result<ChannelInfo> inspect(std::string_view name, Scope scope = Scope::session) {
  const detail::platform::NoCancellation uncancelled;
  auto names = detail::Names::make(name, scope);
  if (!names) return std::move(names).error();
  return detail::Inspector(*names).look();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
