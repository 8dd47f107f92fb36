// The messages of the bridge's two ends, as they are written. Numbers are little-endian; a text or a message's bytes
// stand last, or after their length. bridge/protocol.md says what they mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shared_channel/channel_shape.hpp>
#include <shared_channel/error.hpp>

#include "clock.hpp"

namespace bridge {

using Bytes = std::vector<std::byte>;
using View = std::span<const std::byte>;
using Id = std::uint64_t;

/// The channel of this machine's byte order and that shape. Exporter and importer compare it, and so does each call.
struct Contract {
  shared_channel::ChannelShape shape;
  bool is_big_endian = false;

  [[nodiscard]] std::uint64_t id() const;
  friend bool operator==(const Contract&, const Contract&) = default;
};

/// To all exporters: who is there?
struct Find {
  Id importer = 0;
};

/// An exporter, of itself: asked, or whenever it changes.
struct Here {
  Id exporter = 0;
  std::uint64_t number = 0;  // a later word has a larger one, in whichever order they come
  bool has_server = false;
  bool is_leaving = false;
  std::uint32_t max_calls = 0;
  std::uint32_t connection = 0;  // another number after each loss of its connection
  std::uint64_t largest = 0;     // bytes of the largest message that it can send
  std::string who;               // "host, process 123"
  Contract contract;             // without a meaning unless has_server
};

/// To one exporter: are you there, and have you these calls? Also says that the importer is there.
struct Ping {
  Id importer = 0;
  Nanoseconds asked = 0;     // by the importer's clock
  Nanoseconds patience = 0;  // how long a silence the importer bears, and so has to be borne with
  std::vector<Id> calls;
};
struct Pong {
  std::uint32_t connection = 0;
  Nanoseconds asked = 0;
  Nanoseconds clock = 0;    // the exporter's
  std::vector<Id> unknown;  // of Ping::calls: they were lost, or have been answered before
};

struct Call {
  Id importer = 0;
  Id id = 0;
  std::uint64_t contract = 0;
  Nanoseconds sent = 0;  // by the exporter's clock, as the importer has measured it, or earlier
  Nanoseconds left = 0;  // from then on, until nothing may execute any more; never
  std::uint32_t process = 0;
  std::string_view user;
  View request;
};
inline constexpr std::size_t call_overhead = 256;
inline constexpr std::size_t answer_overhead = 32;
/// No message of several calls or answers is longer.
inline constexpr std::size_t most_of_several = 64 * 1024;

struct Cancel {
  Id importer = 0;
  Id id = 0;
};

/// The reply or the error that a call has ended in.
struct Answer {
  bool is_reply = false;
  View reply;
  shared_channel::Errc code = {};
  shared_channel::Execution execution = {};
  std::string_view text;
};

/// In one message. Ids ascend, so that none is there twice.
struct Calls {
  std::vector<Call> calls;
};
struct Answers {
  std::vector<std::pair<Id, Answer>> answers;  // of these calls
};

Bytes write(const Find& find);
Bytes write(const Here& here);
Bytes write(const Ping& ping);
Bytes write(const Pong& pong);
Bytes write(const Cancel& cancel);
/// Adds one to a message; to none, it begins one.
void add(const Call& call, Bytes& to);
void add(Id id, const Answer& answer, Bytes& to);

/// Nothing of what is no such message of this version of the protocol. Views are into `bytes`.
template <class T>
std::optional<T> read(View bytes);
template <>
std::optional<Find> read(View bytes);
template <>
std::optional<Here> read(View bytes);
template <>
std::optional<Ping> read(View bytes);
template <>
std::optional<Pong> read(View bytes);
template <>
std::optional<Cancel> read(View bytes);
template <>
std::optional<Calls> read(View bytes);
template <>
std::optional<Answers> read(View bytes);

}  // namespace bridge
