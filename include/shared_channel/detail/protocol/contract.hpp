// What the two ends of a channel compare when a client attaches.
#pragma once

#include <string>

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

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
