// Who may serve a client, in the words of this system: users are SIDs.
#pragma once

#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/detail/platform/win32/security.hpp>
#include <shared_channel/version.hpp>

#include <sddl.h>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace win32 {

/// Empty if the system finds no words.
inline std::string text_of(PSID sid) {
  wchar_t* text = nullptr;
  if (::ConvertSidToStringSidW(sid, &text) == 0) return {};
  const LocalMemory freed(text);
  std::string user;
  for (const wchar_t* c = text; *c != L'\0'; ++c) user += static_cast<char>(*c);  // a SID in text is ASCII
  return user;
}

/// Whose an opened object is; empty if the system does not tell.
inline std::string owner_of(HANDLE object) {
  const ObjectOwner owner(object);
  return owner.sid() != nullptr ? text_of(owner.sid()) : std::string();
}

}  // namespace win32

struct Owners {
  /// Whether the user that `server` names can be one of this system's.
  static Result<void> examine(const Names& names, const ServerUser& server) {
    if (server.kind() == ServerUser::Kind::uid) {
      return names.error(Errc::invalid_argument, "ServerUser::uid is for Linux; use ServerUser::sid on Win32");
    }
    if (server.kind() == ServerUser::Kind::sid && canonical(server.sid()).empty()) {
      return names.error(Errc::invalid_argument, "ServerUser::sid takes a SID in words, such as S-1-5-18");
    }
    return {};
  }

  static bool is_mine_or_system(const std::string& user) {
    // LocalSystem, LocalService, NetworkService, the Administrators.
    for (const char* const system : {"S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-5-32-544"}) {
      if (user == system) return true;
    }
    const win32::UserSid& mine = win32::our_user();
    return mine.error() == 0 && !user.empty() && user == win32::text_of(mine.get().User.Sid);
  }

  /// Whether `server`, which names one user, names this one.
  static bool is_named(const ServerUser& server, const std::string& user) {
    return !user.empty() && user == canonical(server.sid());
  }

  /// What names the user in a program's source.
  static std::string naming(const std::string& user) { return "ServerUser::sid(\"" + user + "\")"; }

 private:
  /// The SID as the system writes it; empty if it is none.
  static std::string canonical(const std::string& text) {
    PSID sid = nullptr;
    if (text.empty()) return {};  // Wine takes it for a SID
    if (::ConvertStringSidToSidA(text.c_str(), &sid) == 0) return {};
    const win32::LocalMemory freed(sid);
    return win32::text_of(sid);
  }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
