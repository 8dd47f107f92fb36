// The shared memory as other programs and other versions know it.
#include "support/catch.hpp"

#include <shared_channel/detail/protocol/layout.hpp>

namespace layout_test {

using namespace shared_channel::detail;

namespace {

constexpr Shape shape(std::uint32_t request_size, std::uint32_t request_align, std::uint32_t reply_size,
                      std::uint32_t reply_align) {
  return {request_size, request_align, reply_size, reply_align, 0, 0, Framing::fixed, 0};
}

constexpr bool is(const Geometry& geometry, std::uint64_t request, std::uint64_t reply, std::uint64_t stride,
                  std::uint64_t slots, std::uint64_t total) {
  return geometry.request_offset == request && geometry.reply_offset == reply && geometry.slot_stride == stride &&
         geometry.slots_offset == slots && geometry.total_bytes == total;
}

}  // namespace

TEST_CASE("layout: the magic numbers read as text and the version is pinned") {
  CHECK(std::string(reinterpret_cast<const char*>(&segment_magic), 8) == "SCHANNEL");
  CHECK(std::string(reinterpret_cast<const char*>(&rendezvous_magic), 8) == "SCRENDEZ");
  CHECK(abi_version == 2);
}

TEST_CASE("layout: the rendezvous record") {
  CHECK(rendezvous_bytes == 4096);
  CHECK(sizeof(Rendezvous) == 32);
  CHECK(offsetof(Rendezvous, magic) == 0);
  CHECK(offsetof(Rendezvous, version) == 8);
  CHECK(offsetof(Rendezvous, generation) == 16);
  CHECK(offsetof(Rendezvous, announced) == 24);
}

TEST_CASE("layout: the identity") {
  CHECK(sizeof(Identity) == 88);
  CHECK(offsetof(Header, identity) == 0);
  CHECK(offsetof(Identity, magic) == 0);
  CHECK(offsetof(Identity, version) == 8);
  CHECK(offsetof(Identity, slot_count) == 12);
  CHECK(offsetof(Identity, total_bytes) == 16);
  CHECK(offsetof(Identity, generation) == 24);
  CHECK(offsetof(Identity, shape) == 32);
  CHECK(offsetof(Identity, server_birth) == 72);
  CHECK(offsetof(Identity, server_process) == 80);
}

TEST_CASE("layout: the shape of the messages") {
  CHECK(sizeof(Shape) == 40);
  CHECK(offsetof(Shape, request_size) == 0);
  CHECK(offsetof(Shape, request_align) == 4);
  CHECK(offsetof(Shape, reply_size) == 8);
  CHECK(offsetof(Shape, reply_align) == 12);
  CHECK(offsetof(Shape, request_schema) == 16);
  CHECK(offsetof(Shape, reply_schema) == 24);
  CHECK(offsetof(Shape, framing) == 32);
  CHECK(static_cast<std::uint32_t>(Framing::fixed) == 0);
  CHECK(static_cast<std::uint32_t>(Framing::variable_request) == 1);
  CHECK(static_cast<std::uint32_t>(Framing::variable_reply) == 2);
  CHECK(static_cast<std::uint32_t>(Framing::variable_both) == 3);
}

TEST_CASE("layout: the header") {
  CHECK(sizeof(Header) == 640);
  CHECK(alignof(Header) == 128);
  CHECK(offsetof(Header, service) == 128);
  CHECK(offsetof(Header, alive) == 132);
  CHECK(offsetof(Header, exec) == 256);
  CHECK(offsetof(Header, high_water) == 264);
  CHECK(offsetof(Header, client_mutex) == 384);
  CHECK(offsetof(Header, slot_freed) == 388);
  CHECK(offsetof(Header, next_client) == 512);
  CHECK(service_open == 1);
  CHECK(service_stopped == 2);
}

TEST_CASE("layout: the bells") {
  CHECK(sizeof(DoorbellWords) == 8);
  CHECK(offsetof(DoorbellWords, sequence) == 0);
  CHECK(offsetof(DoorbellWords, sleepers) == 4);
  CHECK(sizeof(SlotFreed) == 12);
  CHECK(offsetof(SlotFreed, sequence) == 0);
  CHECK(offsetof(SlotFreed, announced) == 4);
  CHECK(offsetof(SlotFreed, starving) == 8);
}

TEST_CASE("layout: a slot") {
  CHECK(sizeof(Slot) == 512);
  CHECK(alignof(Slot) == 128);
  CHECK(offsetof(Slot, owner) == 0);
  CHECK(offsetof(Slot, process) == 4);
  CHECK(offsetof(Slot, deadline) == 8);
  CHECK(offsetof(Slot, timeout) == 16);
  CHECK(offsetof(Slot, last) == 24);
  CHECK(offsetof(Slot, taken) == 128);
  CHECK(offsetof(Slot, text) == 132);
  CHECK(sizeof(Slot::text) == 252);
  CHECK(offsetof(Slot, request) == 384);
  CHECK(offsetof(Slot, reply) == 388);
  CHECK(offsetof(Slot, length) == 392);
  CHECK(offsetof(Slot, inline_bytes) == 400);
  CHECK(sizeof(Slot::inline_bytes) == 112);
}

TEST_CASE("layout: small messages share the line of the words that announce them") {
  CHECK(is(Geometry::of(shape(1, 1, 1, 1), 1), 400, 400, 512, 640, 1152));
  CHECK(is(Geometry::of(shape(16, 8, 24, 8), 16), 400, 400, 512, 640, 8832));
  CHECK(is(Geometry::of(shape(112, 16, 112, 16), 2), 400, 400, 512, 640, 1664));
}

TEST_CASE("layout: larger or stricter aligned messages have areas of their own") {
  CHECK(is(Geometry::of(shape(113, 1, 1, 1), 1), 512, 400, 640, 640, 1280));
  CHECK(is(Geometry::of(shape(1, 1, 113, 1), 1), 400, 512, 640, 640, 1280));
  CHECK(is(Geometry::of(shape(32, 32, 32, 32), 1), 512, 640, 768, 640, 1408));
  CHECK(is(Geometry::of(shape(64, 64, 64, 64), 1), 512, 640, 768, 640, 1408));
  CHECK(is(Geometry::of(shape(1 << 20, 1, 1 << 20, 1), 1), 512, 1'049'088, 2'097'664, 640, 2'098'304));
}

TEST_CASE("layout: page-aligned messages lie on pages") {
  CHECK(is(Geometry::of(shape(4096, 4096, 4096, 4096), 2), 4096, 8192, 12'288, 4096, 28'672));
}

TEST_CASE("layout: the largest channel does not overflow") {
  CHECK(
      is(Geometry::of(shape(1 << 30, 1, 1 << 30, 1), 4096), 512, 1'073'742'336, 2'147'484'160, 640, 8'796'095'120'000));
}

TEST_CASE("layout: a shape describes itself") {
  CHECK(describe(shape(8, 4, 1, 1)) == "a request of 8 bytes aligned to 4 and a reply of 1 bytes aligned to 1");
}

}  // namespace layout_test
