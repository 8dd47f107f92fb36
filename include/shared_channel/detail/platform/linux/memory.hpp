// Named shared memory.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/integer_cast.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/linux/admission.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/fork_guard.hpp>
#include <shared_channel/detail/platform/linux/shm_file.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Shared memory under a name; the descriptor stays open to carry the leases.
class Mapping {
 public:
  static Result<Mapping> create(const Names& names, const std::string& object, std::uint64_t bytes,
                                const Admission& admission, ForClients clients = ForClients::write) {
    if (bytes > static_cast<std::uint64_t>((std::numeric_limits<std::ptrdiff_t>::max)()))
      return too_large(names, bytes);
    Descriptor descriptor = linux_shm::open_object(object, O_RDWR | O_CREAT | O_EXCL);
    const int error = errno;
    bool is_in_vain = descriptor.was_opened();  // until all is done, which an error or an exception may end
    const AtEnd removed([&]() noexcept {
      if (is_in_vain) remove(object);
    });
    if (!descriptor) return linux_shm::not_made(names, object, error);
    SHARED_CHANNEL_TEST_POINT(server_segment_created);
    Result<Mapping> mapping =
        fill(names, object, std::move(descriptor), integer_cast<std::size_t>(bytes), admission, clients);
    is_in_vain = !mapping;
    return mapping;
  }

  static Result<Mapping> open(const Names& names, const std::string& object, ForClients clients = ForClients::write) {
    const bool writes = clients == ForClients::write;
    Descriptor descriptor = linux_shm::open_object(object, writes ? O_RDWR : O_RDONLY);
    if (!descriptor) {
      if (errno == ENOENT) return just_gone(names);
      return linux_shm::failed(names, "shm_open", object, errno);
    }
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return linux_shm::failed(names, "fstat", object, errno);
    if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
      return no_segment(names, "/dev/shm/" + object);
    }
    return map(names, object, std::move(descriptor), static_cast<std::size_t>(status.st_size),
               writes ? PROT_READ | PROT_WRITE : PROT_READ);
  }

  /// Whose the object is, in decimal.
  [[nodiscard]] Result<std::string> owner(const Names& names, const std::string& object) const {
    return linux_shm::owner_of(names, object, descriptor_.get());
  }

  static void remove(const std::string& object) noexcept { static_cast<void>(linux_shm::unlink(object)); }

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
  /// Whether descriptor() is still the object's.
  [[nodiscard]] bool has_file() const noexcept { return descriptor_.is_ours(); }
  /// Whether nobody who looks for the object finds it any more.
  [[nodiscard]] bool is_lost(const std::string& object) const noexcept {
    return linux_shm::has_lost_name(descriptor_, object);
  }
  /// The status of the object's file. False: the program has closed the descriptor, and the name does not lead to it.
  [[nodiscard]] bool look(const std::string& object, struct stat& status) const noexcept {
    if (has_file()) return ::fstat(descriptor(), &status) == 0;
    return linux_shm::look_up(object, status) == 0 && descriptor_.file().is_file_of(status);
  }

 private:
  Mapping(Descriptor descriptor, const ForkGuard::Held& held)
      : descriptor_(std::move(descriptor)), held_(&held), data_(static_cast<std::byte*>(held.data)) {}

  /// On failure the descriptor, and the lock that it may carry, stay the caller's until the name is removed.
  static Result<Mapping> fill(const Names& names, const std::string& object, Descriptor&& descriptor, std::size_t bytes,
                              const Admission& admission, ForClients clients) {
    // First, since reserving takes long: clients of other users are to find an object that is not ready, not one that
    // refuses them.
    if (auto applied = linux_shm::apply_access(names, descriptor.get(), object, admission, clients); !applied) {
      return applied.error();
    }
    if (const int error = linux_shm::reserve(descriptor.get(), bytes); error != 0) {
      return linux_shm::failed(names, "posix_fallocate", object, error);
    }
    SHARED_CHANNEL_TEST_POINT(server_reserved_memory);
    return map(names, object, std::move(descriptor), bytes, PROT_READ | PROT_WRITE);
  }

  static Result<Mapping> map(const Names& names, const std::string& object, Descriptor&& descriptor, std::size_t bytes,
                             int protection) {
    const auto& held = ForkGuard::instance().hold([&](ForkGuard::Held& mapping) {
      mapping.data = ::mmap(nullptr, bytes, protection, MAP_SHARED, descriptor.get(), 0);
      mapping.size = bytes;
    });
    if (held.data != MAP_FAILED) return Mapping(std::move(descriptor), held);
    const int error = errno;
    ForkGuard::instance().release(held);
    return linux_shm::failed(names, "mmap", object, error);
  }

  Descriptor descriptor_;
  const ForkGuard::Held* held_;  // null: moved from
  std::byte* data_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
