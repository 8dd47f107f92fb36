// The errors that both systems report in the same words.
#pragma once

#include <cstdint>
#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

// These say what was found; what to do about it depends on what the caller has done, and Connector adds it.
inline Error just_gone(const Names& names) {
  return names.error(Errc::no_server, "no server is running any more: the last one has ended");
}
inline Error not_running(const Names& names) { return names.error(Errc::no_server, "no server is running"); }

inline Error already_running(const Names& names) {
  return names.error(Errc::name_in_use,
                     "a server is already running under this name; stop it first or choose another name");
}

inline Error other_version(const Names& names, std::uint32_t version) {
  return names.error(Errc::layout_mismatch, "the server speaks protocol version " + std::to_string(version) +
                                                ", this program " + std::to_string(abi_version));
}

/// `what` needed memory, of the kind `memory`.
inline Error no_room(const Names& names, const std::string& what, const char* memory, int native) {
  return names.error(
      Errc::out_of_memory,
      what + " found no room; free " + memory + ", lower ServerOptions::max_calls, or use smaller messages", native);
}

inline Error no_segment(const Names& names, const std::string& object) {
  return names.error(Errc::layout_mismatch,
                     object + " is not a channel's segment; end the program that made it, or choose another name");
}

inline constexpr char no_beacon_thread[] = "the thread that marks the server as alive could not start";

inline Error too_large(const Names& names, std::uint64_t bytes) {
  return names.error(Errc::out_of_memory,
                     "the slots need " + std::to_string(bytes) +
                         " bytes, more than this process can address; lower ServerOptions::max_calls");
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
