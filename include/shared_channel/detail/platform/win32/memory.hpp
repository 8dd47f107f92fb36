// Named shared memory, and the lease on a channel's name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/win32/object.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace win32 {

/// A new or, unless somebody has it, existing section of the system's paging file, committed as a whole: memory that
/// runs out does so here and not at a later touch. Null: GetLastError() tells why.
inline Handle create_section(const ObjectName& object, std::uint64_t bytes, SECURITY_ATTRIBUTES* security) noexcept {
  return Handle(::CreateFileMappingW(INVALID_HANDLE_VALUE, security, PAGE_READWRITE, static_cast<DWORD>(bytes >> 32),
                                     static_cast<DWORD>(bytes & 0xFFFF'FFFF), object.c_str()));
}

/// Owns a mutex on a thread of our own. A mutex belongs to the thread that waited for it, and the user's thread that
/// made the server may end before the server does.
class MutexKeeper {
 public:
  explicit MutexKeeper(Handle mutex) noexcept : mutex_(std::move(mutex)) {}
  MutexKeeper(const MutexKeeper&) = delete;
  MutexKeeper& operator=(const MutexKeeper&) = delete;
  ~MutexKeeper() {
    if (!thread_) return;
    ::SetEvent(leave_.get());
    ::WaitForSingleObject(thread_.get(), INFINITE);
  }

  /// Takes the mutex. 0, WAIT_TIMEOUT if another still had it after `patience`, or GetLastError(). Once only.
  DWORD take(DWORD patience) noexcept {
    patience_ = patience;
    tried_ = Handle(::CreateEventW(nullptr, FALSE, FALSE, nullptr));
    leave_ = Handle(::CreateEventW(nullptr, FALSE, FALSE, nullptr));
    if (!tried_ || !leave_) return ::GetLastError();
    constexpr DWORD stack = 64 * 1024;
    thread_ =
        Handle(::CreateThread(nullptr, stack, &MutexKeeper::run, this, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr));
    if (!thread_) return ::GetLastError();
    ::WaitForSingleObject(tried_.get(), INFINITE);
    return failure_;
  }

 private:
  static DWORD WINAPI run(void* self) noexcept {
    static_cast<MutexKeeper*>(self)->keep();
    return 0;
  }

  void keep() noexcept {
    const DWORD outcome = ::WaitForSingleObject(mutex_.get(), patience_);
    const bool holds = outcome == WAIT_OBJECT_0 || outcome == WAIT_ABANDONED;
    failure_ = holds ? 0 : outcome == WAIT_TIMEOUT ? WAIT_TIMEOUT : ::GetLastError();
    ::SetEvent(tried_.get());
    if (!holds) return;
    ::WaitForSingleObject(leave_.get(), INFINITE);
    ::ReleaseMutex(mutex_.get());
  }

  Handle mutex_;
  Handle tried_;
  Handle leave_;
  Handle thread_;
  DWORD patience_ = 0;
  DWORD failure_ = 0;
};

}  // namespace win32

/// Shared memory under a name. The name lives as long as any handle to it: the handle stays open beside the view.
class Mapping {
 public:
  static Result<Mapping> create(const Names& names, const std::string& object, std::uint64_t bytes,
                                const Access& access) {
    if (bytes > static_cast<std::uint64_t>((std::numeric_limits<std::ptrdiff_t>::max)())) {
      return names.error(Errc::out_of_memory, "the slots need " + std::to_string(bytes) +
                                                  " bytes, more than this process can address; use fewer slots");
    }
    auto security = win32::SecurityAttributes::make(names, access);
    if (!security) return std::move(security).error();
    const win32::ObjectName name(names, object);
    Handle section = win32::create_section(name, bytes, security->get());
    const DWORD error = ::GetLastError();
    if (!section || error == ERROR_ALREADY_EXISTS) return not_created(names, name, error);
    SHARED_CHANNEL_TEST_POINT(server_segment_created);
    return map(names, name, std::move(section));
  }

  static Result<Mapping> open(const Names& names, const std::string& object) {
    const win32::ObjectName name(names, object);
    Handle section(::OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE, FALSE, name.c_str()));
    if (!section) return win32::not_opened(names, "OpenFileMapping", name, ::GetLastError());
    return map(names, name, std::move(section));
  }

  /// The system removes the name with its last user.
  static void remove(const std::string&) noexcept {}

  Mapping(Mapping&& other) noexcept
      : section_(std::move(other.section_)), data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != nullptr) ::UnmapViewOfFile(data_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
  /// What was asked for, rounded up to whole pages.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class ServerLease;

  Mapping(Handle section, void* data, std::size_t size) noexcept
      : section_(std::move(section)), data_(data), size_(size) {}

  static Result<Mapping> map(const Names& names, const win32::ObjectName& name, Handle section) {
    void* data = ::MapViewOfFile(section.get(), FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    if (data == nullptr) return win32::failed(names, "MapViewOfFile", name, ::GetLastError());
    Mapping mapping(std::move(section), data, 0);
    MEMORY_BASIC_INFORMATION region{};
    // A section that somebody reserved without committing it would fault at the first touch.
    if (::VirtualQuery(data, &region, sizeof region) == 0 || region.State != MEM_COMMIT) {
      return names.error(Errc::layout_mismatch, name.shown() + " is not a channel's segment");
    }
    mapping.size_ = region.RegionSize;
    return mapping;
  }

  static Error not_created(const Names& names, const win32::ObjectName& name, DWORD error) {
    if (error == ERROR_ACCESS_DENIED && names.scope() == Scope::machine) {
      return names.error(Errc::access_denied,
                         "CreateFileMapping of " + name.shown() +
                             " was refused; a server with Scope::machine needs the " +
                             "privilege SeCreateGlobalPrivilege, which services and administrators have",
                         static_cast<int>(error));
    }
    return win32::failed(names, "CreateFileMapping", name, error);
  }

  Handle section_;
  void* data_;
  std::size_t size_;
};

/// A mutex that only the server's user can open, held by a thread of ours, and the rendezvous record. The system gives
/// the mutex up with the process. The record outlives a server while any client has it open: it is then taken over as
/// it lies.
class ServerLease {
 public:
  static Result<ServerLease> acquire(const Names& names, const Access& access) {
    auto security = win32::SecurityAttributes::make(names, access);
    if (!security) return std::move(security).error();
    auto keeper = take_name(names);
    if (!keeper) return std::move(keeper).error();
    SHARED_CHANNEL_TEST_POINT(server_lease_taken);
    auto mapping = take_record(names, *security);
    if (!mapping) return std::move(mapping).error();
    return ServerLease(*std::move(mapping), *std::move(keeper));
  }

  /// The generation that a server has published under this name. If that server was killed and another client has the
  /// record open, it is still there: then the segment is gone, or Watch::open() finds nobody. To ask for the
  /// mutex instead would be to take it, under the eyes of a server that is just starting.
  static Result<std::uint64_t> current_generation(const Names& names) {
    // For writing as well: 32-bit processors load 64 bits at once by an instruction that also stores.
    auto mapping = Mapping::open(names, names.rendezvous());
    if (!mapping && mapping.error().code() != Errc::no_server) return std::move(mapping).error();
    if (!mapping) return none(names);
    const Rendezvous& record = *reinterpret_cast<const Rendezvous*>(mapping->data());
    const std::uint64_t generation = record.generation.load(std::memory_order_acquire);
    const std::uint32_t version = record.version;
    if (record.magic != rendezvous_magic || generation == 0) return none(names);
    if (version != abi_version) {
      return names.error(Errc::layout_mismatch, "the server speaks protocol version " + std::to_string(version) +
                                                    ", this program " + std::to_string(abi_version));
    }
    return generation;
  }

  ServerLease(ServerLease&&) noexcept = default;
  ServerLease& operator=(ServerLease&&) = delete;
  ~ServerLease() {
    if (mapping_.data() == nullptr) return;
    record().generation.store(0);
    SHARED_CHANNEL_TEST_POINT(server_withdrew_generation);
  }

  [[nodiscard]] Rendezvous& record() const noexcept { return *reinterpret_cast<Rendezvous*>(mapping_.data()); }

 private:
  /// A process that is being ended keeps its mutex for a moment; nobody else is in the way then.
  static constexpr DWORD patience_ms = 250;

  ServerLease(Mapping mapping, UniquePtr<win32::MutexKeeper> keeper) noexcept
      : keeper_(std::move(keeper)), mapping_(std::move(mapping)) {}

  static Error none(const Names& names) {
    return names.error(Errc::no_server, "no server is running; start it, or set ClientOptions::wait_for_server");
  }

  static Result<UniquePtr<win32::MutexKeeper>> take_name(const Names& names) {
    auto security = win32::SecurityAttributes::for_us(names);
    if (!security) return std::move(security).error();
    // The colon: no channel's name has one, and a channel may be called "NAME.server".
    const win32::ObjectName name(names, names.rendezvous() + ":server");
    Handle mutex(::CreateMutexW(security->get(), FALSE, name.c_str()));
    const DWORD error = ::GetLastError();
    if (!mutex && error == ERROR_ACCESS_DENIED && is_foreign(Handle(::OpenMutexW(READ_CONTROL, FALSE, name.c_str())))) {
      return squatted(names, name);
    }
    if (!mutex) return win32::failed(names, "CreateMutex", name, error);
    if (error == ERROR_ALREADY_EXISTS && !win32::is_ours(mutex.get())) return squatted(names, name);
    auto keeper = UniquePtr<win32::MutexKeeper>(new win32::MutexKeeper(std::move(mutex)));
    const DWORD failure = keeper->take(patience_ms);
    if (failure == WAIT_TIMEOUT) {
      return names.error(Errc::name_in_use,
                         "a server is already running under this name; stop it first or choose another name");
    }
    if (failure != 0) {
      return names.error(Errc::system_error, "the thread that holds the channel's name could not start",
                         static_cast<int>(failure));
    }
    return keeper;
  }

  static Result<Mapping> take_record(const Names& names, win32::SecurityAttributes& security) {
    const win32::ObjectName name(names, names.rendezvous());
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
      // The record of a predecessor, who may have let in others than we are to.
      if (::SetKernelObjectSecurity(section.get(), DACL_SECURITY_INFORMATION, security.descriptor()) == 0) {
        return win32::failed(names, "SetKernelObjectSecurity", name, ::GetLastError());
      }
    }
    auto mapping = Mapping::map(names, name, std::move(section));
    if (mapping && mapping->size() < rendezvous_bytes) return squatted(names, name);
    return mapping;
  }

  static Error squatted(const Names& names, const win32::ObjectName& name) {
    return names.error(Errc::not_owner,
                       name.shown() + " belongs to another user or is no channel; choose another name");
  }

  /// Whether an object that refuses us is another user's: its owner may always look at it, whatever its DACL says.
  /// `looked` is an attempt to do so, which has just been made.
  static bool is_foreign(const Handle& looked) noexcept {
    return looked ? !win32::is_ours(looked.get()) : ::GetLastError() == ERROR_ACCESS_DENIED;
  }

  UniquePtr<win32::MutexKeeper> keeper_;
  Mapping mapping_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
