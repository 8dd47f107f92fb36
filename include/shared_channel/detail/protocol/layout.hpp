// The shared-memory ABI. Whatever two processes may disagree on stands in this file.
//
//   segment of one server generation, made by the server, mapped by everyone
//   0        +------------------------------------------------------------+
//            | Header                                                     |
//            |     0  identity: magic, version, sizes    (written once)   |
//            |   128  server: service, alive             (server writes)  |
//            |   256  exec bell: sequence, sleepers, high_water           |
//            |   384  turn: lock, bell, announced, starving (clients)     |
//            |   512  next_client                        (clients)        |
//   640      +------------------------------------------------------------+
//            | Slot 0                                                     |
//            |     0  owner, last, what a handler may ask      (clients) |
//            |   128  taken | text of a failed handler   (server writes)  |
//            |   384  request | reply | length | inline bytes             |  a pair of cache lines, both
//            |   512  request area   (absent if requests fit inline)      |
//            |     …  reply area     (absent if replies fit inline)       |
//            +------------------------------------------------------------+
//            | Slot 1 …                                                   |
//            +------------------------------------------------------------+
//
// A message of at most 112 bytes (and alignment 16) lies inline, beside the words that announce it, so that a call of
// up to 48 bytes moves one cache line each way, and one of up to 112 two. `owner` and `taken` are not there: each write
// to them in the middle of a call would move the line once more. Hot words of different writers are 128 bytes apart,
// because processors fetch lines in pairs.
//
// Version policy: abi_version goes up with any change to an offset, a size, a word's meaning or a
// transition in protocol.hpp. New meaning in reserved bytes that old peers may ignore needs no bump.
// All integers are of fixed width and natural alignment, in the machine's own byte order (checked).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

using Word = std::atomic<std::uint32_t>;
using LongWord = std::atomic<std::uint64_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 4, "a lock in a library cannot be shared");
static_assert(LongWord::is_always_lock_free && sizeof(LongWord) == 8, "a lock in a library cannot be shared");

inline constexpr std::uint64_t segment_magic = 0x4C45'4E4E'4148'4353;     // "SCHANNEL" in memory, little-endian
inline constexpr std::uint64_t rendezvous_magic = 0x5A45'444E'4552'4353;  // "SCRENDEZ"
inline constexpr std::uint32_t abi_version = 2;

inline constexpr std::size_t separation = 128;  // between words of different writers
inline constexpr std::size_t inline_capacity = 112;
inline constexpr std::size_t inline_alignment = 16;
inline constexpr std::size_t text_capacity = 252;
inline constexpr std::size_t largest_message = max_message_bytes;
inline constexpr std::size_t largest_alignment = 4096;

/// What clients find under the channel's name: which generation is current. 0: none.
struct Rendezvous {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved;
  alignas(8) LongWord generation;  // published when that generation's segment is ready
  alignas(8) LongWord announced;   // written before the segment is made: what a successor must remove
};
static_assert(offsetof(Rendezvous, generation) == 16 && offsetof(Rendezvous, announced) == 24);
inline constexpr std::size_t rendezvous_bytes = 4096;

/// Which of the two messages have a length of their own (bits): theirs is in the slot's length word, and `size`
/// is the most they may have. The others have exactly `size` bytes.
enum class Framing : std::uint32_t { fixed = 0, variable_request = 1, variable_reply = 2, variable_both = 3 };

constexpr bool has_variable_request(Framing framing) noexcept { return (static_cast<std::uint32_t>(framing) & 1) != 0; }
constexpr bool has_variable_reply(Framing framing) noexcept { return (static_cast<std::uint32_t>(framing) & 2) != 0; }

/// What both sides must agree on; compared field by field at attach.
struct Shape {
  std::uint32_t request_size;
  std::uint32_t request_align;
  std::uint32_t reply_size;
  std::uint32_t reply_align;
  std::uint64_t request_schema;  // the message type's schema_id, 0 if it has none
  std::uint64_t reply_schema;
  Framing framing;
  std::uint32_t reserved;

  friend bool operator==(const Shape&, const Shape&) = default;
};
static_assert(sizeof(Shape) == 40);

/// Written by the server before it publishes the generation, read once by a client at attach.
struct Identity {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slot_count;
  std::uint64_t total_bytes;
  std::uint64_t generation;
  Shape shape;
  std::uint64_t server_birth;  // Win32: the server's creation time, to tell it from a later process of its id
  std::uint32_t server_process;
  std::uint32_t reserved;
};
static_assert(sizeof(Identity) == 88);

/// Values of Header::service.
inline constexpr std::uint32_t service_open = 1;
inline constexpr std::uint32_t service_stopped = 2;

/// Where a thread announces that it sleeps; see doorbell.hpp.
struct DoorbellWords {
  Word sequence;
  Word sleepers;
};

/// Tells the caller that waits for a slot that one was freed; see doorbell.hpp.
struct SlotFreed {
  Word sequence;
  Word announced;
  Word starving;
};

struct alignas(separation) Header {
  Identity identity;
  std::byte reserved0[separation - sizeof(Identity)];
  Word service;
  Word alive;  // the server's beacon: meaning in detail/platform/<system>.hpp, 0 after an orderly end
  std::byte reserved1[separation - 2 * sizeof(Word)];
  DoorbellWords exec;
  Word high_water;  // slots [0, high_water) have ever been used: all the server needs to look at
  std::byte reserved2[separation - sizeof(DoorbellWords) - sizeof(Word)];
  Word client_mutex;  // Linux: callers beyond the slots queue on it; Win32 has a kernel object for it
  SlotFreed slot_freed;
  std::byte reserved3[separation - sizeof(Word) - sizeof(SlotFreed)];
  Word next_client;
  std::byte reserved4[separation - sizeof(Word)];
};
static_assert(offsetof(Header, service) == 128);
static_assert(offsetof(Header, alive) == 132);
static_assert(offsetof(Header, exec) == 256);
static_assert(offsetof(Header, high_water) == 264);
static_assert(offsetof(Header, client_mutex) == 384);
static_assert(offsetof(Header, slot_freed) == 388);
static_assert(offsetof(Header, next_client) == 512);
static_assert(sizeof(Header) == 640);

/// One call in flight. Its life is told in protocol.hpp.
struct alignas(separation) Slot {
  Word owner;         // the client that holds the slot, 0 if none
  Word process;       // its process id, as it says; for the handler's information
  LongWord deadline;  // of the call, in ns of the steady clock; 0: not yet known, see timeout
  LongWord timeout;   // of the call in ns, from when it is posted
  Word last;          // done(s): after call s the slot was given back settled; idle: ask the other words
  std::byte reserved0[100];
  Word taken;  // which call a worker executes, or executed last
  char text[text_capacity];
  Word request;  // which call is asked
  Word reply;    // which call was answered last, and how
  Word length;   // of the message or text now in the slot; not trusted
  std::byte reserved1[4];
  std::byte inline_bytes[inline_capacity];
};
static_assert(offsetof(Slot, process) == 4);
static_assert(offsetof(Slot, deadline) == 8);
static_assert(offsetof(Slot, timeout) == 16);
static_assert(offsetof(Slot, last) == 24);
static_assert(offsetof(Slot, taken) == 128);
static_assert(offsetof(Slot, text) == 132);
static_assert(offsetof(Slot, request) == 384);
static_assert(offsetof(Slot, reply) == 388);
static_assert(offsetof(Slot, length) == 392);
static_assert(offsetof(Slot, inline_bytes) == 400);
static_assert(sizeof(Slot) == 512);

/// Where everything lies, computed by each side from its own constants: no offset is read from
/// shared memory. 64 bits wide, so that no product overflows for any accepted input.
struct Geometry {
  std::uint64_t request_offset;  // within a slot
  std::uint64_t reply_offset;
  std::uint64_t slot_stride;
  std::uint64_t slots_offset;  // of slot 0 in the segment
  std::uint64_t total_bytes;

  static constexpr Geometry of(const Shape& shape, std::uint32_t slot_count) noexcept {
    std::uint64_t end = sizeof(Slot);
    std::uint64_t stride_align = separation;
    const auto place = [&](std::uint64_t size, std::uint64_t align) {
      if (size <= inline_capacity && align <= inline_alignment) {
        return std::uint64_t{offsetof(Slot, inline_bytes)};
      }
      const std::uint64_t boundary = align > separation ? align : separation;
      if (boundary > stride_align) stride_align = boundary;
      const std::uint64_t at = round_up(end, boundary);
      end = at + size;
      return at;
    };
    Geometry geometry{};
    geometry.request_offset = place(shape.request_size, shape.request_align);
    geometry.reply_offset = place(shape.reply_size, shape.reply_align);
    geometry.slot_stride = round_up(end, stride_align);
    geometry.slots_offset = round_up(sizeof(Header), stride_align);
    geometry.total_bytes = geometry.slots_offset + slot_count * geometry.slot_stride;
    return geometry;
  }

 private:
  static constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) noexcept {
    return (value + multiple - 1) / multiple * multiple;
  }
};

/// "request of 8 bytes aligned to 4, reply of …", for layout_mismatch.
inline std::string describe(const Shape& shape) {
  const auto message = [](const char* what, bool variable, std::uint32_t size, std::uint32_t align,
                          std::uint64_t schema) {
    std::string text = std::string(what) +
                       (variable ? " of variable length" : " of " + std::to_string(size) + " bytes") + " aligned to " +
                       std::to_string(align);
    if (schema != 0) text += " with schema " + std::to_string(schema);
    return text;
  };
  return message("a request", has_variable_request(shape.framing), shape.request_size, shape.request_align,
                 shape.request_schema) +
         " and " +
         message("a reply", has_variable_reply(shape.framing), shape.reply_size, shape.reply_align, shape.reply_schema);
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
