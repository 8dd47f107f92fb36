// What belongs to neither end.
#include "support.hpp"

#include <shared_channel/detail/message/grammar.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel_c {

// The codes are the library's: a new Errc needs its SC_... here.
static_assert(SC_INVALID_NAME == static_cast<int>(Errc::invalid_name));
static_assert(SC_SYSTEM_ERROR == static_cast<int>(Errc::system_error));
static_assert(is_code(SC_INVALID_NAME) && !is_code(SC_OK));
static_assert(is_code(SC_SYSTEM_ERROR) && !is_code(SC_SYSTEM_ERROR + 1));
static_assert(SC_STATE_UNREADABLE == static_cast<int>(ChannelState::unreadable));
static_assert(SC_CALL_ANSWERED == static_cast<int>(CallState::answered));

Result<MessageShape> message_of(const sc_message* given, bool is_server) {
  if (given == nullptr) return MessageShape{};
  const auto known = read(given);
  if (!known) return wrong_size("sc_message");
  MessageShape shape;
  shape.size = known->bytes;
  shape.align = known->align;
  if (known->description != nullptr) shape.description = known->description;
  const bool says_nothing = known->bytes == 0 && known->align == 0 && shape.description.empty();
  shape.is_variable = known->is_variable != 0 || says_nothing;
  if (!shape.description.empty() && !shape.is_variable) {
    const auto described = detail::parse_description(shape.description);
    // One that is too large, or none, is for the library to refuse.
    if (described && described->is_known && described->size <= max_message_bytes) {
      if (shape.size == 0) shape.size = static_cast<std::uint32_t>(described->size);
      if (shape.align == 0) shape.align = static_cast<std::uint32_t>(described->align);
    }
    shape.is_variable = described && !described->is_known && known->bytes == 0 && known->align == 0;
  }
  if (shape.is_variable && shape.size == 0 && is_server) shape.size = MessageShape{}.size;
  return shape;
}

sc_message Shape::message(const MessageShape& of) noexcept {
  return {sizeof(sc_message), of.size, of.align, of.is_variable, of.description.c_str()};
}

Shape::Shape(ChannelShape shape)
    : shape_(std::move(shape)), request_message_(message(shape_.request)), reply_message_(message(shape_.reply)) {
  size = sizeof(sc_shape);
  unused = 0;
  request = &request_message_;
  reply = &reply_message_;
}

sc_stats stats_of(const ServerStats& stats) noexcept {
  return {sizeof(sc_stats), 0,
          stats.done,       stats.failed,
          stats.refused,    stats.withdrawn,
          stats.abandoned,  stats.malformed,
          stats.damaged,    stats.running,
          stats.waiting,    stats.longest_running.count()};
}

}  // namespace shared_channel_c

uint32_t sc_version() { return SHARED_CHANNEL_VERSION; }

const char* sc_code_name(sc_code code) {
  return code == SC_OK ? "ok" : shared_channel::to_string(static_cast<shared_channel::Errc>(code)).data();
}

void sc_shape_free(const sc_shape* shape) { delete static_cast<const shared_channel_c::Shape*>(shape); }
