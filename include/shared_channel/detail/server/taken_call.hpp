// A call that a worker has taken.
#pragma once

#include <cstdint>

#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// A call that this process has taken and not yet concluded; or none. Not a std::optional: that is built in pieces and
/// copied whole, which stalls the processor's store buffer at each copy on the hottest path.
struct TakenCall {
  Slot* slot = nullptr;
  std::uint32_t index = 0;  // of the slot
  std::uint32_t sequence = 0;

  explicit operator bool() const noexcept { return slot != nullptr; }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
