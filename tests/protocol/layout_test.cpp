// The shared memory as other programs and other versions know it.
#include "support/catch.hpp"

#include <shared_channel/detail/protocol/layout.hpp>

namespace layout_test {

using namespace shared_channel::detail;

namespace {

constexpr Shape shape(std::uint32_t request_size, std::uint32_t request_align, std::uint32_t reply_size,
                      std::uint32_t reply_align) {
  return {request_size, request_align, reply_size, reply_align, Framing::fixed, 0};
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
  CHECK(std::string(reinterpret_cast<const char*>(&server_page_magic), 8) == "SCSERVER");
  CHECK(abi_version == 3);
}

TEST_CASE("layout: values that other programs know") {
  CHECK(rendezvous_bytes == 4096);
  CHECK(static_cast<std::uint32_t>(Framing::fixed) == 0);
  CHECK(static_cast<std::uint32_t>(Framing::variable_request) == 1);
  CHECK(static_cast<std::uint32_t>(Framing::variable_reply) == 2);
  CHECK(static_cast<std::uint32_t>(Framing::variable_both) == 3);
  CHECK(service_open == 1);
  CHECK(service_stopped == 2);
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

TEST_CASE("layout: a description says no more than it has, and nothing that a terminal would take for an order") {
  Description description{};
  description.write("48 bytes aligned to 8");
  CHECK(description.read() == "48 bytes aligned to 8");
  description.text[0] = '\033';
  CHECK(description.read() == "?8 bytes aligned to 8");
  description.length = 0xFFFF'FFFF;
  CHECK(description.read().size() == Description::capacity);
}

TEST_CASE("layout: of a description that is too long the beginning and the hash of all of it are kept") {
  Description description{};
  const std::string fitting(Description::capacity, 'x');
  description.write(fitting);
  CHECK(description.read() == fitting);
  CHECK(description.is_of(fitting));
  CHECK_FALSE(description.is_of(fitting + 'x'));

  description.write(fitting + 'x');
  CHECK(description.read() == std::string(Description::capacity - 17, 'x') + "~f1637ac2fcff14b7");
  CHECK(description.is_of(fitting + 'x'));
  CHECK_FALSE(description.is_of(fitting + 'y'));
  CHECK_FALSE(description.is_of(fitting + "xx"));
}

TEST_CASE("layout: descriptions are compared as they are, whatever is shown of them") {
  Description description{};
  description.write("{i32}#gr\xC3\xB6\xC3\x9F\x65");
  CHECK(description.read() == "{i32}#gr????e");
  CHECK(description.is_of("{i32}#gr\xC3\xB6\xC3\x9F\x65"));
  CHECK_FALSE(description.is_of(description.read()));
}

}  // namespace layout_test
