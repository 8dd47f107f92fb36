// Files in /dev/shm: opened by name, reserved, told apart, locked.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/file_identity.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/detail/platform/linux/user_namespace.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace linux_shm {

inline Error failed(const Names& names, const char* call, const std::string& object, int error) {
  const std::string where = std::string(call) + " of /dev/shm/" + object;
  switch (error) {
    case EACCES:
    case EPERM:
      return names.error(Errc::access_denied,
                         where + " was refused; the server's Access decides who may use the channel", error);
    case ENOSPC:
    case ENOMEM:
    case EDQUOT:
      return no_room(names, where, "shared memory", error);
    case EFBIG:
      return names.error(Errc::out_of_memory,
                         where +
                             " would pass RLIMIT_FSIZE, the longest file that this process may make; raise it, "
                             "lower ServerOptions::max_calls, or use smaller messages",
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

/// How a server's failure to make an object reads.
inline Error not_made(const Names& names, const std::string& object, int error) {
  if (error == EEXIST) {
    return names.error(Errc::not_owner,
                       "/dev/shm/" + object +
                           " was made by somebody else just before; is this a program that wants to "
                           "keep the server from its name?",
                       error);
  }
  if (error != EACCES && error != EPERM) return failed(names, "shm_open", object, error);
  return names.error(
      Errc::access_denied,
      "shm_open of /dev/shm/" + object + " was refused: this user may not make files in /dev/shm; check its mode",
      error);
}

/// O_NONBLOCK: a FIFO that somebody put there must not make us wait for its other end.
inline constexpr int open_flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

inline Descriptor open_object(const std::string& object, int flags) {
  const std::string path = '/' + object;
  return Descriptor([&] { return ::shm_open(path.c_str(), flags | open_flags, 0600); });
}

/// Whose an opened object is. With a second link it may be anybody's file of that user's, put under our name.
inline Result<std::string> owner_of(const Names& names, const std::string& object, int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return failed(names, "fstat", object, errno);
  if (status.st_nlink == 0) return just_gone(names);
  if (status.st_nlink > 1) {
    return names.error(Errc::not_owner, "/dev/shm/" + object +
                                            " is a second link to another file, which no server makes; remove it or "
                                            "choose another name");
  }
  if (linux_user::may_be_anybody(status.st_uid)) return std::string();
  return std::to_string(status.st_uid);
}

/// Whether a file is ours alone. A second link to it would be a way to have us change somebody's file elsewhere.
inline bool is_own_file(const struct stat& status) noexcept {
  return S_ISREG(status.st_mode) && status.st_uid == ::geteuid() && status.st_nlink <= 1;
}

/// Has `use` use the path of an object, and answer with 0 or errno. Without an allocation: the end must not fail for
/// want of memory, nor upkeep.
template <class Use>
int with_path(const char* folder, const std::string& object, Use&& use) noexcept {
  char path[NAME_MAX + sizeof "/dev/shm/"];
  const int length = std::snprintf(path, sizeof path, "%s%s", folder, object.c_str());
  if (length < 0 || static_cast<std::size_t>(length) >= sizeof path) return ENAMETOOLONG;
  return use(path) == 0 ? 0 : errno;
}

/// What an object's name leads to. 0, or errno.
inline int look_up(const std::string& object, struct stat& named) noexcept {
  return with_path("/dev/shm/", object, [&named](const char* path) { return ::lstat(path, &named); });
}

/// 0, or errno.
inline int unlink(const std::string& object) noexcept {
  return with_path("/", object, [](const char* path) { return ::shm_unlink(path); });
}

/// Whether a file of ours is no longer what its name leads to: removed, as by systemd at the end of a session
/// (RemoveIPC), or renamed. Where this process sees another /dev/shm than the file's (chroot, a mount namespace), or
/// the system does not tell, nothing is known, and nothing was lost.
inline bool has_lost_name(const FileIdentity& ours, const std::string& object) noexcept {
  struct stat named {};
  const int error = look_up(object, named);
  if (error == 0) return ours.is_on(named.st_dev) && !ours.is_file_of(named);
  return error == ENOENT && ::stat("/dev/shm", &named) == 0 && ours.is_on(named.st_dev);
}
/// The same of one that is open, which tells also where its name is not seen.
inline bool has_lost_name(const Descriptor& ours, const std::string& object) noexcept {
  struct stat status {};
  const bool is_nameless = ours.is_ours() && ::fstat(ours.get(), &status) == 0 && status.st_nlink == 0;
  return is_nameless || has_lost_name(ours.file(), object);
}

/// Whether a file of ours is what its name leads to, for certain: to be asked before what has the name is removed.
inline bool is_named(int descriptor, const std::string& object) noexcept {
  struct stat ours {
  }, named{};
  return ::fstat(descriptor, &ours) == 0 && look_up(object, named) == 0 && named.st_dev == ours.st_dev &&
         named.st_ino == ours.st_ino;
}

/// 0, or errno. No signal interrupts it, except one that cannot be blocked: an interrupted piece starts over.
inline int reserve_piece(int descriptor, std::size_t at, std::size_t length) noexcept {
  const NoSignals uninterrupted;
  return ::posix_fallocate(descriptor, static_cast<off_t>(at), static_cast<off_t>(length));
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
  int patience = 1000;  // with the smallest pieces: a sandbox may interrupt all of them
  for (std::size_t at = 0; at < bytes;) {
    const std::size_t length = bytes - at < piece ? bytes - at : piece;
    const int error = reserve_piece(descriptor, at, length);
    if (error == 0) {
      at += length;
    } else if (error != EINTR) {
      return error;
    } else if (piece > std::size_t{4096}) {
      piece /= 2;
    } else if (--patience == 0) {
      return error;
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

/// The same for a file that others may read and not write: their locks can only be read locks, and do not count.
inline bool is_locked_by_writer(int descriptor, std::uint32_t number) noexcept {
  struct flock range = lock_of(number);
  range.l_type = F_RDLCK;
  return ::fcntl(descriptor, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

}  // namespace linux_shm

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
