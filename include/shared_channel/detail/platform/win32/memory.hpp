// Named shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/win32/object.hpp>
#include <shared_channel/detail/platform/win32/owner.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace win32 {

/// A new or, unless somebody has it, existing section of the system's paging file, committed as a whole: memory that
/// runs out does so here and not at a later touch. Null: GetLastError() tells why.
inline Handle create_section(const ObjectName& object, std::uint64_t bytes, SECURITY_ATTRIBUTES* security) noexcept {
  const AsProcess own;
  return Handle(::CreateFileMappingW(INVALID_HANDLE_VALUE, security, PAGE_READWRITE, static_cast<DWORD>(bytes >> 32),
                                     static_cast<DWORD>(bytes & 0xFFFF'FFFF), object.c_str()));
}

}  // namespace win32

/// Shared memory under a name. The name lives as long as any handle to it: the handle stays open beside the view.
class Mapping {
 public:
  static Result<Mapping> create(const Names& names, const std::string& object, std::uint64_t bytes,
                                const Admission& admission, ForClients clients = ForClients::write) {
    if (bytes > static_cast<std::uint64_t>((std::numeric_limits<std::ptrdiff_t>::max)()))
      return too_large(names, bytes);
    auto security = admission.to(names, win32::use_of(clients));
    if (!security) return std::move(security).error();
    const win32::ObjectName name(names, object);
    Handle section = win32::create_section(name, bytes, (*security)->get());
    const DWORD error = ::GetLastError();
    if (!section || error == ERROR_ALREADY_EXISTS) return not_created(names, name, error);
    SHARED_CHANNEL_TEST_POINT(server_segment_created);
    return map(names, name, std::move(section), ForClients::write);
  }

  static Result<Mapping> open(const Names& names, const std::string& object, ForClients clients = ForClients::write) {
    const win32::ObjectName name(names, object);
    const win32::AsProcess own;
    Handle section(::OpenFileMappingW(view_of(clients) | READ_CONTROL, FALSE, name.c_str()));
    if (!section && ::GetLastError() == ERROR_ACCESS_DENIED) {  // an SDDL may grant the memory alone
      section = Handle(::OpenFileMappingW(view_of(clients), FALSE, name.c_str()));
    }
    if (!section) return win32::not_opened(names, "OpenFileMapping", name, ::GetLastError());
    return map(names, name, std::move(section), clients);
  }

  /// Whose the object is, as a SID; empty if the system does not tell.
  [[nodiscard]] Result<std::string> owner(const Names&, const std::string&) const {
    return win32::owner_of(section_.get());
  }

  /// The system removes the name with its last user.
  static void remove(const std::string&) noexcept {}
  /// Nobody can take the name away.
  [[nodiscard]] bool is_lost(const std::string&) const noexcept { return false; }

  Mapping(Mapping&& other) noexcept
      : section_(std::move(other.section_)), data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != nullptr) ::UnmapViewOfFile(data_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
  [[nodiscard]] HANDLE section() const noexcept { return section_.get(); }
  /// What was asked for, rounded up to whole pages.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class ServerLease;

  Mapping(Handle section, void* data, std::size_t size) noexcept
      : section_(std::move(section).kept()), data_(data), size_(size) {}

  static DWORD view_of(ForClients clients) noexcept {
    return clients == ForClients::write ? DWORD{FILE_MAP_READ | FILE_MAP_WRITE} : DWORD{FILE_MAP_READ};
  }

  static Result<Mapping> map(const Names& names, const win32::ObjectName& name, Handle section, ForClients clients) {
    void* data = ::MapViewOfFile(section.get(), view_of(clients), 0, 0, 0);
    if (data == nullptr) return win32::failed(names, "MapViewOfFile", name, ::GetLastError());
    Mapping mapping(std::move(section), data, 0);
    MEMORY_BASIC_INFORMATION region{};
    // A section that somebody reserved without committing it would fault at the first touch; one of a file, when that
    // is on a network that does not answer.
    if (::VirtualQuery(data, &region, sizeof region) == 0 || region.State != MEM_COMMIT || is_of_file(data)) {
      return no_segment(names, name.shown());
    }
    mapping.size_ = region.RegionSize;
    return mapping;
  }

  static bool is_of_file(void* view) noexcept {
    wchar_t path[MAX_PATH];
    if (::K32GetMappedFileNameW(::GetCurrentProcess(), view, path, MAX_PATH) != 0) return true;
    const DWORD error = ::GetLastError();  // ERROR_FILE_INVALID for memory of the paging file
    return error == ERROR_INSUFFICIENT_BUFFER || error == ERROR_MORE_DATA || error == ERROR_BAD_LENGTH;
  }

  static Error not_created(const Names& names, const win32::ObjectName& name, DWORD error) {
    if (error == ERROR_ACCESS_DENIED && names.scope() == Scope::machine) {
      return names.error(Errc::access_denied,
                         "CreateFileMapping of " + name.shown() +
                             " was refused; a server with Scope::machine needs the " +
                             "privilege SeCreateGlobalPrivilege, which services and administrators have",
                         static_cast<int>(error));
    }
    return win32::not_made(names, "CreateFileMapping", name, error);
  }

  Handle section_;
  void* data_;
  std::size_t size_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
