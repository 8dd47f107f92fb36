// What a client checks before it believes a server, and the number that it takes.
#pragma once

#include <cstdint>
#include <string>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/client/mismatch.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// How long messages of variable length may get is the server's to say.
inline Shape adopt_maxima(Shape shape, const Shape& servers) noexcept {
  if (has_variable_request(shape.framing)) shape.request_size = servers.request_size;
  if (has_variable_reply(shape.framing)) shape.reply_size = servers.reply_size;
  return shape;
}

/// Compares what the server says of itself with what this program was compiled for. The Shape that both have.
inline Result<Shape> agree(const Names& names, const ServerPage& page, const Identity& identity,
                           std::uint64_t generation, const Contract& contract) {
  const auto mismatch = [&](const std::string& cause) { return names.error(Errc::layout_mismatch, cause); };
  if (identity.magic != server_page_magic) return mismatch(foreign_page);
  if (identity.version != abi_version) return platform::other_version(names, identity.version);
  const Shape shape = contract.takes_any ? identity.shape : adopt_maxima(contract.shape, identity.shape);
  if (!contract.takes_any) {
    if (const std::string cause = mismatch_text(contract, shape, page, identity.shape); !cause.empty())
      return mismatch(cause);
  }
  if (!is_possible(identity, generation)) return names.error(Errc::corrupt, impossible_page);
  const std::uint64_t needed = Geometry::of(shape, identity.slot_count).total_bytes;
  if (needed != identity.total_bytes) {
    return mismatch("the server speaks of " + std::to_string(identity.total_bytes) + " bytes where " +
                    std::to_string(needed) + " are needed; restart the server");
  }
  return shape;
}

/// Whether the segment is the one that the server page speaks of.
template <class Mapping>
Result<void> check_segment(const Names& names, const Mapping& segment, const Identity& identity) {
  if (segment.size() < identity.total_bytes) {
    return names.error(Errc::layout_mismatch, "the segment has " + std::to_string(segment.size()) + " bytes where " +
                                                  std::to_string(identity.total_bytes) +
                                                  " are needed; restart the server");
  }
  const SegmentMark mark = reinterpret_cast<const Header*>(segment.data())->mark;
  if (!belongs_to(mark, identity.generation)) return names.error(Errc::corrupt, foreign_segment);
  return {};
}

/// Whether a slot is client `number`'s.
inline bool owns_a_slot(const SlotArray& slot_array, std::uint32_t number) noexcept {
  for (std::uint32_t index = 0; index < slot_array.count(); ++index) {
    if (slot_array[index].owner.load(std::memory_order_relaxed) == number) return true;
  }
  return false;
}

/// Takes the next lease number that is free. The counter is only a hint: the kernel decides. A damaged one may give the
/// number of a dead client that has left a slot behind. It stays free until the slot was recovered: we would take the
/// slot for our own, and others would take its owner to live.
template <class ClientLease, class Mapping>
Result<ClientLease> take_lease(const Names& names, std::uint64_t generation, const Mapping& segment,
                               const SlotArray& slot_array, std::uint32_t& me) {
  Header& header = *reinterpret_cast<Header*>(segment.data());
  constexpr int tries = 1000;
  for (int i = 0; i < tries; ++i) {
    me = (header.next_client.fetch_add(1, std::memory_order_relaxed) + 1) & ClientLease::last;
    if (me == 0 || owns_a_slot(slot_array, me)) continue;
    auto lease = ClientLease::take(names, generation, segment, me);
    if (!lease && lease.error().code() == Errc::busy) continue;
    if (lease && owns_a_slot(slot_array, me)) continue;  // its last holder died just now
    return lease;
  }
  return names.error(
      Errc::corrupt,
      "no number is free for another client: the counter in shared memory does not advance, or a program "
      "has locked all numbers; end that program, or make the server anew");
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
