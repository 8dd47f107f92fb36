// Who may open the files of a channel.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/linux/shm_file.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// The system needs nothing else.
using Admission = Access;

namespace linux_shm {

inline Result<void> check_access(const Names& names, const Admission& admission) {
  if (admission.kind() == Access::Kind::sddl) {
    return names.error(Errc::invalid_argument, "Access::sddl is for Win32; use Access::mode on Linux");
  }
  if (admission.kind() == Access::Kind::mode &&
      ((admission.mode() & ~0777u) != 0 || (admission.mode() & 0600u) != 0600u)) {
    return names.error(Errc::invalid_argument,
                       "Access::mode takes permission bits up to 0777 that include the owner's 0600");
  }
  // The system's type is narrower than ours, and its highest value means "keep": what does not fit would be another
  // group.
  const auto gid = static_cast<gid_t>(admission.group());
  if (admission.group() != Access::keep_group && (gid != admission.group() || gid == static_cast<gid_t>(-1))) {
    return names.error(Errc::invalid_argument,
                       "Access::mode takes a group id or Access::keep_group, not " + std::to_string(admission.group()));
  }
  return {};
}

/// Permission bits of an object. A user who may not both read and write the channel cannot call, and gets no access to
/// what callers write: a reader's lock there would look like a client's lease.
inline unsigned mode_of(const Admission& admission, ForClients clients) noexcept {
  const unsigned mode = admission.kind() == Access::Kind::everyone ? 0666u
                        : admission.kind() == Access::Kind::mode   ? admission.mode()
                                                                   : 0600u;
  if (clients == ForClients::read) return mode & ~0022u;
  const unsigned group = (mode & 0060u) == 0060u ? 0070u : 0u;
  const unsigned others = (mode & 0006u) == 0006u ? 0007u : 0u;
  return mode & (0700u | group | others);
}

/// fchmod rather than the mode of open(), which the umask would cut.
inline Result<void> apply_access(const Names& names, int descriptor, const std::string& object,
                                 const Admission& admission, ForClients clients) {
  if (admission.group() != Access::keep_group &&
      ::fchown(descriptor, static_cast<uid_t>(-1), static_cast<gid_t>(admission.group())) != 0) {
    return failed(names, "fchown", object, errno);
  }
  if (::fchmod(descriptor, mode_of(admission, clients)) != 0) {
    return failed(names, "fchmod", object, errno);
  }
  return {};
}

}  // namespace linux_shm

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
