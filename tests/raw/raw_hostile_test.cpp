// What a raw client or server makes of words that no correct peer writes.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <cstdint>
#include <string>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

namespace raw_hostile_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

TEST_CASE("raw hostile: a request of an impossible length reaches nobody") {
  const auto name = unique_name("raw");
  RawServer server(name, {variable_message(1000), variable_message(1000)});
  const faults::LiveSegment segment(name);
  RawClient client(name);
  for (const std::uint32_t length : {1001u, ~0u}) {
    auto asked = client.call_async(bytes_of("x"), amply);
    segment.slot_array()[0].length = length;
    CHECK_FALSE(server.next(0ns).value());
    const auto answer = asked.get();
    CHECK(error_of(answer) == Errc::corrupt);
    CHECK(answer.error().not_executed());
  }
  CHECK(server.stats().malformed == 2);

  auto good = client.call_async(bytes_of("good"), amply);
  auto call = server.next(amply).value();
  REQUIRE(call);
  call->responder.reply(call->request.bytes());
  CHECK(text_of(good.get().value().bytes()) == "good");
}

TEST_CASE("raw hostile: a reply of an impossible length is no view of what lies behind") {
  const auto name = unique_name("raw");
  RawServer server(name, {variable_message(1000), variable_message(1000)});
  const faults::LiveSegment segment(name);
  RawClient client(name);
  auto asked = client.call_async(bytes_of("x"), amply);
  server.next(amply).value().value().responder.reply(bytes_of("y"));
  segment.slot_array()[0].length = 1001;
  const auto answer = asked.get();
  CHECK(error_of(answer) == Errc::corrupt);
  CHECK_FALSE(answer.error().not_executed());
  // The slot was given back.
  auto next = client.call_async(bytes_of("z"), {amply, 0ns});
  server.next(amply).value().value().responder.reply(bytes_of("z"));
  RawReply reply = next.get().value();
  segment.slot_array()[0].length = ~0u;  // too late to have an effect
  CHECK(text_of(reply.bytes()) == "z");
}

TEST_CASE("raw hostile: a length means nothing where the size is fixed") {
  const auto name = unique_name("raw");
  RawServer server(name, {fixed_message(4), fixed_message(4)});
  const faults::LiveSegment segment(name);
  RawClient client(name);
  auto asked = client.call_async(bytes_of("four"), amply);
  segment.slot_array()[0].length = ~0u;
  auto call = server.next(amply).value();
  REQUIRE(call);
  CHECK(text_of(call->request.bytes()) == "four");
  call->responder.reply(call->request.bytes());
  segment.slot_array()[0].length = 1;
  CHECK(text_of(asked.get().value().bytes()) == "four");
}

TEST_CASE("raw hostile: a shape that cannot be is not taken") {
  using Shape = detail::Shape&;
  for (void (*damage)(Shape) : {
           +[](Shape shape) { shape.request_size = 0; },
           +[](Shape shape) { shape.reply_size = (1u << 30) + 1; },
           +[](Shape shape) { shape.request_align = 3; },
           +[](Shape shape) { shape.reply_align = 8192; },
           +[](Shape shape) { shape.framing = detail::Framing{4}; },
       }) {
    const auto name = unique_name("raw");
    RawServer server(name, ChannelShape{});
    const faults::LiveSegment segment(name);
    damage(segment.page().identity.shape);
    RawClient client(name);
    CHECK(error_of(client.shape(0ns)) == Errc::corrupt);
    CHECK(error_of(client.call({}, {}, 0ns)) == Errc::corrupt);
  }
  // One that could be, but for the segment's size.
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  const faults::LiveSegment segment(name);
  segment.page().identity.shape.request_size += 128;
  CHECK(error_of(RawClient(name).shape(0ns)) == Errc::layout_mismatch);
}

}  // namespace raw_hostile_test
