// The zero-copy message of any length.
#pragma once

namespace shared_channel {

/// Names a channel of plain bytes: SharedChannel<Bytes>. Its clients use call_in_place with
/// `std::size_t fill(std::span<std::byte>)`, which returns how many bytes it wrote, and `read(std::span<const std::byte>)`;
/// its handlers are `std::size_t(std::span<const std::byte> request, std::span<std::byte> reply)`. The spans that are
/// written lie in shared memory: up to ServerOptions::max_request_bytes and max_reply_bytes. Those that are read do if they have
/// more than 4096 bytes; shorter ones are private copies.
struct Bytes;

}  // namespace shared_channel
