// Whether the number of a user is the user's own.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::linux_user {

/// The user id that the system shows for users our namespace does not map: the default of kernel.overflowuid, which
/// nobody has a reason to change.
inline constexpr unsigned long stand_in = 65534;

/// Whether a line of /proc/self/uid_map (first here, first outside, how many) has `user` among those here.
inline bool has_line_for(const char* map, unsigned long user) noexcept {
  char* rest = nullptr;
  for (const char* at = map;; at = rest) {
    const unsigned long long first = std::strtoull(at, &rest, 10);
    if (rest == at) return false;
    std::strtoull(rest, &rest, 10);
    const unsigned long long count = std::strtoull(rest, &rest, 10);
    if (user >= first && user - first < count) return true;
  }
}

/// Whether anybody may hide behind this number. Without /proc nobody can tell, and so anybody may; a kernel without
/// user namespaces has no map.
inline bool may_be_anybody(unsigned long user) {
  if (user != stand_in) return false;
  const NoCancellation whole;
  const Descriptor file([] { return ::open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC); });
  if (!file) return errno != ENOENT || ::access("/proc/self", F_OK) != 0;
  char map[340 * 33 + 1];  // as long as it may be: 340 lines of three numbers in ten places each
  std::size_t length = 0;
  while (length + 1 < sizeof map) {
    const ssize_t got = ::pread(file.get(), map + length, sizeof map - 1 - length, static_cast<off_t>(length));
    if (got <= 0) break;
    length += static_cast<std::size_t>(got);
  }
  map[length] = '\0';
  return !has_line_for(map, user);
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::linux_user
