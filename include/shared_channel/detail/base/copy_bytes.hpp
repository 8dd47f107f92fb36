// Copies of messages whose length is known at run time only.
#pragma once

#include <cstddef>
#include <cstring>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// std::memcpy(), but for short messages by moves of constant width, as the compiler makes for types that it knows. The
/// wider and overlapping loads of a memcpy() wait for narrower stores of the moment before, by which a message was just
/// written or copied; that shows in the time of a short call.
inline void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  constexpr std::size_t block = 16;
  const auto move_block = [&](std::size_t index) { std::memcpy(to + index * block, from + index * block, block); };
  switch (bytes / block) {
    case 7:
      move_block(6);
      [[fallthrough]];
    case 6:
      move_block(5);
      [[fallthrough]];
    case 5:
      move_block(4);
      [[fallthrough]];
    case 4:
      move_block(3);
      [[fallthrough]];
    case 3:
      move_block(2);
      [[fallthrough]];
    case 2:
      move_block(1);
      [[fallthrough]];
    case 1:
      move_block(0);
      [[fallthrough]];
    case 0:
      break;
    default:
      std::memcpy(to, from, bytes);
      return;
  }
  std::size_t at = bytes / block * block;
  if ((bytes & 8) != 0) std::memcpy(to + at, from + at, 8), at += 8;
  if ((bytes & 4) != 0) std::memcpy(to + at, from + at, 4), at += 4;
  if ((bytes & 2) != 0) std::memcpy(to + at, from + at, 2), at += 2;
  if ((bytes & 1) != 0) to[at] = from[at];
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
