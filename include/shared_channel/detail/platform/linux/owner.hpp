// Who may serve a client, in the words of this system: users are numbers.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

struct Owners {
  /// Whether the user that `server` names can be one of this system's.
  static Result<void> examine(const Names& names, const ServerUser& server) {
    if (server.kind() == ServerUser::Kind::sid) {
      return names.error(Errc::invalid_argument, "ServerUser::sid is for Win32; use ServerUser::uid on Linux");
    }
    // The system's way to say "none".
    if (server.kind() == ServerUser::Kind::uid && server.uid() == ~std::uint32_t{0}) {
      return names.error(Errc::invalid_argument,
                         "ServerUser::uid takes the number of a user, not " + std::to_string(server.uid()));
    }
    return {};
  }

  static bool is_mine_or_system(const std::string& user) { return user == "0" || user == std::to_string(::geteuid()); }

  /// Whether `server`, which names one user, names this one.
  static bool is_named(const ServerUser& server, const std::string& user) {
    return user == std::to_string(server.uid());
  }

  /// What names the user in a program's source.
  static std::string naming(const std::string& user) { return "ServerUser::uid(" + user + ")"; }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
