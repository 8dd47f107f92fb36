// Whom a client lets serve it.
//
// Anybody may make objects under a channel's name, and requests go to the user who did. So a client asks the objects
// themselves whose they are: the record that names a generation must belong to a user that ClientOptions::server
// allows, and what it names to the same user.
#pragma once

#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class ServerTrust {
  using Owners = typename Platform::Owners;

 public:
  static bool allows(const ServerUser& server, const std::string& owner) {
    switch (server.kind()) {
      case ServerUser::Kind::any:
        return true;
      case ServerUser::Kind::mine_or_system:
        return Owners::is_mine_or_system(owner);
      case ServerUser::Kind::uid:
      case ServerUser::Kind::sid:
        break;
    }
    return Owners::is_named(server, owner);
  }

  /// Whether the owner of the rendezvous record may serve.
  static Result<void> examine(const Names& names, const ServerUser& server, const std::string& owner) {
    if (allows(server, owner)) return {};
    if (owner.empty()) {
      return names.error(
          Errc::not_owner,
          "the system does not tell which user serves the channel, perhaps because this process's user namespace "
          "does not map that user; set ClientOptions::server to ServerUser::any() if every user may");
    }
    return names.error(Errc::not_owner, "the channel is served by user " + owner + "; set ClientOptions::server to " +
                                            Owners::naming(owner) + " if that is right");
  }

  /// Whether what the record names is of its owner.
  template <class Mapping>
  static Result<void> check_same(const Names& names, const std::string& owner, const Mapping& mapping,
                                 const std::string& object) {
    auto other = mapping.owner(names, object);
    if (!other) return std::move(other).error();
    if (*other == owner) return {};
    return names.error(Errc::not_owner, object + " belongs to user " + *other + ", the channel's record to user " +
                                            owner + "; no server makes them so: remove both or choose another name");
  }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
