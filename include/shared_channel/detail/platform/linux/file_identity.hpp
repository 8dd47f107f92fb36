// Whether a descriptor is still what was opened.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Which open file description a descriptor stood for when it was opened. A program may close descriptors that are not
/// its own, and what is opened next gets their numbers: another file, or the same file once more, for a second client
/// of the channel in the same process. The kernel tells the holder of a lock that nobody holds it. So a client that
/// asked through the second one's description would find the second one dead.
///
/// The file is told by its inode, and the description by its position, which nobody needs otherwise:
///
/// - mark() alone sets it, once, before any other thread knows the descriptor. Nothing of ours moves it: we map,
///   reserve and pread(2), and the bytes that we lock are counted from the file's start.
/// - Two that are kept at once differ. The position is the address of what holds the descriptor, whichever module it is
///   of, counted in objects of that size so that it fits the off_t of a 32-bit process. The holder lives on after the
///   program has closed its descriptor, so nothing else comes to lie there. What the program opens stands elsewhere: at
///   0, or where it has read to.
/// - A fork()ed child shares the descriptions, their positions included, and so knows which numbers to close. A child
///   made without fork()'s handlers (clone(2)) does not move the shared positions either.
/// - What stands in another process at the same position harms nobody: each looks only under its own numbers.
///
/// Where the system does not tell a position, and for what has none (a socket, whose inode is no other's), the inode
/// decides.
class FileIdentity {
 public:
  FileIdentity() = default;
  /// Keeps errno.
  static FileIdentity of(int descriptor) noexcept {
    return look(descriptor, [descriptor] { return ::lseek(descriptor, 0, SEEK_CUR); });
  }
  /// Gives a file that was just opened the position of its holder. Keeps errno.
  template <class Holder>
  static FileIdentity mark(int descriptor, const Holder& holder) noexcept {
    const auto position = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(&holder) / sizeof(Holder));
    return look(descriptor, [descriptor, position] { return ::lseek(descriptor, position, SEEK_SET); });
  }

  /// Whether a status is this file's, and whether the file lies on a device. False where nothing is known.
  [[nodiscard]] bool is_file_of(const struct stat& status) const noexcept {
    return is_on(status.st_dev) && status.st_ino == file_;
  }
  [[nodiscard]] bool is_on(dev_t device) const noexcept { return is_known_ && device == device_; }

  /// Where the system does not tell, nothing is known, and no file counts as the same.
  [[nodiscard]] bool is_known() const noexcept { return is_known_; }
  [[nodiscard]] bool is_still(int descriptor) const noexcept {
    const FileIdentity now = of(descriptor);
    if (is_known_ && !now.is_known_) return stands_at_position(descriptor);
    return is_known_ && now.device_ == device_ && now.file_ == file_ &&
           (now.position_ == position_ || now.position_ == unknown || position_ == unknown);
  }

 private:
  static constexpr off_t unknown = -1;

  /// All that can be asked where a sandbox, which came after we opened the file, refuses fstat(). Keeps errno.
  [[nodiscard]] bool stands_at_position(int descriptor) const noexcept {
    const int error = errno;
    const bool stands = position_ != unknown && ::lseek(descriptor, 0, SEEK_CUR) == position_;
    errno = error;
    return stands;
  }

  template <class Seek>
  static FileIdentity look(int descriptor, Seek&& seek) noexcept {
    const int error = errno;
    FileIdentity identity;
    struct stat status {};
    if (descriptor >= 0 && ::fstat(descriptor, &status) == 0) {
      identity.device_ = status.st_dev;
      identity.file_ = status.st_ino;
      identity.position_ = S_ISREG(status.st_mode) ? seek() : unknown;
      identity.is_known_ = true;
    }
    errno = error;
    return identity;
  }

  dev_t device_ = 0;
  ino_t file_ = 0;
  off_t position_ = unknown;
  bool is_known_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
