// Looking at channels from outside: files in /dev/shm. They are read and not mapped: a look at a mapped file that
// somebody has cut short would end this process (SIGBUS).
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/hold.hpp>
#include <shared_channel/detail/platform/linux/beacon.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/lease.hpp>
#include <shared_channel/detail/platform/linux/memory.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// A machine has one name space for all scopes.
inline Result<std::vector<std::string>> object_names(Scope) {
  const NoCancellation whole;
  std::vector<std::string> found;
  DIR* const directory = ::opendir("/dev/shm");
  if (directory == nullptr) {
    const Errc code = errno == EACCES ? Errc::access_denied : Errc::system_error;
    return Error(code, "", "opendir of /dev/shm was refused; shared memory lies there", errno, Execution::none);
  }
  const AtEnd done([directory]() noexcept { ::closedir(directory); });
  const auto next = [directory]() noexcept {
    errno = 0;  // each time: it tells an error from the end
    return ::readdir(directory);
  };
  while (const dirent* const entry = next()) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(object_prefix)) found.emplace_back(name);
  }
  if (errno != 0) return Error(Errc::system_error, "", "readdir of /dev/shm failed", errno, Execution::none);
  return found;
}

class ObjectReader {
 public:
  static Result<ObjectReader> open(const Names& names, const std::string& object) {
    Descriptor descriptor = linux_shm::open_object(object, O_RDONLY);
    if (!descriptor) {
      if (errno == ENOENT) return just_gone(names);
      return linux_shm::failed(names, "shm_open", object, errno);
    }
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return linux_shm::failed(names, "fstat", object, errno);
    if (!S_ISREG(status.st_mode) || status.st_nlink > 1) {
      return names.error(Errc::not_owner, "/dev/shm/" + object + " is not a channel's shared memory");
    }
    return ObjectReader(std::move(descriptor), status);
  }

  [[nodiscard]] bool read(std::uint64_t offset, void* to, std::size_t bytes) const noexcept {
    const NoCancellation whole;
    auto* next = static_cast<std::byte*>(to);
    while (bytes != 0) {
      const ssize_t got = ::pread(descriptor_.get(), next, bytes, static_cast<off_t>(offset));
      if (got <= 0) return false;
      const auto count = static_cast<std::size_t>(got);
      next += count;
      offset += count;
      bytes -= count;
    }
    return true;
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(status_.st_size); }
  [[nodiscard]] std::string owner() const { return std::to_string(status_.st_uid); }

  /// Mode bits in octal, and the group where it has any.
  [[nodiscard]] std::string access() const {
    const unsigned mode = status_.st_mode & 0777u;
    std::string text{'0', digit(mode >> 6), digit(mode >> 3), digit(mode)};
    if ((mode & 0070u) != 0) text += " group " + std::to_string(status_.st_gid);
    return text;
  }

  /// Its server never touches the file again once it is made.
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> made() const {
    using std::chrono::system_clock;
    const auto since = std::chrono::seconds(status_.st_ctim.tv_sec) + std::chrono::nanoseconds(status_.st_ctim.tv_nsec);
    return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(since));
  }

  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

 private:
  ObjectReader(Descriptor descriptor, const struct stat& status) noexcept
      : descriptor_(std::move(descriptor)), status_(status) {}

  static char digit(unsigned bits) noexcept { return static_cast<char>('0' + (bits & 7u)); }

  Descriptor descriptor_;
  struct stat status_;
};

inline Hold hold_on(const Names& names) {
  const Descriptor lock = linux_shm::open_object(names.server_lock(), O_RDONLY);
  const Hold without = errno == ENOENT ? Hold::none : Hold::unknown;
  if (lock && linux_shm::is_locked(lock.get(), 0)) return Hold::held;
  // Until protocol version 3 that was the lock, and servers still hold it.
  const Descriptor record = linux_shm::open_object(names.rendezvous(), O_RDONLY);
  if (record && linux_shm::is_locked_by_writer(record.get(), 0)) return Hold::held;
  return lock ? Hold::left : without;
}

/// The kernel marks the word of a process that ends. Where a stray write may have changed it, the lock tells.
inline bool is_server_alive(const Names&, std::uint64_t, std::uint32_t alive, const Identity&, Hold hold) {
  return linux_beacon::is_lit(alive) && hold != Hold::left;
}

inline bool is_client_there(const Names&, std::uint64_t, const ObjectReader& segment, std::uint32_t number) {
  return number != 0 && number <= ClientLease::last && linux_shm::is_locked(segment.descriptor(), number);
}

namespace linux_shm {

/// How many bytes from `first` to `last` are locked, up to about `most`. The kernel names one lock of a range, and
/// whose it is does not matter.
inline unsigned locked_bytes(int descriptor, std::uint32_t first, std::uint32_t last, unsigned most) {
  struct Range {
    std::uint32_t first, last;
  };
  unsigned count = 0;
  std::vector<Range> left{{first, last}};
  for (unsigned asked = 0; !left.empty() && count < most && asked <= 2 * most; ++asked) {
    const Range range = left.back();
    left.pop_back();
    struct flock found = lock_of(range.first);
    found.l_len = static_cast<off_t>(range.last - range.first) + 1;
    if (::fcntl(descriptor, F_OFD_GETLK, &found) != 0 || found.l_type == F_UNLCK) continue;
    // 0: as far as the file may ever reach, which no client locks.
    const off_t end = found.l_len == 0 ? static_cast<off_t>(range.last) : found.l_start + found.l_len - 1;
    const auto from =
        found.l_start > static_cast<off_t>(range.first) ? static_cast<std::uint32_t>(found.l_start) : range.first;
    const auto to = end < static_cast<off_t>(range.last) ? static_cast<std::uint32_t>(end) : range.last;
    count += to - from < most ? to - from + 1 : most;
    if (from > range.first) left.push_back({range.first, from - 1});
    if (to < range.last) left.push_back({to + 1, range.last});
  }
  return count < most ? count : most;
}

}  // namespace linux_shm

/// A hostile peer may hold any number of locks, through which the kernel walks for each question: beyond some, it does
/// not matter how many.
inline unsigned client_count(const Names&, std::uint64_t, const ObjectReader& segment, std::uint32_t) {
  constexpr unsigned most = 8192;
  return linux_shm::locked_bytes(segment.descriptor(), 1, ClientLease::last, most);
}

inline std::string program_of(std::uint32_t process) {
  const NoCancellation whole;
  const std::string path = "/proc/" + std::to_string(process) + "/comm";
  const Descriptor file([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  char text[64];
  const ssize_t length = file ? ::pread(file.get(), text, sizeof text, 0) : -1;
  std::string program(text, length > 0 ? static_cast<std::size_t>(length) : 0);
  if (!program.empty() && program.back() == '\n') program.pop_back();
  return printable(std::move(program));
}

inline std::optional<std::chrono::system_clock::time_point> birth_time(std::uint64_t) { return std::nullopt; }

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
