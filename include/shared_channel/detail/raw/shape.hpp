// A channel's shape that came at run time, checked as those of types are at compile time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <shared_channel/channel_shape.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/detail/message/grammar.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What is wrong with a message's shape, or nothing. A client need not know how long a message may get.
inline std::string fault_of(const MessageShape& message, bool is_server) {
  const bool needs_size = is_server || !message.is_variable;
  if ((message.size == 0 && needs_size) || message.size > max_message_bytes) {
    return "has a size of " + std::to_string(message.size) + " bytes; it must be from 1 to " +
           std::to_string(max_message_bytes);
  }
  const bool is_power = message.align != 0 && (message.align & (message.align - 1)) == 0;
  if (!message.is_variable && (!is_power || message.align > largest_alignment)) {
    return "has an alignment of " + std::to_string(message.align) + "; it must be a power of two from 1 to " +
           std::to_string(largest_alignment);
  }
  if (message.description.empty()) return {};
  const std::optional<DescribedSize> described = parse_description(message.description);
  if (!described) {
    return "has the description '" + printable(message.description.substr(0, 200)) +
           "', which is none; docs/protocol.md has their grammar";
  }
  if (!message.is_variable && described->is_known && described->size != message.size) {
    return "has " + std::to_string(message.size) + " bytes, and its description '" + message.description + "' " +
           std::to_string(described->size);
  }
  return {};
}

/// What the two ends compare, of such a shape.
inline Result<Contract> contract_of(const Names& names, const ChannelShape& shape, bool is_server) {
  for (const bool is_request : {true, false}) {
    const std::string fault = fault_of(is_request ? shape.request : shape.reply, is_server);
    if (!fault.empty())
      return names.error(Errc::invalid_argument, std::string(is_request ? "the request " : "the reply ") + fault);
  }
  const auto align = [](const MessageShape& message) {
    return message.is_variable ? std::uint32_t{inline_alignment} : message.align;
  };
  const auto description = [&](const MessageShape& message) {
    if (!message.description.empty() || !is_server) return message.description;
    if (message.is_variable) return std::string("bytes");
    return "opaque(" + std::to_string(message.size) + "," + std::to_string(message.align) + ")";
  };
  const std::uint32_t variable = (shape.request.is_variable ? 1u : 0u) | (shape.reply.is_variable ? 2u : 0u);
  const Shape bytes{shape.request.size, align(shape.request),           shape.reply.size,
                    align(shape.reply), static_cast<Framing>(variable), 0};
  return Contract{bytes, description(shape.request), description(shape.reply)};
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
