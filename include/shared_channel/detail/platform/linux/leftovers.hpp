// What killed servers of a channel have left without a record that names it.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/detail/platform/linux/shm_file.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace linux_shm {

/// What a file of a channel begins with whose name goes on so after the channel's. Nothing if none does.
inline std::optional<std::uint64_t> magic_of_part(std::string_view rest) noexcept {
  if (rest.size() < hex_digits || !is_hex(rest.substr(0, hex_digits))) return std::nullopt;
  const std::string_view part = rest.substr(hex_digits);
  if (part.empty()) return segment_magic;
  if (part.front() == '.' && part.substr(1) == parts::server) return server_page_magic;
  return std::nullopt;
}

/// Whether an object of this name is a file of ours that begins with `magic`. A channel may be named like another's
/// part, and its files begin otherwise.
inline bool is_own_object(const std::string& object, std::uint64_t magic) {
  const Descriptor descriptor = open_object(object, O_RDONLY);
  struct stat status {};
  std::uint64_t begin = 0;
  return descriptor && ::fstat(descriptor.get(), &status) == 0 && is_own_file(status) &&
         ::pread(descriptor.get(), &begin, sizeof begin, 0) == static_cast<ssize_t>(sizeof begin) && begin == magic;
}

/// Removes the channel's segments and server pages. For the server that has the name's lock, where no record tells what
/// the server before it has made: somebody had removed or damaged that, too. Not among any number of files, which
/// another user may have put there to hold us up.
inline void remove_leftovers(const Names& names) {
  const NoCancellation whole;
  DIR* const directory = ::opendir("/dev/shm");
  if (directory == nullptr) return;
  const AtEnd done([directory]() noexcept { ::closedir(directory); });
  const std::string before = names.rendezvous() + '.';
  constexpr int most = 10'000;
  for (int count = 0; count < most; ++count) {
    const dirent* const entry = ::readdir(directory);
    if (entry == nullptr) return;
    const std::string_view object = entry->d_name;
    if (!object.starts_with(before)) continue;
    const auto magic = magic_of_part(object.substr(before.size()));
    if (magic && is_own_object(std::string(object), *magic)) static_cast<void>(unlink(std::string(object)));
  }
}

}  // namespace linux_shm

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
