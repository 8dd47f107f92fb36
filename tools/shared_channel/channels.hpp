// What several commands say about channels.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shared_channel/inspect.hpp>
#include <shared_channel/result.hpp>

#include "command.hpp"
#include "text.hpp"

namespace tool {

using shared_channel::CallInfo;
using shared_channel::CallState;
using shared_channel::ChannelInfo;
using shared_channel::ChannelState;

/// All channels that there are, as they stand; those that go meanwhile are left out.
shared_channel::Result<std::vector<ChannelInfo>> inspect_all(shared_channel::Scope scope);

/// Calls that no handler has seen, and those that one has.
unsigned queued(const ChannelInfo& info);
unsigned running(const ChannelInfo& info);
/// How long the longest of the calls in flight has lasted, as far as their callers say.
std::optional<std::chrono::nanoseconds> oldest(const ChannelInfo& info);

/// Whether there is more to say than the state: the channel could be looked into.
bool is_readable(const ChannelInfo& info);
/// Whether somebody serves it: calls in flight with a dead server are over.
bool is_alive(const ChannelInfo& info);
/// Whether shared_channel_bridge serves it for servers on other machines: its process has that name.
bool is_imported(const ChannelInfo& info);

Cell state_cell(const ChannelInfo& info);
std::string server_text(const ChannelInfo& info);     // "7381 python3"
std::string in_flight_text(const ChannelInfo& info);  // "4/16"
std::string caller_text(const CallInfo& call);        // "7383 client"
/// How long the longest of the calls that run has lasted: "1.2 s", or "-".
std::string longest_running_text(const ChannelInfo& info);

Json to_json(const ChannelInfo& info);

/// Calls and failures per second, from the second look on.
class Rates {
 public:
  struct Rate {
    std::optional<double> calls;
    std::optional<double> failures;
  };
  /// Once for each look at a channel.
  Rate update(const ChannelInfo& info);

 private:
  struct Look {
    std::chrono::steady_clock::time_point when;
    std::uint64_t calls;
  };
  struct Failures {
    std::chrono::steady_clock::time_point when;
    std::uint64_t count;
    double per_second;
  };
  std::map<std::pair<std::string, std::uint64_t>, Look> looks_;
  std::map<std::pair<std::string, std::uint64_t>, Failures> failures_;
};

/// Calls that did not end in their answers, by the server's count.
std::uint64_t failures(const ChannelInfo& info);

}  // namespace tool
