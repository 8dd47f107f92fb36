// A client's lease: an object with the client's number in its name. The system closes a process's handles after
// the last of its threads has ended, so the name goes when no instruction of the holder can run any more. A
// mutex's owner would not do: it is a thread.
//
// is_held() opens the object for a moment. During that moment a second caller may see a dead client as alive; it asks
// again later. Nobody but the client's own user may open it: others would keep a dead
// client's lease, and with it its slots, for as long as they like. To be refused is to know that it is held.
#pragma once

#include <cstdint>
#include <utility>

#include <shared_channel/detail/platform/win32/memory.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

class ClientLease {
 public:
  /// Numbers run from 1, as far as they do on Linux.
  static constexpr std::uint32_t last = 0x7FFF'FFFF;

  static Result<ClientLease> take(const Names& names, std::uint64_t generation, const Mapping&, std::uint32_t number) {
    auto security = win32::SecurityAttributes::for_us(names);
    if (!security) return std::move(security).error();
    ClientLease lease(names, generation);
    const win32::ObjectName object = lease.object(number);
    const win32::AsProcess own;
    lease.held_ = Handle(::CreateEventW(security->get(), TRUE, FALSE, object.c_str())).kept();
    const DWORD error = ::GetLastError();
    // Another user's lease, or another type of object: the number is taken all the same.
    const bool taken = lease.held_
                           ? error == ERROR_ALREADY_EXISTS
                           : error == ERROR_INVALID_HANDLE || (error == ERROR_ACCESS_DENIED && lease.is_held(number));
    if (taken) return names.error(Errc::busy, "the lease is held");
    if (!lease.held_) return win32::failed(names, "CreateEvent", object, error);
    return lease;
  }

  /// A view of the others' leases, for somebody who takes none.
  static ClientLease view(const Names& names, std::uint64_t generation, const Mapping&) {
    return ClientLease(names, generation);
  }

  /// Whether client `number`, another than the caller, is still there. Unsure counts as held: the living are not
  /// robbed.
  [[nodiscard]] bool is_held(std::uint32_t number) const noexcept {
    const win32::AsProcess own;
    const Handle other(::OpenEventW(SYNCHRONIZE, FALSE, object(number).c_str()));
    return other || ::GetLastError() != ERROR_FILE_NOT_FOUND;
  }

  /// Leases are asked for by name.
  [[nodiscard]] bool can_tell() const noexcept { return true; }

 private:
  ClientLease(const Names& names, std::uint64_t generation)
      : stem_(names, names.part(generation, parts::client) + '.') {}

  [[nodiscard]] win32::ObjectName object(std::uint32_t number) const noexcept {
    return win32::ObjectName(stem_).append(number);
  }

  win32::ObjectName stem_;
  Handle held_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
