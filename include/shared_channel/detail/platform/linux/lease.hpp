// A client's lease: a lock on the byte of its number in the segment file. The kernel drops an
// open-file-description lock when the last thread of the process has left user space for good,
// which a robust futex or a thread's end would not promise.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>

#include <shared_channel/detail/platform/linux/memory.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

class ClientLease {
 public:
  /// Numbers run from 1; they must fit the file offset of a 32-bit process.
  static constexpr std::uint32_t last = 0x7FFF'FFFF;

  static Result<ClientLease> take(const Names& names, std::uint64_t generation, const Mapping& segment,
                                  std::uint32_t number) {
    const int error = linux_shm::lock(segment.descriptor(), number);
    if (error == EAGAIN) return names.error(Errc::busy, "the lease is held");
    if (error != 0) return linux_shm::failed(names, "fcntl", names.segment(generation), error);
    return ClientLease(segment.descriptor());
  }

  /// A view of the others' leases, for somebody who takes none.
  static ClientLease view(const Names&, std::uint64_t, const Mapping& segment) {
    return ClientLease(segment.descriptor());
  }

  /// Whether client `number`, another than the caller, is still there. Unsure counts as held: the living are not
  /// robbed. A file that has come under our descriptor's number knows of no lease, and another client's description of
  /// this one hides that client's: the program that closed our descriptor finds nobody dead. Asked in this order: what
  /// is ours afterwards was ours when it told of the lock.
  [[nodiscard]] bool is_held(std::uint32_t number) const noexcept {
    return number <= last && (linux_shm::is_locked(segment_, number) || !can_tell());
  }

  /// Not once the program has closed our descriptor.
  [[nodiscard]] bool can_tell() const noexcept { return file_.is_still(segment_); }

 private:
  explicit ClientLease(int segment) : segment_(segment), file_(FileIdentity::of(segment)) {}

  int segment_;  // the mapping's, which holds the lock and releases it when it goes
  FileIdentity file_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
