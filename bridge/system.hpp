// What the bridge asks of the operating system.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bridge {

/// "host, process 123": for people.
std::string who_am_i();

/// As `shared_channel list` shows it, by which it and exporters tell an imported channel from a server's own.
inline constexpr const char* process_name = "channel-bridge";
void take_process_name();

/// Before any thread starts: SIGTERM and SIGINT then come to wait_for_signal() alone.
void hold_signals();
/// Whether one came within that time.
bool wait_for_signal(std::chrono::milliseconds at_most);

/// A number that no other process has.
std::uint64_t unlikely_number();

}  // namespace bridge
