// The lease on a channel's name, and the record under it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include <shared_channel/detail/base/at_end.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/without_memory.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/linux/admission.hpp>
#include <shared_channel/detail/platform/linux/beacon.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/file_identity.hpp>
#include <shared_channel/detail/platform/linux/leftovers.hpp>
#include <shared_channel/detail/platform/linux/memory.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/shm_file.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// A lock on a file that only the server's user can open, and the rendezvous record. The kernel drops the lock with the
/// process. The record is made anew by each server: one that lies there already may have been opened by anybody, with
/// rights that are not ours to take back.
class ServerLease {
 public:
  static Result<ServerLease> acquire(const Names& names, const Admission& admission) {
    if (auto valid = linux_shm::check_access(names, admission); !valid) return valid.error();
    Deadline patience = patience_with_the_killed();
    ServerLease lease(names);  // all that needs memory, before there is a file that would be left
    for (;;) {
      auto lock = take_lock(names, lease.server_lock_);
      if (lock) {
        lease.keep(*std::move(lock));
        return with_record(std::move(lease), admission);
      }
      if (lock.error().code() != Errc::name_in_use || is_served(names) || patience.passed()) {
        return std::move(lock).error();
      }
      rest(std::chrono::milliseconds(1));
    }
  }

  /// The generation that a server has published under this name. If that server was killed, its server page tells.
  static Result<Published> current_generation(const Names& names) {
    Descriptor descriptor = linux_shm::open_object(names.rendezvous(), O_RDONLY);
    for (int look = 1; !descriptor; ++look) {
      const int error = errno;
      if (error == ENOENT || (error == EACCES && is_begun(names))) return not_running(names);
      constexpr int looks = 3;  // it may have been made ready, or replaced, between the two looks
      if (error != EACCES || look == looks) return linux_shm::failed(names, "shm_open", names.rendezvous(), error);
      descriptor = linux_shm::open_object(names.rendezvous(), O_RDONLY);
    }
    RecordBytes record{};
    if (!read(descriptor, record) || record.generation == 0) return not_running(names);
    if (record.version != abi_version)
      return is_left(names, descriptor, record.version) ? not_running(names) : other_version(names, record.version);
    auto owner = linux_shm::owner_of(names, names.rendezvous(), descriptor.get());
    if (!owner) return std::move(owner).error();
    return Published{record.generation, *std::move(owner)};
  }

  /// The generation that a server has at least begun to make. For a record whose published one was damaged.
  static Result<Published> announced_generation(const Names& names) {
    const Descriptor descriptor = linux_shm::open_object(names.rendezvous(), O_RDONLY);
    RecordBytes record{};
    if (!descriptor || !read(descriptor, record) || record.version != abi_version || record.announced == 0)
      return not_running(names);
    auto owner = linux_shm::owner_of(names, names.rendezvous(), descriptor.get());
    if (!owner) return std::move(owner).error();
    return Published{record.announced, *std::move(owner)};
  }

  ServerLease(ServerLease&&) noexcept = default;
  ServerLease& operator=(ServerLease&&) = delete;
  ~ServerLease() {
    if (!mapping_ || !*mapping_) return;
    unpublish();
    SHARED_CHANNEL_TEST_POINT(server_emptied_record);
    // Before the lock goes with the descriptor: a successor must not lose its files. Nor must one that serves because
    // somebody has removed ours, or closed our descriptors and with them the lock.
    if (!holds_name()) return;
    Mapping::remove(rendezvous_);
    Mapping::remove(server_lock_);
  }

  /// No client finds the record's generation any more. Not where a program of our user has cut the record short:
  /// touching it would then end this process.
  void unpublish() const noexcept {
    if (!mapping_ || !*mapping_) return;  // our own keep_record() is interrupted by a signal handler that calls exit()
    struct stat status {};
    const bool is_known = mapping_->look(rendezvous_, status);
    if (!is_known || status.st_size >= static_cast<off_t>(sizeof(Rendezvous))) record().generation.store(0);
  }

  [[nodiscard]] Rendezvous& record() const noexcept { return *reinterpret_cast<Rendezvous*>(mapping_->data()); }

  /// Whether the name is still ours: where the lock's file is gone, it is made anew, unless somebody else has done so.
  /// A record whose file is gone or cut short is made anew, if that can be, and is then empty: `has_record` tells
  /// whether there is one to write to.
  [[nodiscard]] NameState keep_name(const Admission& admission, bool& has_record) noexcept {
    has_record = false;
    const NoCancellation whole;
    const auto keep = [&] {
      const NameState lock = keep_lock();
      // Where the lock is in doubt, the record may be another server's, and is not made anew; nor is it by another
      // user.
      if (lock != NameState::ours && (lock != NameState::unknown || is_maker())) return lock;
      const NameState record = keep_record(admission);
      has_record = record == NameState::ours;
      return has_record ? lock : record;
    };
    return or_without_memory(keep, [] { return NameState::unknown; });  // the next time perhaps
  }

 private:
  /// The record as plain bytes, for looking without mapping.
  struct RecordBytes {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t reserved;
    std::uint64_t generation;
    std::uint64_t announced;
  };
  static_assert(sizeof(RecordBytes) == sizeof(Rendezvous) &&
                offsetof(RecordBytes, generation) == offsetof(Rendezvous, generation) &&
                offsetof(RecordBytes, announced) == offsetof(Rendezvous, announced));
  static constexpr std::uint32_t lease_number = 0;
  /// The first protocol version whose lock has a file of its own.
  static constexpr std::uint32_t first_with_lock = 3;

  /// A killed server keeps its lock until the kernel has torn down its memory. Nobody else is in the way then, so wait
  /// for that. A server that lives is recognised at once, unless it speaks another protocol version.
  static Deadline patience_with_the_killed() noexcept { return Deadline(std::chrono::seconds(2)); }

  explicit ServerLease(const Names& names)
      : names_(names), rendezvous_(names.rendezvous()), server_lock_(names.server_lock()), maker_(::geteuid()) {}

  /// Whether the process is still the user whose the files are.
  [[nodiscard]] bool is_maker() const noexcept { return ::geteuid() == maker_; }

  /// Files of two users are no channel's: what is gone is made anew by the maker or by nobody. A process may be another
  /// user for a while.
  [[nodiscard]] NameState gone_for_other_user() const noexcept {
    uid_t real{}, effective{}, saved{};
    const bool can_return = ::getresuid(&real, &effective, &saved) == 0 && (real == maker_ || saved == maker_);
    return can_return ? NameState::unknown : NameState::unrenewable;
  }

  [[nodiscard]] bool has_lock() const noexcept {
    return lock_.is_ours() && !linux_shm::has_lost_name(lock_, server_lock_);  // else the program has closed it
  }

  void keep(Descriptor lock) noexcept {
    lock_ = std::move(lock);
    locked_ = lock_.file();
  }

  NameState keep_lock() {
    if (has_lock()) return NameState::ours;
    // The program has closed it, and another user may not open the file that still lies there.
    if (!is_maker())
      return linux_shm::has_lost_name(locked_, server_lock_) ? gone_for_other_user() : NameState::unknown;
    lock_ = Descriptor();  // first: the same file under the same number would be taken for it, and closed
    auto lock = take_lock(names_, server_lock_);
    if (lock) {
      keep(*std::move(lock));
      return NameState::ours;
    }
    const Errc refusal = lock.error().code();
    const bool is_lost = refusal == Errc::name_in_use || refusal == Errc::not_owner;
    return is_lost ? NameState::lost : NameState::unknown;  // it may pass
  }

  /// Whether nobody else can have the name: then what lies under it is ours to remove.
  bool holds_name() noexcept {
    const NoCancellation whole;
    return or_without_memory(
        [&] { return keep_lock() == NameState::ours && linux_shm::is_named(lock_.get(), server_lock_); },
        [] { return false; });
  }

  NameState keep_record(const Admission& admission) {
    struct stat status {};
    if (!mapping_->is_lost(rendezvous_)) {
      if (!mapping_->look(rendezvous_, status)) return NameState::unknown;
      if (status.st_size >= static_cast<off_t>(rendezvous_bytes)) return NameState::ours;
    }
    if (!is_maker()) return gone_for_other_user();
    Mapping::remove(rendezvous_);
    auto made = create_record(names_, rendezvous_, admission);
    if (!made) return NameState::unknown;
    mapping_.reset();
    mapping_.emplace(*std::move(made));
    return NameState::ours;
  }

  /// Servers before protocol version 3 look for the lock on the record, so we take it too. A client that reads the
  /// record may prevent that; nothing else depends on it.
  static Result<Mapping> create_record(const Names& names, const std::string& object, const Admission& admission) {
    auto mapping = Mapping::create(names, object, rendezvous_bytes, admission, ForClients::read);
    if (mapping) static_cast<void>(linux_shm::lock(mapping->descriptor(), lease_number));
    return mapping;
  }

  static bool read_at(const Descriptor& descriptor, std::size_t offset, void* to, std::size_t bytes) noexcept {
    const NoCancellation whole;
    return ::pread(descriptor.get(), to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
  }

  static bool read(const Descriptor& descriptor, RecordBytes& record) noexcept {
    return read_at(descriptor, 0, &record, sizeof record) && record.magic == rendezvous_magic;
  }

  /// Whether the record is still empty, and admits nobody yet. A server that was killed then leaves it so.
  static bool is_begun(const Names& names) {
    struct stat status {};
    return linux_shm::look_up(names.rendezvous(), status) == 0 && status.st_size == 0;
  }

  /// True if the record's server is gone: nobody holds the name's lock, as far as this user may ask. The page of
  /// another protocol version tells us nothing.
  static bool is_left(const Names& names, const Descriptor& record, std::uint32_t version) {
    if (linux_shm::is_locked_by_writer(record.get(), lease_number)) return false;
    if (version < first_with_lock) return true;
    const Descriptor lock = linux_shm::open_object(names.server_lock(), O_RDONLY);
    return lock && !linux_shm::is_locked(lock.get(), lease_number);
  }

  /// Whether the record's server is alive, as far as its page tells.
  static bool is_served(const Names& names) {
    const Descriptor rendezvous = linux_shm::open_object(names.rendezvous(), O_RDONLY);
    RecordBytes record{};
    if (!rendezvous || !read_at(rendezvous, 0, &record, sizeof record)) return false;
    const Descriptor page = linux_shm::open_object(names.server_page(record.generation), O_RDONLY);
    std::uint32_t alive = 0;
    if (!page || !read_at(page, offsetof(ServerPage, alive), &alive, sizeof alive)) return false;
    return linux_beacon::is_lit(alive);
  }

  static Result<Descriptor> take_lock(const Names& names, const std::string& object) {
    for (int tries = 0; tries < 1000; ++tries) {  // again after each owner that removed the file meanwhile
      Descriptor lock = linux_shm::open_object(object, O_RDWR | O_CREAT | O_EXCL);
      const int error = errno;
      bool is_in_vain = lock.was_opened();  // made by us, and to go again unless it gets a lock, even another's
      const AtEnd removed([&]() noexcept {
        if (is_in_vain) Mapping::remove(object);
      });
      if (is_in_vain && !lock) return linux_shm::failed(names, "shm_open", object, error);
      if (is_in_vain && ::fchmod(lock.get(), 0600) != 0) return linux_shm::failed(names, "fchmod", object, errno);
      if (!lock && error == EEXIST) {
        lock = linux_shm::open_object(object, O_RDWR);
        if (!lock && errno == ENOENT) continue;  // its owner removed it between the two
      }
      if (!lock) return refused_existing(names, object, errno);
      struct stat status {};
      if (::fstat(lock.get(), &status) != 0) return linux_shm::failed(names, "fstat", object, errno);
      if (!linux_shm::is_own_file(status)) return squatted(names, object);
      const int refusal = linux_shm::lock(lock.get(), lease_number);
      if (refusal != 0 && refusal != EAGAIN) return linux_shm::failed(names, "fcntl", object, refusal);
      is_in_vain = false;
      if (refusal == EAGAIN) return already_running(names);
      SHARED_CHANNEL_TEST_POINT(server_lease_taken);
      // The lock may be on a file that its last owner has just unlinked: then the name is another file's.
      if (::fstat(lock.get(), &status) != 0) return linux_shm::failed(names, "fstat", object, errno);
      if (status.st_nlink != 0) return lock;
    }
    return already_running(names);
  }

  /// On failure the file of the lock is removed too.
  static Result<ServerLease> with_record(ServerLease lease, const Admission& admission) {
    bool is_in_vain = true;
    const AtEnd removed([&]() noexcept {
      if (is_in_vain) Mapping::remove(lease.server_lock_);
    });
    auto mapping = make_record(lease.names_, admission);
    if (!mapping) return std::move(mapping).error();
    is_in_vain = false;
    lease.mapping_.emplace(*std::move(mapping));
    return lease;
  }

  static Result<Mapping> make_record(const Names& names, const Admission& admission) {
    const std::string object = names.rendezvous();
    RecordBytes previous{};
    if (const Descriptor old = linux_shm::open_object(object, O_RDONLY)) {
      struct stat status {};
      if (::fstat(old.get(), &status) != 0) return linux_shm::failed(names, "fstat", object, errno);
      if (!linux_shm::is_own_file(status)) return squatted(names, object);
      if (!read(old, previous)) previous = {};
      Deadline patience = patience_with_the_killed();
      while (previous.version != abi_version && linux_shm::is_locked_by_writer(old.get(), lease_number)) {
        if (patience.passed()) return already_running(names);
        rest(std::chrono::milliseconds(1));
      }
    } else if (errno != ENOENT) {
      return refused_existing(names, object, errno);
    }
    SHARED_CHANNEL_TEST_POINT(server_rendezvous_opened);
    if (previous.generation == 0 && previous.announced == 0) linux_shm::remove_leftovers(names);
    return replace_record(names, admission, object, previous);
  }

  /// The old record goes after what it names: a server that is killed in between leaves nothing that nobody knows of.
  static Result<Mapping> replace_record(const Names& names, const Admission& admission, const std::string& object,
                                        const RecordBytes& previous) {
    for (const std::uint64_t number : {previous.generation, previous.announced}) {
      if (number == 0) continue;
      Mapping::remove(names.server_page(number));
      Mapping::remove(names.segment(number));
    }
    SHARED_CHANNEL_TEST_POINT(server_removed_leftovers);
    if (const int error = linux_shm::unlink(object); error != 0 && error != ENOENT)
      return linux_shm::failed(names, "shm_unlink", object, error);
    auto mapping = create_record(names, object, admission);
    if (!mapping && mapping.error().native() == EEXIST) return squatted(names, object);
    return mapping;
  }

  static Error squatted(const Names& names, const std::string& object) {
    return names.error(Errc::not_owner,
                       "/dev/shm/" + object +
                           " belongs to another user or is no channel; choose another name, or remove it if a server "
                           "left it that changed its user after it was made");
  }

  static Error refused_existing(const Names& names, const std::string& object, int error) {
    struct stat status {};
    const bool exists = linux_shm::look_up(object, status) == 0;
    const bool foreign = error == EACCES && exists && status.st_uid != ::geteuid();
    const bool is_directory = error == EINVAL || error == EISDIR;  // glibc's shm_open says EINVAL
    if (foreign || is_directory) return squatted(names, object);
    return exists ? linux_shm::failed(names, "shm_open", object, error) : linux_shm::not_made(names, object, error);
  }

  Names names_;
  std::string rendezvous_, server_lock_;  // names of the two files
  uid_t maker_;
  Descriptor lock_;
  FileIdentity locked_;  // lock_'s, even after the program has closed it
  std::optional<Mapping> mapping_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
