// Which channels the names of objects belong to; base/name.hpp makes those.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The channel of which `object` (without its prefix) would be a part: a segment, a server page, a signal. Empty if it
/// does not look like one.
inline std::string_view owner_of_part(std::string_view object) noexcept {
  constexpr std::string_view known[] = {parts::server,     parts::exec,         parts::done,
                                        parts::slot_freed, parts::client_mutex, parts::client,
                                        parts::ended,      parts::alive,        std::string_view()};
  for (std::size_t dot = object.rfind('.'); dot != std::string_view::npos && dot != 0;
       dot = object.rfind('.', dot - 1)) {
    const std::string_view rest = object.substr(dot + 1);
    if (rest.size() < hex_digits || !is_hex(rest.substr(0, hex_digits))) continue;
    if (rest.size() > hex_digits && rest[hex_digits] != '.') continue;
    const std::string_view part = rest.size() > hex_digits ? rest.substr(hex_digits + 1) : std::string_view();
    if (std::find(std::begin(known), std::end(known), part.substr(0, part.find('.'))) != std::end(known))
      return object.substr(0, dot);
  }
  return {};
}

/// The channels that have left objects of these names, sorted. A channel's name may look like another's part: what has
/// a lock is a channel.
inline std::vector<std::string> channels_among(const std::vector<std::string>& objects) {
  constexpr std::string_view prefix = object_prefix, lock = lock_suffix;
  std::vector<std::string> locked, found;
  for (const std::string_view object : objects) {
    if (object.starts_with(prefix) && object.ends_with(lock) && object.size() > prefix.size() + lock.size())
      locked.emplace_back(object.substr(prefix.size(), object.size() - prefix.size() - lock.size()));
  }
  std::sort(locked.begin(), locked.end());
  const auto add = [&](std::string_view name) {
    if (Names::make(name, Scope::session)) found.emplace_back(name);
  };
  for (const std::string& name : locked) add(name);
  for (const std::string_view object : objects) {
    if (!object.starts_with(prefix) || object.ends_with(lock)) continue;
    const std::string_view name = object.substr(prefix.size());
    const bool is_locked = std::binary_search(locked.begin(), locked.end(), std::string(name));
    const std::string_view owner = is_locked ? std::string_view() : owner_of_part(name);
    add(owner.empty() ? name : owner);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
