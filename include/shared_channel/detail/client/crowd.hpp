// Whether others have many calls in flight.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Whether other clients than number `me` hold many slots, be it one client or several. Threads that share a client are
/// not told apart. A look at every slot: not for each call.
inline bool others_hold_many(const SlotArray& slot_array, std::uint32_t me) noexcept {
  constexpr std::uint32_t many = 8;
  std::uint32_t found = 0;
  for (std::uint32_t index = 0; index < slot_array.count() && found < many; ++index) {
    const std::uint32_t owner = slot_array[index].owner.load(std::memory_order_relaxed);
    if (owner != 0 && owner != me) ++found;
  }
  return found == many;
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
