// Named shared memory, and the lease on a channel's name.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/platform/linux/fork_guard.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace linux_shm {

inline Error refused(const Names& names, const char* call, const std::string& object, int error) {
  const std::string where = std::string(call) + " of /dev/shm/" + object;
  switch (error) {
    case EACCES:
    case EPERM:
      return names.error(Errc::access_denied,
                         where + " was refused; the server's Access decides who may use the channel", error);
    case ENOSPC:
    case ENOMEM:
    case EDQUOT:
      return names.error(Errc::out_of_memory,
                         where + " found no room; free shared memory, or use fewer slots or smaller messages", error);
    case EFBIG:
      return names.error(Errc::out_of_memory,
                         where +
                             " would pass RLIMIT_FSIZE, the longest file that this process may make; raise it, or "
                             "use fewer slots or smaller messages",
                         error);
    case ELOOP:
    case ENXIO:
    case EISDIR:
    case ENOTDIR:
      return names.error(
          Errc::not_owner,
          where + " met something that is not a channel's shared memory; remove it or choose another name", error);
    default:
      return names.error(Errc::system_error, where + " failed", error);
  }
}

/// O_NONBLOCK: a FIFO that somebody put there must not make us wait for its other end.
inline constexpr int open_flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

inline Descriptor open_object(const std::string& object, int flags) {
  const std::string path = '/' + object;
  return Descriptor([&] { return ::shm_open(path.c_str(), flags | open_flags, 0600); });
}

inline Result<void> check_access(const Names& names, const Access& access) {
  if (access.kind() == Access::Kind::sddl) {
    return names.error(Errc::invalid_argument, "Access::sddl is for Win32; use Access::mode on Linux");
  }
  if (access.kind() == Access::Kind::mode && ((access.mode() & ~0777u) != 0 || (access.mode() & 0600u) != 0600u)) {
    return names.error(Errc::invalid_argument,
                       "Access::mode takes permission bits up to 0777 that include the owner's 0600");
  }
  // The system's type is narrower than ours, and its highest value means "keep": what does not fit would be another
  // group.
  const auto gid = static_cast<gid_t>(access.group());
  if (access.group() != Access::keep_group && (gid != access.group() || gid == static_cast<gid_t>(-1))) {
    return names.error(Errc::invalid_argument,
                       "Access::mode takes a group id or Access::keep_group, not " + std::to_string(access.group()));
  }
  return {};
}

/// fchmod rather than the mode of open(), which the umask would cut.
inline Result<void> apply_access(const Names& names, int descriptor, const std::string& object, const Access& access) {
  const unsigned mode = access.kind() == Access::Kind::everyone ? 0666u
                        : access.kind() == Access::Kind::mode   ? access.mode()
                                                                : 0600u;
  if (access.group() != Access::keep_group &&
      ::fchown(descriptor, static_cast<uid_t>(-1), static_cast<gid_t>(access.group())) != 0) {
    return refused(names, "fchown", object, errno);
  }
  if (::fchmod(descriptor, static_cast<mode_t>(mode)) != 0) return refused(names, "fchmod", object, errno);
  return {};
}

/// 0, or errno. No signal interrupts it, except one that cannot be blocked: an interrupted piece starts over.
inline int reserve_piece(int descriptor, std::size_t at, std::size_t length) noexcept {
  sigset_t all, before;
  ::sigfillset(&all);
  const bool is_blocked = ::pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
  const int error = ::posix_fallocate(descriptor, static_cast<off_t>(at), static_cast<off_t>(length));
  if (is_blocked) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

/// Reserves real pages, so that a full tmpfs is an error here and not a SIGBUS later. In pieces, so that signals are
/// handled in between; smaller ones where a storm of signals comes through. What cannot fit is refused before the first
/// piece: others need the room as well.
inline int reserve(int descriptor, std::size_t bytes) noexcept {
  struct statvfs space {};
  const bool is_limited = ::fstatvfs(descriptor, &space) == 0 && space.f_blocks != 0;
  if (is_limited && bytes / space.f_frsize > space.f_bavail) return ENOSPC;
  struct rlimit longest {};
  if (::getrlimit(RLIMIT_FSIZE, &longest) == 0 && longest.rlim_cur != RLIM_INFINITY && bytes > longest.rlim_cur) {
    return EFBIG;  // to try would be SIGXFSZ, which ends the process
  }
  std::size_t piece = std::size_t{4} << 20;
  for (std::size_t at = 0; at < bytes;) {
    const std::size_t length = bytes - at < piece ? bytes - at : piece;
    const int error = reserve_piece(descriptor, at, length);
    if (error == 0) {
      at += length;
    } else if (error != EINTR) {
      return error;
    } else if (piece > std::size_t{4096}) {
      piece /= 2;
    }
  }
  return 0;
}

inline struct flock lock_of(std::uint32_t number) noexcept {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(number);
  range.l_len = 1;
  return range;
}

/// 0, or errno: EAGAIN if another open file description holds the lock.
inline int lock(int descriptor, std::uint32_t number) noexcept {
  struct flock range = lock_of(number);
  return ::fcntl(descriptor, F_OFD_SETLK, &range) == 0 ? 0 : (errno == EACCES ? EAGAIN : errno);
}

/// Whether another open file description holds the lock. Unsure counts as held: the living are not robbed.
inline bool is_locked(int descriptor, std::uint32_t number) noexcept {
  struct flock range = lock_of(number);
  return ::fcntl(descriptor, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

}  // namespace linux_shm

/// Shared memory under a name; the descriptor stays open to carry the leases.
class Mapping {
 public:
  static Result<Mapping> create(const Names& names, const std::string& object, std::uint64_t bytes,
                                const Access& access) {
    if (bytes > static_cast<std::uint64_t>((std::numeric_limits<std::ptrdiff_t>::max)())) {
      return names.error(Errc::out_of_memory, "the slots need " + std::to_string(bytes) +
                                                  " bytes, more than this process can address; use fewer slots");
    }
    Descriptor descriptor = linux_shm::open_object(object, O_RDWR | O_CREAT | O_EXCL);
    if (!descriptor) return linux_shm::refused(names, "shm_open", object, errno);
    SHARED_CHANNEL_TEST_POINT(server_segment_created);
    Result<Mapping> mapping = fill(names, object, std::move(descriptor), static_cast<std::size_t>(bytes), access);
    if (!mapping) remove(object);
    return mapping;
  }

  static Result<Mapping> open(const Names& names, const std::string& object) {
    Descriptor descriptor = linux_shm::open_object(object, O_RDWR);
    if (!descriptor) {
      if (errno == ENOENT) return names.error(Errc::no_server, "the server has just gone");
      return linux_shm::refused(names, "shm_open", object, errno);
    }
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return linux_shm::refused(names, "fstat", object, errno);
    if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
      return names.error(Errc::layout_mismatch, "/dev/shm/" + object + " is not a channel's segment");
    }
    return map(names, object, std::move(descriptor), static_cast<std::size_t>(status.st_size));
  }

  static void remove(const std::string& object) noexcept { ::shm_unlink(('/' + object).c_str()); }

  Mapping(Mapping&& other) noexcept
      : descriptor_(std::move(other.descriptor_)), held_(std::exchange(other.held_, nullptr)), data_(other.data_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (held_ != nullptr) ForkGuard::instance().release(*held_);
  }

  explicit operator bool() const noexcept { return held_ != nullptr; }
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return held_->size; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

 private:
  friend class ServerLease;

  Mapping(Descriptor descriptor, const ForkGuard::Held& held)
      : descriptor_(std::move(descriptor)), held_(&held), data_(static_cast<std::byte*>(held.data)) {}

  /// On failure the descriptor, and the lock that it may carry, stay the caller's until the name is removed.
  static Result<Mapping> fill(const Names& names, const std::string& object, Descriptor&& descriptor, std::size_t bytes,
                              const Access& access) {
    if (const int error = linux_shm::reserve(descriptor.get(), bytes); error != 0) {
      return linux_shm::refused(names, "posix_fallocate", object, error);
    }
    SHARED_CHANNEL_TEST_POINT(server_reserved_memory);
    if (auto applied = linux_shm::apply_access(names, descriptor.get(), object, access); !applied)
      return applied.error();
    return map(names, object, std::move(descriptor), bytes);
  }

  static Result<Mapping> map(const Names& names, const std::string& object, Descriptor&& descriptor,
                             std::size_t bytes) {
    const auto& held = ForkGuard::instance().hold([&](ForkGuard::Held& mapping) {
      mapping.data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.get(), 0);
      mapping.size = bytes;
    });
    if (held.data != MAP_FAILED) return Mapping(std::move(descriptor), held);
    const int error = errno;
    ForkGuard::instance().release(held);
    return linux_shm::refused(names, "mmap", object, error);
  }

  Descriptor descriptor_;
  const ForkGuard::Held* held_;  // null: moved from
  std::byte* data_;
};

/// A lock on the rendezvous file. The kernel drops it with the process; the file of a killed server is
/// taken over as it lies.
class ServerLease {
 public:
  static Result<ServerLease> acquire(const Names& names, const Access& access) {
    if (auto valid = linux_shm::check_access(names, access); !valid) return valid.error();
    // A killed server keeps its lock until the kernel has torn down its memory; nobody else is in the
    // way then, so wait for that. A server that lives is recognised at once.
    Deadline patience(std::chrono::seconds(2));
    for (;;) {
      Result<ServerLease> lease = attempt(names, access);
      if (lease || lease.error().code() != Errc::name_in_use) return lease;
      if (is_served(names) || patience.passed()) return lease;
      rest(std::chrono::milliseconds(1));
    }
  }

  /// The generation that a live server has published under this name.
  static Result<std::uint64_t> current_generation(const Names& names) {
    const Descriptor descriptor = linux_shm::open_object(names.rendezvous(), O_RDONLY);
    if (!descriptor) {
      if (errno == ENOENT) return none(names);
      return linux_shm::refused(names, "shm_open", names.rendezvous(), errno);
    }
    RecordBytes record{};
    if (::pread(descriptor.get(), &record, sizeof record, 0) != static_cast<ssize_t>(sizeof record)) return none(names);
    if (!linux_shm::is_locked(descriptor.get(), lease_number)) return none(names);
    if (record.magic != rendezvous_magic || record.generation == 0) return none(names);
    if (record.version != abi_version) {
      return names.error(Errc::layout_mismatch, "the server speaks protocol version " + std::to_string(record.version) +
                                                    ", this program " + std::to_string(abi_version));
    }
    return record.generation;
  }

  ServerLease(ServerLease&&) noexcept = default;
  ServerLease& operator=(ServerLease&&) = delete;
  ~ServerLease() {
    if (!mapping_) return;
    record().generation.store(0);
    SHARED_CHANNEL_TEST_POINT(server_withdrew_generation);
    // Before the lock goes with the descriptor: a successor must not lose its file. Nor must one that serves because
    // somebody has removed ours, as systemd does at the end of a session (RemoveIPC).
    struct stat status {};
    if (::fstat(mapping_.descriptor(), &status) != 0 || status.st_nlink != 0) Mapping::remove(object_);
  }

  [[nodiscard]] Rendezvous& record() const noexcept { return *reinterpret_cast<Rendezvous*>(mapping_.data()); }

 private:
  /// The record as plain bytes, for looking without mapping.
  struct RecordBytes {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t reserved;
    std::uint64_t generation;
  };
  static constexpr std::uint32_t lease_number = 0;

  ServerLease(Mapping mapping, std::string object) : mapping_(std::move(mapping)), object_(std::move(object)) {}

  static Error none(const Names& names) {
    return names.error(Errc::no_server, "no server is running; start it, or set ClientOptions::wait_for_server");
  }

  static Result<ServerLease> attempt(const Names& names, const Access& access) {
    const std::string object = names.rendezvous();
    for (;;) {
      Descriptor descriptor = linux_shm::open_object(object, O_RDWR | O_CREAT | O_EXCL);
      const bool is_new = static_cast<bool>(descriptor);
      if (!is_new && errno == EEXIST) descriptor = linux_shm::open_object(object, O_RDWR);
      if (!descriptor && errno == ENOENT) continue;  // its owner removed it between the two
      if (!descriptor) return refused_existing(names, object, errno);
      SHARED_CHANNEL_TEST_POINT(server_rendezvous_opened);

      struct stat status {};
      if (::fstat(descriptor.get(), &status) != 0) return linux_shm::refused(names, "fstat", object, errno);
      if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) return squatted(names, object);
      if (const int error = linux_shm::lock(descriptor.get(), lease_number); error != 0) {
        if (error != EAGAIN) return linux_shm::refused(names, "fcntl", object, error);
        return names.error(Errc::name_in_use,
                           "a server is already running under this name; stop it first or choose another name");
      }
      SHARED_CHANNEL_TEST_POINT(server_lease_taken);
      // The lock may be on a file that its last owner has just unlinked: then the name is another file's.
      if (::fstat(descriptor.get(), &status) != 0) return linux_shm::refused(names, "fstat", object, errno);
      if (status.st_nlink == 0) continue;
      auto mapping = Mapping::fill(names, object, std::move(descriptor), rendezvous_bytes, access);
      if (!mapping) {
        if (is_new) Mapping::remove(object);
        return std::move(mapping).error();
      }
      return ServerLease(*std::move(mapping), object);
    }
  }

  static Error squatted(const Names& names, const std::string& object) {
    return names.error(Errc::not_owner,
                       "/dev/shm/" + object + " belongs to another user or is no channel; choose another name");
  }

  static Error refused_existing(const Names& names, const std::string& object, int error) {
    struct stat status {};
    const bool foreign =
        error == EACCES && ::lstat(("/dev/shm/" + object).c_str(), &status) == 0 && status.st_uid != ::geteuid();
    const bool is_directory = error == EINVAL;  // glibc's shm_open says so instead of EISDIR
    return foreign || is_directory ? squatted(names, object) : linux_shm::refused(names, "shm_open", object, error);
  }

  static bool is_served(const Names& names);  // in beacon.hpp, which knows a lit beacon

  Mapping mapping_;
  std::string object_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
