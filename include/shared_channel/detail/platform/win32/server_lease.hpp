// The lease on a channel's name, and the record under it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/win32/memory.hpp>
#include <shared_channel/detail/platform/win32/mutex_keeper.hpp>
#include <shared_channel/detail/platform/win32/object.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// A mutex that only the server's user can open, held by a thread of ours, and the rendezvous record. The system gives
/// the mutex up with the process. The record outlives a server while any client has it open: it is then taken over as
/// it lies.
class ServerLease {
 public:
  static Result<ServerLease> acquire(const Names& names, const Admission& admission) {
    auto security = admission.to(names, win32::use_of(ForClients::read));
    if (!security) return std::move(security).error();
    auto keeper = take_name(names);
    if (!keeper) return std::move(keeper).error();
    SHARED_CHANNEL_TEST_POINT(server_lease_taken);
    auto mapping = take_record(names, **security);
    if (!mapping) return std::move(mapping).error();
    SHARED_CHANNEL_TEST_POINT(server_removed_leftovers);  // by itself: the system removes what nobody has open
    return ServerLease(*std::move(mapping), *std::move(keeper));
  }

  /// The generation that a server has published under this name. If that server was killed and another client has the
  /// record open, it is still there: then the segment is gone, or Watch::open() finds nobody. To ask for the
  /// mutex instead would be to take it, under the eyes of a server that is just starting.
  static Result<Published> current_generation(const Names& names) {
    auto mapping = Mapping::open(names, names.rendezvous(), ForClients::read);
    if (!mapping && mapping.error().code() != Errc::no_server) return std::move(mapping).error();
    if (!mapping) return none(names);
    const Rendezvous& record = *reinterpret_cast<const Rendezvous*>(mapping->data());
    const std::uint64_t generation = load(record.generation);
    const std::uint32_t version = record.version;
    if (record.magic != rendezvous_magic || generation == 0) return none(names);
    if (version != abi_version) return other_version(names, version);
    auto owner = mapping->owner(names, names.rendezvous());
    if (!owner) return std::move(owner).error();
    return Published{generation, *std::move(owner)};
  }

  /// The generation that a server has at least begun to make. For a record whose published one was damaged.
  static Result<Published> announced_generation(const Names& names) {
    auto mapping = Mapping::open(names, names.rendezvous(), ForClients::read);
    if (!mapping) return std::move(mapping).error();
    const Rendezvous& record = *reinterpret_cast<const Rendezvous*>(mapping->data());
    const std::uint64_t announced = load(record.announced);
    if (record.magic != rendezvous_magic || record.version != abi_version || announced == 0) return none(names);
    auto owner = mapping->owner(names, names.rendezvous());
    if (!owner) return std::move(owner).error();
    return Published{announced, *std::move(owner)};
  }

  ServerLease(ServerLease&&) noexcept = default;
  ServerLease& operator=(ServerLease&&) = delete;
  ~ServerLease() {
    if (mapping_.data() == nullptr) return;
    unpublish();
    SHARED_CHANNEL_TEST_POINT(server_emptied_record);
  }

  /// No client finds the record's generation any more. Not where the name is lost: then it may be another server's.
  void unpublish() const noexcept {
    if (has_name() || is_shutting_down()) record().generation.store(0);
  }

  /// Whether the name is still ours: the system takes no name from an object that is open, but the program may have
  /// ended the thread that has the mutex. Then the record may be another server's.
  [[nodiscard]] NameState keep_name(const Admission&, bool& has_record) const noexcept {
    has_record = has_name();
    return has_record ? NameState::ours : NameState::lost;
  }

  [[nodiscard]] Rendezvous& record() const noexcept { return *reinterpret_cast<Rendezvous*>(mapping_.data()); }

 private:
  [[nodiscard]] bool has_name() const noexcept { return keeper_->keeps(); }

  /// A process that is being ended keeps its mutex for a moment; nobody else is in the way then.
  static constexpr DWORD patience_ms = 250;

  ServerLease(Mapping mapping, UniquePtr<win32::MutexKeeper> keeper) noexcept
      : keeper_(std::move(keeper)), mapping_(std::move(mapping)) {}

  /// By halves, since 32-bit processors load 64 bits at once by an instruction that also stores, and this memory is
  /// read-only. A number of two halves that do not belong together names no segment, and the client asks again.
  static std::uint64_t load(const LongWord& number) noexcept {
    const Word* const halves = reinterpret_cast<const Word*>(&number);
    const std::uint64_t low = halves[0].load(std::memory_order_acquire);
    return low | std::uint64_t{halves[1].load(std::memory_order_acquire)} << 32;
  }

  static Error none(const Names& names) {
    if (win32::is_in_other_namespace(names, names.rendezvous())) {
      return names.error(Errc::no_server,
                         names.scope() == Scope::session
                             ? "no server is running in this session, but one is for the machine or in the services' "
                               "session; set ClientOptions::scope to Scope::machine"
                             : "no server is running for the machine, but one is in this session; set "
                               "ServerOptions::scope to Scope::machine, or ClientOptions::scope to Scope::session");
    }
    return not_running(names);
  }

  static Result<UniquePtr<win32::MutexKeeper>> take_name(const Names& names) {
    auto security = win32::SecurityAttributes::for_us(names);
    if (!security) return std::move(security).error();
    const win32::ObjectName name(names, names.server_lock());
    const win32::AsProcess own;
    Handle mutex(::CreateMutexW(security->get(), FALSE, name.c_str()));
    const DWORD error = ::GetLastError();
    if (!mutex && error == ERROR_ACCESS_DENIED && is_foreign(Handle(::OpenMutexW(READ_CONTROL, FALSE, name.c_str())))) {
      return squatted(names, name);
    }
    if (!mutex) return win32::not_made(names, "CreateMutex", name, error);
    if (error == ERROR_ALREADY_EXISTS && !win32::is_ours(mutex.get())) return squatted(names, name);
    auto keeper = UniquePtr<win32::MutexKeeper>(new win32::MutexKeeper(std::move(mutex), name.c_str()));
    const DWORD failure = keeper->take(patience_ms);
    if (failure == WAIT_TIMEOUT) return already_running(names);
    if (failure != 0) {
      return names.error(Errc::system_error, "the thread that holds the channel's name could not start",
                         static_cast<int>(failure));
    }
    return keeper;
  }

  static Result<Mapping> take_record(const Names& names, win32::SecurityAttributes& security) {
    const win32::ObjectName name(names, names.rendezvous());
    const win32::AsProcess own;
    Handle section = win32::create_section(name, rendezvous_bytes, security.get());
    const DWORD error = ::GetLastError();
    if (!section && error == ERROR_ACCESS_DENIED &&
        is_foreign(Handle(::OpenFileMappingW(READ_CONTROL, FALSE, name.c_str())))) {
      return squatted(names, name);
    }
    if (!section) return Mapping::not_created(names, name, error);
    SHARED_CHANNEL_TEST_POINT(server_rendezvous_opened);
    if (error == ERROR_ALREADY_EXISTS) {
      if (!win32::is_ours(section.get())) return squatted(names, name);
      // The record of a predecessor, which may have let in users whom we must not.
      if (::SetKernelObjectSecurity(section.get(), DACL_SECURITY_INFORMATION, security.descriptor()) == 0) {
        return win32::failed(names, "SetKernelObjectSecurity", name, ::GetLastError());
      }
    }
    auto mapping = Mapping::map(names, name, std::move(section), ForClients::write);
    if (mapping && mapping->size() < rendezvous_bytes) return squatted(names, name);
    return mapping;
  }

  static Error squatted(const Names& names, const win32::ObjectName& name) {
    return names.error(Errc::not_owner,
                       name.shown() + " belongs to another user or is no channel; choose another name");
  }

  /// Whether an object that refuses us is another user's: an owner may always look at an object, even against its DACL.
  /// `looked` is an attempt to do so, which has just been made.
  static bool is_foreign(const Handle& looked) noexcept {
    return looked ? !win32::is_ours(looked.get()) : ::GetLastError() == ERROR_ACCESS_DENIED;
  }

  UniquePtr<win32::MutexKeeper> keeper_;
  Mapping mapping_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
