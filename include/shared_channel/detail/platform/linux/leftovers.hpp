// What killed servers of a channel have left without a record that names it.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/detail/platform/linux/shm_file.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace linux_shm {

/// The generation that an object's name begins with after the channel's, if it does.
inline std::optional<std::uint64_t> generation_in(std::string_view rest) noexcept {
  constexpr std::size_t digits = 16;
  if (rest.size() < digits) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : rest.substr(0, digits)) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) return std::nullopt;
    number = number << 4 | static_cast<std::uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return number;
}

/// Whether an object of this name is a file of ours that begins with `magic`. A channel may be named like another's
/// part, and its files begin otherwise.
inline bool is_own_object(const std::string& object, std::uint64_t magic) {
  const Descriptor descriptor = open_object(object, O_RDONLY);
  struct stat status {};
  std::uint64_t begin = 0;
  return descriptor && ::fstat(descriptor.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
         status.st_uid == ::geteuid() &&
         ::pread(descriptor.get(), &begin, sizeof begin, 0) == static_cast<ssize_t>(sizeof begin) && begin == magic;
}

/// Removes the channel's segments and server pages. For the server that has the name's lock, where no record tells what
/// the server before it has made: somebody had removed or damaged that, too.
inline void remove_leftovers(const Names& names) {
  const NoCancellation whole;
  DIR* const directory = ::opendir("/dev/shm");
  if (directory == nullptr) return;
  const AtEnd done([directory]() noexcept { ::closedir(directory); });
  const std::string before = names.rendezvous() + '.';
  while (const dirent* const entry = ::readdir(directory)) {
    const std::string object = entry->d_name;
    if (object.compare(0, before.size(), before) != 0) continue;
    const auto number = generation_in(std::string_view(object).substr(before.size()));
    if (!number) continue;
    const bool is_left = (object == names.segment(*number) && is_own_object(object, segment_magic)) ||
                         (object == names.server_page(*number) && is_own_object(object, server_page_magic));
    if (is_left) static_cast<void>(unlink(object));
  }
}

}  // namespace linux_shm

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
