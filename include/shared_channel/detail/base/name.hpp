// A channel's name, checked, and the names of the system objects that are made from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// Longest channel name in bytes: with our prefix and suffixes it stays within 200 bytes, inside
/// NAME_MAX (255) and the 260 of the Win32 functions.
inline constexpr std::size_t max_name_length = 150;

namespace detail {

inline constexpr std::string_view object_prefix = "shared_channel.";
inline constexpr std::string_view lock_suffix = ":server";  // a channel may be called NAME.server, but none has a colon

/// The parts of a generation that have names.
namespace parts {

inline constexpr std::string_view server = "server", exec = "exec", done = "done", slot_freed = "slot_freed",
                                  client_mutex = "client_mutex", client = "client", ended = "ended", alive = "alive";

/// One of many: done.7.
inline std::string numbered(std::string_view part, std::uint32_t number) {
  return std::string(part) + '.' + std::to_string(number);
}

}  // namespace parts

/// The names of one channel's objects:
///   shared_channel.NAME                   the rendezvous, where clients learn the current generation
///   shared_channel.NAME:server            the lock that one server at a time holds
///   shared_channel.NAME.GENERATION        that generation's segment
///   shared_channel.NAME.GENERATION.server its server page
///   shared_channel.NAME.GENERATION.PART   (Win32) its events and mutexes
/// A channel name may contain dots, but no channel can be mistaken for another's part: a part's
/// name continues with 16 hexadecimal digits of a random generation.
class Names {
 public:
  static Result<Names> make(std::string_view channel, Scope scope) {
    if (channel.empty()) return invalid(channel, "the name is empty; give it 1 to 150 characters of A-Z a-z 0-9 . _ -");
    if (channel.size() > max_name_length) {
      return invalid(masked(std::string(channel.substr(0, max_name_length)), is_portable),
                     "the name has " + std::to_string(channel.size()) + " bytes (its beginning is shown); at most " +
                         std::to_string(max_name_length) + " are allowed");
    }
    for (const char c : channel) {
      if (!is_portable(c)) {
        return invalid(masked(std::string(channel), is_portable),
                       "the name holds a character outside A-Z a-z 0-9 . _ - (shown as ?); "
                       "sessions are chosen by Scope, not in the name");
      }
    }
    if (channel == "." || channel == "..") return invalid(channel, "the name must not be '.' or '..'");
    return Names(channel, scope);
  }

  [[nodiscard]] const std::string& channel() const noexcept { return channel_; }
  [[nodiscard]] Scope scope() const noexcept { return scope_; }

  [[nodiscard]] std::string rendezvous() const { return std::string(object_prefix) + channel_; }
  [[nodiscard]] std::string server_lock() const { return rendezvous().append(lock_suffix); }
  [[nodiscard]] std::string segment(std::uint64_t generation) const { return rendezvous() + '.' + hex(generation); }
  [[nodiscard]] std::string server_page(std::uint64_t generation) const { return part(generation, parts::server); }
  [[nodiscard]] std::string part(std::uint64_t generation, std::string_view part) const {
    return segment(generation) + '.' + std::string(part);
  }

  /// An Error about this channel.
  [[nodiscard]] Error error(Errc code, std::string cause, int native = 0, Execution execution = Execution::none) const {
    return Error(code, channel_, std::move(cause), native, execution);
  }

 private:
  Names(std::string_view channel, Scope scope) : channel_(channel), scope_(scope) {}

  static Error invalid(std::string_view shown, std::string cause) {
    return Error(Errc::invalid_name, shown, std::move(cause));
  }

  static constexpr bool is_portable(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  }

  std::string channel_;
  Scope scope_;
};

}  // namespace detail
}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
