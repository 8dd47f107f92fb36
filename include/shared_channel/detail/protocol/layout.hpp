// The shared-memory ABI: every byte on which two processes must agree, but for the text in a Description
// (description.hpp).
//
//   server page of one generation: written by the server, read-only for clients
//   0        +------------------------------------------------------------+
//            | ServerPage                                                 |
//            |     0  identity: magic, version, sizes   (written once)    |
//            |   128  service, alive                                      |
//            |   256  statistics                                          |
//            |   512  descriptions of request and reply (written once)    |
//   4096     +------------------------------------------------------------+
//
//   segment of the same generation: made by the server, written by everyone
//   0        +------------------------------------------------------------+
//            | Header                                                     |
//            |     0  mark: magic, version, generation   (written once)   |
//            |   256  exec: sequence, sleepers, high_water                |
//            |   384  client_mutex, slot_freed           (clients)        |
//            |   512  next_client                        (clients)        |
//   640      +------------------------------------------------------------+
//            | Slot 0                                                     |
//            |     0  owner, last, place, for handlers         (clients)  |
//            |   128  taken | text of a failed handler   (server writes)  |
//            |   384  request | reply | length | before | inline bytes    |  a pair of cache lines, written by both
//            |   512  request area   (absent if requests fit inline)      |
//            |   ...  reply area     (absent if replies fit inline)       |
//            +------------------------------------------------------------+
//            | Slot 1 ...                                                 |
//            +------------------------------------------------------------+
//
// What clients only read is a page of its own, so that no client can change it: a process that could write `service` or
// `alive` could end a channel for all others.
//
// A message of at most 112 bytes (and alignment 16) lies inline, beside the words that announce it, so that a call of
// up to 48 bytes moves one cache line each way, and one of up to 112 two. `owner` and `taken` are not there: each write
// to them in the middle of a call would move the line once more. Hot words of different writers are 128 bytes apart,
// because processors fetch lines in pairs.
//
// Version policy: abi_version goes up with any change to an offset, a size, a word's meaning or a transition in
// slot_protocol.hpp. New meaning in reserved bytes that old peers may ignore needs no bump.
// All integers are of fixed width and natural alignment, in the machine's own byte order (checked).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <shared_channel/detail/protocol/description.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

using Word = std::atomic<std::uint32_t>;
using LongWord = std::atomic<std::uint64_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 4, "a lock in a library cannot be shared");
static_assert(LongWord::is_always_lock_free && sizeof(LongWord) == 8, "a lock in a library cannot be shared");

inline constexpr std::uint64_t segment_magic = 0x4C45'4E4E'4148'4353;      // "SCHANNEL" in memory, little-endian
inline constexpr std::uint64_t server_page_magic = 0x5245'5652'4553'4353;  // "SCSERVER"
inline constexpr std::uint64_t rendezvous_magic = 0x5A45'444E'4552'4353;   // "SCRENDEZ"
inline constexpr std::uint32_t abi_version = 3;

inline constexpr std::size_t separation = 128;  // between words of different writers
inline constexpr std::size_t inline_capacity = 112;
inline constexpr std::size_t inline_alignment = 16;
inline constexpr std::size_t text_capacity = 252;
inline constexpr std::size_t largest_alignment = 4096;

/// What clients find under the channel's name: which generation is current. 0: none.
struct Rendezvous {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved;
  alignas(8) LongWord generation;  // published when that generation's segment is ready
  alignas(8) LongWord announced;   // written before the segment is made: what a successor must remove
};
static_assert(offsetof(Rendezvous, magic) == 0 && offsetof(Rendezvous, version) == 8);
static_assert(offsetof(Rendezvous, generation) == 16 && offsetof(Rendezvous, announced) == 24);
static_assert(sizeof(Rendezvous) == 32);
inline constexpr std::size_t rendezvous_bytes = 4096;

/// Which of the two messages have a length of their own (bits): theirs is in the slot's length word, and `size`
/// is the most they may have. The others have exactly `size` bytes.
enum class Framing : std::uint32_t { fixed = 0, variable_request = 1, variable_reply = 2, variable_both = 3 };

constexpr bool has_variable_request(Framing framing) noexcept { return (static_cast<std::uint32_t>(framing) & 1) != 0; }
constexpr bool has_variable_reply(Framing framing) noexcept { return (static_cast<std::uint32_t>(framing) & 2) != 0; }

/// How the messages lie in a slot; both sides must agree on it.
struct Shape {
  std::uint32_t request_size;
  std::uint32_t request_align;
  std::uint32_t reply_size;
  std::uint32_t reply_align;
  Framing framing;
  std::uint32_t reserved;

  friend bool operator==(const Shape&, const Shape&) = default;
};
static_assert(offsetof(Shape, request_size) == 0 && offsetof(Shape, request_align) == 4);
static_assert(offsetof(Shape, reply_size) == 8 && offsetof(Shape, reply_align) == 12);
static_assert(offsetof(Shape, framing) == 16 && sizeof(Shape) == 24);

/// What a server is, said before it publishes the generation, and read once by a client that attaches.
struct Identity {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slot_count;
  std::uint64_t total_bytes;  // of the segment
  std::uint64_t generation;
  Shape shape;
  alignas(8) std::uint64_t server_birth;  // Win32: when the server was created, to tell it from later ones of its id
  std::uint32_t server_process;
  std::uint32_t flags;
  alignas(8) std::uint64_t clock_id;  // tells clocks apart where a machine has several; 0: unknown
};
static_assert(offsetof(Identity, magic) == 0 && offsetof(Identity, version) == 8);
static_assert(offsetof(Identity, slot_count) == 12 && offsetof(Identity, total_bytes) == 16);
static_assert(offsetof(Identity, generation) == 24 && offsetof(Identity, shape) == 32);
static_assert(offsetof(Identity, server_birth) == 56 && offsetof(Identity, server_process) == 64);
static_assert(offsetof(Identity, flags) == 68);
static_assert(offsetof(Identity, clock_id) == 72 && sizeof(Identity) == 80);

/// Bit of Identity::flags: peers may be of different users, so a slot does not keep its message for the next reader. A
/// client that gives one back clears it.
inline constexpr std::uint32_t slots_are_cleared = 1;

/// Values of ServerPage::service.
inline constexpr std::uint32_t service_open = 1;
inline constexpr std::uint32_t service_stopped = 2;

/// What a server has counted since it was made, for other programs to read. Written when it looks after its words: at
/// most two seconds old, unless all of its threads are in handlers, of which a busy one looks at the clock after 64
/// calls at the latest. Each number is whole; together they may be of two
/// moments.
struct Statistics {
  LongWord done;       // answered by the handler
  LongWord failed;     // the handler failed, passed an error on, or its answer was too large
  LongWord refused;    // posted, and not begun when the server stopped
  LongWord withdrawn;  // given up by their callers before a handler saw them, as far as the slots tell
  LongWord abandoned;  // given up while the handler ran
  LongWord malformed;  // could not be decoded
  LongWord damaged;    // slots in a state that no correct peer leaves, and reset
  LongWord as_of;      // in ns of the server's steady clock; 0: not written yet
  LongWord reserved[24];
};
static_assert(offsetof(Statistics, done) == 0 && offsetof(Statistics, failed) == 8);
static_assert(offsetof(Statistics, refused) == 16 && offsetof(Statistics, withdrawn) == 24);
static_assert(offsetof(Statistics, abandoned) == 32 && offsetof(Statistics, malformed) == 40);
static_assert(offsetof(Statistics, damaged) == 48 && offsetof(Statistics, as_of) == 56);
static_assert(sizeof(Statistics) == 256);

inline constexpr std::size_t server_page_bytes = 4096;

/// What the server tells its clients, who cannot write it.
struct alignas(separation) ServerPage {
  Identity identity;
  std::byte reserved0[separation - sizeof(Identity)];
  Word service;
  Word alive;  // the liveness word: its meaning is in detail/platform/<system>/beacon.hpp, 0 after a graceful end
  std::byte reserved1[separation - 2 * sizeof(Word)];
  Statistics statistics;
  Description request;
  Description reply;
};
static_assert(offsetof(ServerPage, identity) == 0);
static_assert(offsetof(ServerPage, service) == 128 && offsetof(ServerPage, alive) == 132);
static_assert(offsetof(ServerPage, statistics) == 256);
static_assert(offsetof(ServerPage, request) == 512 && offsetof(ServerPage, reply) == 2304);
static_assert(sizeof(ServerPage) == server_page_bytes);

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

/// Tells that a segment belongs to a server page.
struct SegmentMark {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved;
  std::uint64_t generation;
};
static_assert(offsetof(SegmentMark, magic) == 0 && offsetof(SegmentMark, version) == 8);
static_assert(offsetof(SegmentMark, generation) == 16 && sizeof(SegmentMark) == 24);

struct alignas(separation) Header {
  SegmentMark mark;
  std::byte reserved0[2 * separation - sizeof(SegmentMark)];
  DoorbellWords exec;
  Word high_water;  // slots [0, high_water) have ever been used: all the server needs to look at
  std::byte reserved1[separation - sizeof(DoorbellWords) - sizeof(Word)];
  Word client_mutex;  // Linux: callers beyond the slots queue on it; Win32 has a kernel object for it
  SlotFreed slot_freed;
  std::byte reserved2[separation - sizeof(Word) - sizeof(SlotFreed)];
  Word next_client;
  std::byte reserved3[separation - sizeof(Word)];
};
static_assert(offsetof(Header, mark) == 0);
static_assert(offsetof(Header, exec) == 256 && sizeof(DoorbellWords) == 8);
static_assert(offsetof(DoorbellWords, sequence) == 0 && offsetof(DoorbellWords, sleepers) == 4);
static_assert(offsetof(Header, high_water) == 264);
static_assert(offsetof(Header, client_mutex) == 384);
static_assert(offsetof(Header, slot_freed) == 388 && sizeof(SlotFreed) == 12);
static_assert(offsetof(SlotFreed, sequence) == 0 && offsetof(SlotFreed, announced) == 4);
static_assert(offsetof(SlotFreed, starving) == 8);
static_assert(offsetof(Header, next_client) == 512);
static_assert(sizeof(Header) == 640 && alignof(Header) == separation);

/// One call in flight. Its life is told in slot_protocol.hpp.
struct alignas(separation) Slot {
  Word owner;         // the client that holds the slot, 0 if none
  Word process;       // its process id, as it says; for the handler's information
  LongWord deadline;  // of the call, in ns of the steady clock; 0: not yet known, see timeout
  LongWord timeout;   // of the call in ns, from when it is posted
  Word last;          // done(s): after call s the slot was given back settled; idle: ask the other words
  Word passed_on;     // with phase failed: the error that the handler passed on; see passed_on.hpp. Not trusted
  Word place;         // of the call among its thread's, 0: nothing else of it is in flight; see order.hpp
  std::byte reserved0[92];
  Word taken;  // which call a worker executes, or executed last
  char text[text_capacity];
  Word request;  // which call is asked
  Word reply;    // which call was answered last, and how
  Word length;   // of the message or text now in the slot; not trusted
  Word before;   // which call its thread posted before it, 0: nothing else of it is in flight; see order.hpp
  std::byte inline_bytes[inline_capacity];
};
static_assert(offsetof(Slot, owner) == 0 && offsetof(Slot, process) == 4);
static_assert(offsetof(Slot, deadline) == 8);
static_assert(offsetof(Slot, timeout) == 16);
static_assert(offsetof(Slot, last) == 24);
static_assert(offsetof(Slot, passed_on) == 28);
static_assert(offsetof(Slot, place) == 32);
static_assert(offsetof(Slot, taken) == 128);
static_assert(offsetof(Slot, text) == 132);
static_assert(offsetof(Slot, request) == 384);
static_assert(offsetof(Slot, reply) == 388);
static_assert(offsetof(Slot, length) == 392);
static_assert(offsetof(Slot, before) == 396);
static_assert(offsetof(Slot, inline_bytes) == 400);
static_assert(sizeof(Slot) == 512 && alignof(Slot) == separation);

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

/// Whether the messages of a Shape that came from elsewhere can be.
constexpr bool is_possible(const Shape& shape) noexcept {
  const auto is_message = [](std::uint32_t size, std::uint32_t align) {
    return size != 0 && size <= max_message_bytes && align != 0 && align <= largest_alignment &&
           (align & (align - 1)) == 0;
  };
  return is_message(shape.request_size, shape.request_align) && is_message(shape.reply_size, shape.reply_align) &&
         shape.framing <= Framing::variable_both;
}

/// Whether an Identity that came from elsewhere can be this generation's.
constexpr bool is_possible(const Identity& identity, std::uint64_t generation) noexcept {
  return identity.generation == generation && identity.slot_count != 0 && identity.slot_count <= max_slots &&
         is_possible(identity.shape);
}

constexpr bool belongs_to(const SegmentMark& mark, std::uint64_t generation) noexcept {
  return mark.magic == segment_magic && mark.version == abi_version && mark.generation == generation;
}

// What is said of a server page that fails these checks.
inline constexpr char foreign_page[] = "the server page is not a SharedChannel server's, or has a different byte order";
inline constexpr char impossible_page[] =
    "the server page holds impossible values: something has written to it; restart the server";
inline constexpr char foreign_segment[] =
    "the segment is not the one that the server page speaks of: something has written to either; restart the server";

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
