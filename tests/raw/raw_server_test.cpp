// Raw servers: handlers in all their forms, and requests that are pulled.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

namespace raw_server_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

static_assert(!std::is_copy_constructible_v<RawServer> && std::is_nothrow_move_constructible_v<RawServer>);
static_assert(!std::is_copy_constructible_v<RawResponder> && std::is_nothrow_move_constructible_v<RawResponder>);
static_assert(!std::is_copy_constructible_v<RawRequest> && std::is_nothrow_move_constructible_v<RawRequest>);

struct Numbers {
  std::int32_t a = 0, b = 0;
};
using Adder = SharedChannel<Numbers, std::int32_t>;
using Text = SharedChannel<std::string>;

constexpr auto add = [](std::span<const std::byte> request, std::span<std::byte> reply) {
  const auto numbers = value_of<Numbers>(request);
  const std::int32_t sum = numbers.a + numbers.b;
  std::memcpy(reply.data(), &sum, sizeof sum);
  return sizeof sum;
};

}  // namespace

TEST_CASE("raw server: typed clients call it, in this process and in another") {
  const auto name = unique_name("raw");
  RawServer server(name, channel_shape_of<Numbers, std::int32_t>());
  server.start(add).value();
  Adder::Client client(name);
  CHECK(client.call({40, 2}, amply).value() == 42);
  CHECK(client.call_async({1, 2}, amply).get().value() == 3);

  const auto texts = unique_name("raw");
  RawServer echo(texts, {variable_message(10000, "string"), variable_message(10000, "string")});
  echo.start(echo_bytes).value();
  auto caller = peer("call_text", texts, "60");
  CHECK(caller.read_line() == "ok");
  CHECK(server.stats().done == 2);
}

TEST_CASE("raw server: the handler's last argument may be the call's context") {
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  std::atomic<std::chrono::steady_clock::time_point> deadline{};
  server
      .start([&](std::span<const std::byte> request, std::span<std::byte> reply, const CallContext& context) {
        deadline = context.deadline();
        return echo_bytes(request, reply);
      })
      .value();
  RawClient client(name);
  const auto before = std::chrono::steady_clock::now();
  CHECK(ask_raw(client, "hello", amply).value() == "hello");
  CHECK(deadline.load() >= before + amply);
}

TEST_CASE("raw server: an answer later, from another thread") {
  const auto name = unique_name("raw");
  std::vector<std::jthread> threads;  // the server's: it ends before they do
  RawServer server(name, ChannelShape{});
  server
      .start([&](RawRequest request, RawResponder responder) {
        threads.emplace_back([request = std::move(request), responder = std::move(responder)]() mutable {
          const std::string text = text_of(request.bytes());
          if (text == "text") return responder.fail("as asked");
          if (text == "error") return responder.fail(Error(Errc::busy, "", "too much to do"));
          if (text == "drop") return;
          if (text == "place") {
            return responder.reply_in_place([](std::span<std::byte> room) {
              std::memcpy(room.data(), "placed", 6);
              return std::size_t{6};
            });
          }
          if (text == "large") return responder.reply(std::vector<std::byte>(65537));
          responder.reply(request.bytes());
          responder.reply({});  // too late to have an effect
        });
      })
      .value();
  RawClient client(name);
  CHECK(ask_raw(client, "hello", amply).value() == "hello");
  CHECK(ask_raw(client, "place", amply).value() == "placed");
  CHECK(ask_raw(client, std::string(20000, 'x'), amply).value() == std::string(20000, 'x'));
  CHECK(ask_raw(client, "text", amply).error().message().find("as asked") != std::string::npos);
  const auto relayed = ask_raw(client, "error", amply);
  CHECK(error_of(relayed) == Errc::busy);
  CHECK(relayed.error().not_executed());
  CHECK(error_of(ask_raw(client, "drop", amply)) == Errc::handler_failed);
  CHECK(error_of(ask_raw(client, "large", amply)) == Errc::message_too_large);
}

TEST_CASE("raw server: a part of a short request may be its answer") {
  const auto name = unique_name("raw");
  RawServer server(name, {variable_message(100), variable_message(100)});
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
  server.start([](std::span<const std::byte> request, RawResponder responder) { responder.reply(request.subspan(1)); })
      .value();
  RawClient client(name);
  CHECK(ask_raw(client, text, amply).value() == text.substr(1));
}

TEST_CASE("raw server: a request may be looked at where it lies, and the answer written where it goes") {
  const auto name = unique_name("raw");
  RawServer server(name, {variable_message(9000), variable_message(9000)});
  std::optional<RawResponder> kept;
  std::span<const std::byte> seen;
  const auto keep = [&](std::span<const std::byte> request, RawResponder responder, const CallContext& call) {
    CHECK(call.slot() < 16);
    seen = request;
    kept.emplace(std::move(responder));
  };
  RawClient client(name);
  for (const std::size_t length : {0u, 3u, 113u, 9000u}) {
    auto call = client.call_async(bytes_of(std::string(length, 'q')), amply);
    REQUIRE(server.serve_one(keep, amply).value());
    CHECK(text_of(seen) == std::string(length, 'q'));
    const auto room = kept->room();
    REQUIRE(room.size() == 9000);
    if (length != 0) std::memcpy(room.data(), seen.data(), seen.size());
    kept->reply_in_place([&](std::span<std::byte> same) {
      CHECK(same.data() == room.data());
      return length;
    });
    CHECK(kept->room().empty());
    CHECK(text_of(call.get().value().bytes()) == std::string(length, 'q'));
  }
}

TEST_CASE("raw server: a caller cannot change a request of up to 4096 bytes while it is looked at") {
  const auto name = unique_name("raw");
  RawServer server(name, {variable_message(9000), variable_message(9000)});
  RawClient client(name);
  for (const std::size_t length : {1u, 129u, 4096u}) {
    auto draft = client.draft(amply).value();
    const auto room = draft.room();
    std::fill_n(room.begin(), length, std::byte{'a'});
    auto call = draft.send(length);
    const auto look = [&](std::span<const std::byte> request, std::span<std::byte>) {
      std::fill_n(room.begin(), length, std::byte{'b'});
      CHECK(text_of(request) == std::string(length, 'a'));
      return std::size_t{0};
    };
    CHECK(server.serve_one(look, amply).value());
  }
}

TEST_CASE("raw server: an answer of another size than the channel's is the handler's failure") {
  const auto name = unique_name("raw");
  RawServer server(name, {variable_message(100), fixed_message(4, 4)});
  const auto as_long_as_asked = [](std::span<const std::byte> request, std::span<std::byte>) { return request.size(); };
  server.start(as_long_as_asked).value();
  RawClient client(name);
  CHECK(ask_raw(client, "four", amply).value().size() == 4);
  for (const char* text : {"", "abc", "abcde"}) {
    const auto wrong = ask_raw(client, text, amply);
    CHECK(error_of(wrong) == Errc::handler_failed);
    CHECK(wrong.error().message().find("; a reply of this channel has exactly 4") != std::string::npos);
  }
  CHECK(server.stats().failed == 3);

  const auto deferred = unique_name("raw");
  RawServer later(deferred, {variable_message(100), fixed_message(4, 4)});
  later.start([](RawRequest request, RawResponder responder) { responder.reply(request.bytes()); }).value();
  RawClient other(deferred);
  CHECK(ask_raw(other, "four", amply).value() == "four");
  CHECK(error_of(ask_raw(other, "abcde", amply)) == Errc::handler_failed);
}

TEST_CASE("raw server: a handler may pass an error on, or throw") {
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  server
      .start([](std::span<const std::byte> request, std::span<std::byte>) -> Result<std::size_t> {
        if (request.empty()) throw std::runtime_error("nothing asked");
        return Error(Errc::no_server, "", "nobody behind me");
      })
      .value();
  RawClient client(name);
  CHECK(error_of(ask_raw(client, "", amply)) == Errc::handler_failed);
  CHECK(error_of(ask_raw(client, "x", amply)) == Errc::no_server);
}

TEST_CASE("raw server: requests are pulled one at a time, and answered in any order") {
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  CHECK_FALSE(server.next(0ns).value());
  {
    const Stopwatch watch;
    CHECK_FALSE(server.next(20ms).value());
    CHECK(watch.elapsed() >= 20ms);
  }
  RawClient client(name);
  auto first = client.call_async(bytes_of("first"), amply);
  auto second = client.call_async(bytes_of("second"), amply);
  auto dropped = client.call_async(bytes_of("dropped"), amply);
  auto one = server.next(amply).value();
  auto two = server.next(amply).value();
  auto three = server.next(amply).value();
  REQUIRE((one && two && three));
  CHECK_FALSE(server.next(0ns).value());
  CHECK(text_of(one->request.bytes()) == "first");
  CHECK(text_of(two->request.bytes()) == "second");
  CHECK_FALSE(two->context.cancelled());
  CHECK(server.stats().running == 3);
  two->responder.reply(two->request.bytes());
  CHECK(text_of(second.get().value().bytes()) == "second");
  std::thread([&] { one->responder.reply(one->request.bytes()); }).join();
  CHECK(text_of(first.get().value().bytes()) == "first");
  three.reset();
  CHECK(error_of(dropped.get()) == Errc::handler_failed);
  CHECK(text_of(two->request.bytes()) == "second");
}

TEST_CASE("raw server: behind requests that cannot be read, next finds one that can, also without waiting") {
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  RawClient client(name);
  auto first = client.call_async(bytes_of("first"), amply);
  auto second = client.call_async(bytes_of("second"), amply);
  auto third = client.call_async(bytes_of("third"), amply);
  faults::LiveSegment segment(name);
  REQUIRE(segment.header().high_water.load() == 3);
  for (std::uint32_t index = 0; index < 2; ++index) segment.slot_array()[index].length.store(~std::uint32_t{0});
  auto call = server.next(0ns).value();
  REQUIRE(call);
  CHECK(text_of(call->request.bytes()) == "third");
  call->responder.reply(call->request.bytes());
  CHECK(third.get());
  CHECK(error_of(first.get()) == Errc::corrupt);
  CHECK(error_of(second.get()) == Errc::corrupt);
  CHECK(server.stats().malformed == 2);
  CHECK_FALSE(server.next(0ns).value());
}

TEST_CASE("raw server: next ends with the server, and is one thread's at a time") {
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  auto pulling = std::async(std::launch::async, [&] {
    auto pulled = server.next(amply);
    while (error_of(pulled) == Errc::invalid_argument) pulled = server.next(amply);  // we were in its way
    return pulled && *pulled;
  });
  CHECK(eventually([&] { return error_of(server.next(0ns)) == Errc::invalid_argument; }));
  server.stop();
  CHECK_FALSE(pulling.get());
  CHECK_FALSE(server.next(amply).value());
}

TEST_CASE("raw server: a call that was pulled outlives its server") {
  const auto name = unique_name("raw");
  auto server = std::make_unique<RawServer>(name, ChannelShape{});
  RawClient client(name);
  auto asked = client.call_async(bytes_of("x"), amply);
  auto call = server->next(amply).value();
  REQUIRE(call);
  server.reset();
  CHECK(text_of(call->request.bytes()) == "x");
  call->responder.reply(call->request.bytes());
  CHECK(call->context.cancelled());
  CHECK(error_of(asked.get()) == Errc::server_stopped);
}

TEST_CASE("raw server: it serves on the calling thread until it is stopped") {
  const auto name = unique_name("raw");
  RawServer server(name, ChannelShape{});
  RawClient client(name);
  std::stop_source stop;
  auto serving = std::async(std::launch::async, [&] { return server.serve(echo_bytes, stop.get_token()); });
  CHECK(ask_raw(client, "hello", amply).value() == "hello");
  stop.request_stop();
  CHECK_FALSE(error_of(serving.get()));

  RawServer one(unique_name("raw"), ChannelShape{});
  CHECK_FALSE(one.serve_one(echo_bytes, 0ns).value());
  std::size_t (*nothing)(std::span<const std::byte>, std::span<std::byte>) = nullptr;
  CHECK(error_of(one.start(nothing)) == Errc::invalid_argument);
}

TEST_CASE("raw server: the largest messages are the shape's to say") {
  const auto name = unique_name("raw");
  ServerOptions options;
  options.max_request_bytes = options.max_reply_bytes = 7;
  RawServer server(name, {variable_message(200000), variable_message(200001)}, options);
  server.start(echo_bytes).value();
  RawClient client(name);
  CHECK(client.shape().value().request.size == 200000);
  CHECK(client.shape().value().reply.size == 200001);
  CHECK(ask_raw(client, std::string(200000, 'x'), amply).value().size() == 200000);
}

}  // namespace raw_server_test
