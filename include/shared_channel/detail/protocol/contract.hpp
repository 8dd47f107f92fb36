// What the two ends of a channel compare when a client attaches.
#pragma once

#include <cstdint>
#include <string>

#include <shared_channel/detail/protocol/description.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What a program was compiled for: how its messages lie, and what they are.
struct Contract {
  Shape shape;
  std::string request;  // empty, of a client: whatever fits the shape
  std::string reply;
  bool takes_any = false;  // of a client: the server's contract, whatever that is
};

/// Tells contracts apart as well as a hash does; not 0.
inline std::uint64_t id_of(const Contract& contract) {
  const Shape& shape = contract.shape;
  std::string words = contract.request + '\n' + contract.reply;
  for (const std::uint32_t number : {shape.request_size, shape.request_align, shape.reply_size, shape.reply_align,
                                     static_cast<std::uint32_t>(shape.framing)})
    words += '\n' + std::to_string(number);
  return Description::hash_of(words) | 1;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
