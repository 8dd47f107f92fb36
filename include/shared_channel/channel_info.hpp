// What can be seen of a channel from outside.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <shared_channel/channel_shape.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// How a channel's server stands.
enum class ChannelState {
  open,       ///< It takes calls.
  stopping,   ///< It takes no more calls; its handlers still run.
  starting,   ///< Somebody holds the name and has not published a channel yet, or not any more.
  dead,       ///< Its process has ended without a stop. What it left goes with the next server of the name. Win32 takes
              ///< it away at once: then there is no_server.
  no_access,  ///< The system does not let this user look; ChannelInfo::problem says where.
  unreadable,  ///< What is there is damaged, of another protocol version, or no channel; ChannelInfo::problem says why.
};

/// How a call in flight stands.
enum class CallState {
  preparing,  ///< Its caller holds a slot and has not posted the request.
  queued,     ///< No handler has seen it.
  running,    ///< A handler has it, or it waits for its Responder.
  abandoned,  ///< A handler has it, and its caller has given it up.
  answered,   ///< The answer is there and its caller has not let the slot go.
};

/// The enumerator's name, e.g. "no_access".
constexpr std::string_view to_string(ChannelState state) noexcept {
  constexpr std::string_view names[] = {"open", "stopping", "starting", "dead", "no_access", "unreadable"};
  return names[static_cast<unsigned>(state)];
}
/// The enumerator's name, e.g. "queued".
constexpr std::string_view to_string(CallState state) noexcept {
  constexpr std::string_view names[] = {"preparing", "queued", "running", "abandoned", "answered"};
  return names[static_cast<unsigned>(state)];
}

/// One call in flight. Times are as its caller states them.
struct CallInfo {
  unsigned slot = 0;  ///< Below ChannelInfo::max_calls.
  CallState state = CallState::preparing;
  std::uint32_t number = 0;      ///< Of the call among those of its slot: 27 bits.
  std::uint32_t process_id = 0;  ///< The caller's, as it says; 0 before it has, and after it gave the call up.
  bool is_caller_alive = false;  ///< As the kernel says.
  /// How long the caller has waited, and for how long it still will: negative if it is late, max() if forever. Nothing
  /// where the caller has not said so yet, or reads another clock.
  std::optional<std::chrono::nanoseconds> waited;
  std::optional<std::chrono::nanoseconds> left;
};

/// What inspect() found. Where nothing was found, or the state is no_access or unreadable, a member keeps its default.
struct ChannelInfo {
  std::string name;
  ChannelState state = ChannelState::unreadable;
  std::string problem;  ///< A sentence, without its full stop, for no_access and unreadable.

  // The server.
  std::uint64_t generation = 0;  ///< Another number for each server of the name.
  std::uint32_t protocol_version = 0;
  std::uint32_t process_id = 0;  ///< As the server says: a number of its own process namespace.
  std::string program;           ///< Of the process that has this id here; empty if there is none, or no access.
  std::string user;              ///< Whose the channel is, as the kernel says: a number or a SID.
  std::optional<std::chrono::system_clock::time_point> started;  ///< When the channel was made.
  std::string access;        ///< Who may call: Linux: mode bits in octal; Win32: SDDL.
  std::uint64_t memory = 0;  ///< Bytes of shared memory.

  // What travels.
  ChannelShape shape;
  unsigned max_calls = 0;

  // What goes on.
  std::vector<CallInfo> calls;       ///< In flight, in the order of their slots.
  bool is_slot_awaited = false;      ///< Whether a caller waits for a slot.
  unsigned clients = 0;              ///< Attached now; of more than 8192, Linux says 8192.
  std::uint32_t clients_so_far = 0;  ///< As they say.
  unsigned sleeping_threads = 0;     ///< Of the server, as it says.
  unsigned slots_used = 0;           ///< So many of max_calls have ever been used.
  std::uint64_t calls_so_far = 0;    ///< As the slots tell, each modulo 2^27: its growth is the rate at this moment.
  /// As the server last wrote them, every second or two; running and waiting are of this moment.
  ServerStats stats;
  std::optional<std::chrono::nanoseconds> stats_age;  ///< Nothing if they were not written yet, or by another clock.
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
