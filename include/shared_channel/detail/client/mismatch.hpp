// What a client and a server disagree about, in words.
#pragma once

#include <cstdint>
#include <string>

#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// How one message lies in a slot.
struct MessageLayout {
  std::uint32_t size;
  std::uint32_t align;
  bool is_variable;

  friend bool operator==(const MessageLayout&, const MessageLayout&) = default;
};

inline MessageLayout request_of(const Shape& shape) noexcept {
  return {shape.request_size, shape.request_align, has_variable_request(shape.framing)};
}
inline MessageLayout reply_of(const Shape& shape) noexcept {
  return {shape.reply_size, shape.reply_align, has_variable_reply(shape.framing)};
}

/// Of two types with one description: they differ in how they lie in memory.
inline std::string in_bytes(const MessageLayout& layout) {
  if (layout.is_variable) return " of any length";
  return " in " + std::to_string(layout.size) + " bytes aligned to " + std::to_string(layout.align);
}

/// Adds `ours` and `theirs` to the text if the two sides do not mean the same message.
inline void add_mismatch(std::string& text, const char* we, const std::string& ours, const MessageLayout& our_layout,
                         const char* they, const Description& theirs, const MessageLayout& their_layout) {
  const bool is_same_type = ours.empty() || theirs.is_of(ours);
  if (is_same_type && our_layout == their_layout) return;
  if (!text.empty()) text += "; ";
  text += "this program " + (we + (ours.empty() ? "messages" : printable(Description::fitting(ours)))) +
          (is_same_type ? in_bytes(our_layout) : "") + ", the server " + (they + theirs.read()) +
          (is_same_type ? in_bytes(their_layout) : "");
}

/// Empty if a client of this contract and shape understands the server.
inline std::string mismatch_text(const Contract& contract, const Shape& shape, const ServerPage& page,
                                 const Shape& servers) {
  std::string text;
  add_mismatch(text, "sends ", contract.request, request_of(shape), "takes ", page.request, request_of(servers));
  add_mismatch(text, "expects ", contract.reply, reply_of(shape), "answers ", page.reply, reply_of(servers));
  return text;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
