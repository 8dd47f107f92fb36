// What every named kernel object has, and Linux has no like of: a name in a session.
// Mappings, events and mutexes share one name space; a name that another type of object has is refused
// with ERROR_INVALID_HANDLE.
#pragma once

#include <cassert>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/win32/owner.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/detail/platform/win32/security.hpp>
#include <shared_channel/version.hpp>

#include <sddl.h>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32 {

/// Prefix and name of an object. Of fixed size, so that asking for an object never fails for want of memory.
class ObjectName {
 public:
  ObjectName(const Names& names, std::string_view object) noexcept : ObjectName(names.scope(), object) {}
  ObjectName(Scope scope, std::string_view object) noexcept {
    append(scope == Scope::machine ? "Global\\" : "Local\\");
    append(object);
  }

  /// ASCII only, as Names checks; at most 207 characters, as max_name_length allows.
  ObjectName& append(std::string_view text) noexcept {
    assert(length_ + text.size() < capacity);
    for (const char c : text) {
      if (length_ + 1 < capacity) text_[length_++] = static_cast<wchar_t>(c);
    }
    return *this;
  }

  ObjectName& append(std::uint32_t number) noexcept {
    char digits[10];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }

  [[nodiscard]] const wchar_t* c_str() const noexcept { return text_; }

  [[nodiscard]] std::string shown() const {
    std::string text;
    for (std::size_t i = 0; i < length_; ++i) text += static_cast<char>(text_[i]);
    return text;
  }

 private:
  static constexpr std::size_t capacity = 256;

  wchar_t text_[capacity] = {};
  std::size_t length_ = 0;
};

inline Error failed(const Names& names, const char* call, const ObjectName& object, DWORD error) {
  const std::string where = std::string(call) + " of " + object.shown();
  const int native = static_cast<int>(error);
  switch (error) {
    case ERROR_ACCESS_DENIED:
      return names.error(
          Errc::access_denied,
          where + " was refused; the server's Access decides who may use the channel; this process runs " + integrity(),
          native);
    case ERROR_INVALID_HANDLE:
    case ERROR_ALREADY_EXISTS:
      return names.error(
          Errc::not_owner,
          where + " met an object that is not this channel's; end the program that made it or choose another name",
          native);
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_NOT_ENOUGH_QUOTA:
    case ERROR_PAGEFILE_QUOTA:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_DISK_FULL:
      return no_room(names, where, "memory", native);
    default:
      return names.error(Errc::system_error, where + " failed", native);
  }
}

/// How a server's failure to make an object reads.
inline Error not_made(const Names& names, const char* call, const ObjectName& object, DWORD error) {
  if (error != ERROR_ACCESS_DENIED) return failed(names, call, object, error);
  return names.error(Errc::access_denied,
                     std::string(call) + " of " + object.shown() +
                         " was refused: this process may not make the object, or one of this name denies it; run it "
                         "with the user's full rights or choose another name; this process runs " +
                         integrity(),
                     static_cast<int>(error));
}

/// How a client's failure to open an object of one generation reads.
inline Error not_opened(const Names& names, const char* call, const ObjectName& object, DWORD error) {
  if (error == ERROR_FILE_NOT_FOUND) return just_gone(names);
  return failed(names, call, object, error);
}

/// A named object as it came from its Create function with `error`: one that was there already is not ours.
inline Result<Handle> only_new(const Names& names, const char* call, const ObjectName& object, Handle made,
                               DWORD error) {
  if (!made || error == ERROR_ALREADY_EXISTS) return not_made(names, call, object, error);
  return std::move(made).kept();
}

enum class Reset : BOOL { by_one_wait = FALSE, never = TRUE };

inline Result<Handle> create_event(const Names& names, const ObjectName& object, Reset reset,
                                   const Admission& admission, Use use) {
  auto security = admission.to(names, use);
  if (!security) return std::move(security).error();
  const AsProcess own;
  Handle event(::CreateEventW((*security)->get(), static_cast<BOOL>(reset), FALSE, object.c_str()));
  return only_new(names, "CreateEvent", object, std::move(event), ::GetLastError());
}

inline Result<Handle> create_mutex(const Names& names, const ObjectName& object, const Admission& admission) {
  auto security = admission.to(names, Use::waiting);
  if (!security) return std::move(security).error();
  const AsProcess own;
  Handle mutex(::CreateMutexW((*security)->get(), FALSE, object.c_str()));
  return only_new(names, "CreateMutex", object, std::move(mutex), ::GetLastError());
}

/// Whether a section of this name is where a channel of the other Scope would have it. Services, tasks and remote
/// shells run in session 0, whose own names are the machine's: a desktop's programs see them by Scope::machine only.
inline bool is_in_other_namespace(const Names& names, std::string_view object) noexcept {
  DWORD session = 0;
  if (::ProcessIdToSessionId(::GetCurrentProcessId(), &session) == 0 || session == 0)
    return false;  // both are one there
  const AsProcess own;
  const ObjectName name(names.scope() == Scope::machine ? Scope::session : Scope::machine, object);
  const Handle section(::OpenFileMappingW(SECTION_QUERY, FALSE, name.c_str()));
  return section || ::GetLastError() == ERROR_ACCESS_DENIED;
}

/// A client's: for all that `wanted` says, or else for what other users are granted.
inline Result<Handle> open_event(const Names& names, const ObjectName& object, Use wanted, Use granted) {
  const AsProcess own;
  const auto open = [&object](Use use) noexcept {
    return Handle(::OpenEventW(static_cast<DWORD>(use) & ~DWORD{READ_CONTROL}, FALSE, object.c_str()));
  };
  Handle event = open(wanted);
  if (!event && ::GetLastError() == ERROR_ACCESS_DENIED && granted != wanted) event = open(granted);
  if (!event) return not_opened(names, "OpenEvent", object, ::GetLastError());
  return std::move(event).kept();
}

inline Result<Handle> open_mutex(const Names& names, const ObjectName& object) {
  const AsProcess own;
  Handle mutex(::OpenMutexW(SYNCHRONIZE, FALSE, object.c_str()));
  if (!mutex) return not_opened(names, "OpenMutex", object, ::GetLastError());
  return std::move(mutex).kept();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// The user that the process runs as, as a SID; empty if the system does not tell.
inline std::string user_of(std::uint32_t process) {
  const win32::AsProcess own;
  const Handle opened(::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process));
  HANDLE raw = nullptr;
  if (!opened || ::OpenProcessToken(opened.get(), TOKEN_QUERY, &raw) == 0) return {};
  const Handle token(raw);
  struct {
    TOKEN_USER user;
    std::byte sid[SECURITY_MAX_SID_SIZE];
  } found;
  DWORD length = 0;
  if (::GetTokenInformation(token.get(), TokenUser, &found, sizeof found, &length) == 0) return {};
  return win32::text_of(found.user.User.Sid);
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
