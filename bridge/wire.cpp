#include "wire.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

namespace bridge {
namespace {

using shared_channel::ChannelShape;
using shared_channel::Errc;
using shared_channel::Execution;
using shared_channel::MessageShape;

constexpr std::uint8_t version = 1;
enum class Kind : std::uint8_t { find = 1, here, ping, pong, cancel, calls, answers };

class Writer {
 public:
  /// Appends.
  explicit Writer(Bytes& bytes) : bytes_(bytes) {}
  Writer(Bytes& bytes, Kind kind) : bytes_(bytes) {
    bytes.reserve(call_overhead);
    *this << std::uint8_t{'S'} << std::uint8_t{'C'} << version << static_cast<std::uint8_t>(kind);
  }
  template <class Number>
  Writer& operator<<(Number number) requires std::is_integral_v<Number> {
    return last(littlest_first(number));
  }
  Writer& operator<<(View bytes) {
    *this << static_cast<std::uint32_t>(bytes.size());
    return last(bytes);
  }
  Writer& operator<<(std::string_view text) { return *this << std::as_bytes(std::span(text)); }
  Writer& operator<<(const std::string& text) { return *this << std::string_view(text); }
  Writer& operator<<(const MessageShape& message) {
    return *this << message.size << message.align << message.is_variable << message.description;
  }
  Writer& operator<<(const std::vector<Id>& ids) {
    *this << static_cast<std::uint32_t>(ids.size());
    for (const Id id : ids) *this << id;
    return *this;
  }

 private:
  Writer& last(View bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  template <class Number>
  static std::array<std::byte, sizeof(Number)> littlest_first(Number number) {
    auto value = static_cast<std::uint64_t>(number);
    std::array<std::byte, sizeof(Number)> bytes;
    for (std::byte& byte : bytes) {
      byte = static_cast<std::byte>(value & 0xff);
      value >>= 8;
    }
    return bytes;
  }

  Bytes& bytes_;
};

class Reader {
 public:
  Reader(View bytes, Kind kind) : bytes_(bytes) {
    std::uint8_t s = 0, c = 0, v = 0, k = 0;
    *this >> s >> c >> v >> k;
    is_good_ = is_good_ && s == 'S' && c == 'C' && v == version && k == static_cast<std::uint8_t>(kind);
  }
  template <class Number>
  Reader& operator>>(Number& number) requires std::is_integral_v<Number> {
    const View raw = take(sizeof number);
    std::uint64_t value = 0;
    for (std::size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<std::uint64_t>(raw[i]);
    number = static_cast<Number>(value);
    return *this;
  }
  Reader& operator>>(bool& flag) {
    std::uint8_t byte = 0;
    *this >> byte;
    flag = byte != 0;
    return *this;
  }
  Reader& operator>>(std::string_view& text) {
    View bytes;
    *this >> bytes;
    text = words(bytes);
    return *this;
  }
  Reader& operator>>(View& bytes) {
    std::uint32_t size = 0;
    *this >> size;
    bytes = take(size);
    return *this;
  }
  Reader& operator>>(std::string& text) {
    std::string_view view;
    *this >> view;
    text = view;
    return *this;
  }
  Reader& operator>>(MessageShape& message) {
    return *this >> message.size >> message.align >> message.is_variable >> message.description;
  }
  Reader& operator>>(std::vector<Id>& ids) {
    std::uint32_t count = 0;
    *this >> count;
    if (count > bytes_.size() / sizeof(Id)) return is_good_ = false, *this;
    ids.resize(count);
    for (Id& id : ids) *this >> id;
    return *this;
  }
  [[nodiscard]] bool has_more() const { return !bytes_.empty(); }
  static std::string_view words(View bytes) {
    return bytes.empty() ? std::string_view()
                         : std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  [[nodiscard]] bool is_good() const { return is_good_; }

 private:
  View take(std::size_t size) {
    if (size > bytes_.size()) {
      is_good_ = false;
      bytes_ = {};
      return {};
    }
    const View taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

  View bytes_;
  bool is_good_ = true;
};

constexpr bool is_possible(Nanoseconds time) { return -longest <= time && time <= longest; }
constexpr bool is_possible_wait(Nanoseconds time) { return time == never || (time >= 0 && is_possible(time)); }

template <class T>
std::optional<T> if_good(const Reader& reader, T&& value, bool is_possible = true) {
  if (!reader.is_good() || !is_possible) return std::nullopt;
  return std::forward<T>(value);
}

}  // namespace

std::uint64_t Contract::id() const {
  Bytes bytes;
  Writer(bytes, Kind::here) << is_big_endian << shape.request << shape.reply;
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100'0000'01b3;
  return hash;
}

Bytes write(const Find& find) {
  Bytes bytes;
  Writer(bytes, Kind::find) << find.importer;
  return bytes;
}
template <>
std::optional<Find> read(View bytes) {
  Find find;
  Reader reader(bytes, Kind::find);
  reader >> find.importer;
  return if_good(reader, std::move(find));
}

Bytes write(const Here& here) {
  Bytes bytes;
  Writer(bytes, Kind::here) << here.exporter << here.number << here.has_server << here.is_leaving << here.max_calls
                            << here.connection << here.largest << here.who << here.contract.is_big_endian
                            << here.contract.shape.request << here.contract.shape.reply;
  return bytes;
}
template <>
std::optional<Here> read(View bytes) {
  Here here;
  Reader reader(bytes, Kind::here);
  reader >> here.exporter >> here.number >> here.has_server >> here.is_leaving >> here.max_calls >> here.connection >>
      here.largest >> here.who >> here.contract.is_big_endian >> here.contract.shape.request >>
      here.contract.shape.reply;
  return if_good(reader, std::move(here));
}

Bytes write(const Ping& ping) {
  Bytes bytes;
  Writer(bytes, Kind::ping) << ping.importer << ping.asked << ping.patience << ping.calls;
  return bytes;
}
template <>
std::optional<Ping> read(View bytes) {
  Ping ping;
  Reader reader(bytes, Kind::ping);
  reader >> ping.importer >> ping.asked >> ping.patience >> ping.calls;
  return if_good(reader, std::move(ping), is_possible(ping.asked) && is_possible_wait(ping.patience));
}

Bytes write(const Pong& pong) {
  Bytes bytes;
  Writer(bytes, Kind::pong) << pong.connection << pong.asked << pong.clock << pong.unknown;
  return bytes;
}
template <>
std::optional<Pong> read(View bytes) {
  Pong pong;
  Reader reader(bytes, Kind::pong);
  reader >> pong.connection >> pong.asked >> pong.clock >> pong.unknown;
  return if_good(reader, std::move(pong), is_possible(pong.asked) && is_possible(pong.clock));
}

Bytes write(const Cancel& cancel) {
  Bytes bytes;
  Writer(bytes, Kind::cancel) << cancel.importer << cancel.id;
  return bytes;
}
template <>
std::optional<Cancel> read(View bytes) {
  Cancel cancel;
  Reader reader(bytes, Kind::cancel);
  reader >> cancel.importer >> cancel.id;
  return if_good(reader, std::move(cancel));
}

// ---- several ----

void add(const Call& call, Bytes& to) {
  if (to.empty()) Writer(to, Kind::calls);
  Writer(to) << call.importer << call.id << call.contract << call.sent << call.left << call.process << call.user
             << call.request;
}
template <>
std::optional<Calls> read(View bytes) {
  Calls several;
  Reader reader(bytes, Kind::calls);
  bool are_possible = true;
  while (reader.is_good() && reader.has_more()) {
    Call& call = several.calls.emplace_back();
    reader >> call.importer >> call.id >> call.contract >> call.sent >> call.left >> call.process >> call.user >>
        call.request;
    are_possible = are_possible && is_possible(call.sent) && is_possible_wait(call.left);
  }
  return if_good(reader, std::move(several), are_possible);
}

void add(Id id, const Answer& answer, Bytes& to) {
  if (to.empty()) Writer(to, Kind::answers);
  Writer writer(to);
  if (answer.is_reply)
    writer << id << std::uint8_t{0} << false << answer.reply;
  else
    writer << id << static_cast<std::uint8_t>(answer.code) << (answer.execution == Execution::possible) << answer.text;
}
template <>
std::optional<Answers> read(View bytes) {
  Answers several;
  Reader reader(bytes, Kind::answers);
  while (reader.is_good() && reader.has_more()) {
    auto& [id, answer] = several.answers.emplace_back();
    std::uint8_t code = 0;
    bool may_have_run = false;
    reader >> id >> code >> may_have_run >> answer.reply;
    answer.is_reply = code == 0;
    // What a newer exporter calls by a name that is not known here.
    answer.code =
        shared_channel::detail::is_known(static_cast<Errc>(code)) ? static_cast<Errc>(code) : Errc::handler_failed;
    answer.execution = may_have_run ? Execution::possible : Execution::none;
    answer.text = answer.is_reply ? std::string_view() : Reader::words(answer.reply);
  }
  return if_good(reader, std::move(several));
}

}  // namespace bridge
