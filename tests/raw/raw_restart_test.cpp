// A raw client goes on with the next server, whatever that takes; bytes that were made for another one it never gets.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

namespace raw_restart_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

using Server = std::unique_ptr<RawServer>;

void replace(Server& server, const std::string& name, const ChannelShape& shape) {
  server.reset();
  server = std::make_unique<RawServer>(name, shape);
  server->start(echo_bytes).value();
}

Result<std::uint64_t> ask(RawClient& client, std::uint64_t number) {
  std::uint64_t reply = 0;
  auto asked = client.call(bytes_of(number), room_of(reply), amply);
  if (!asked) return std::move(asked).error();
  return reply;
}

const ChannelShape eight{fixed_message(8, 8, "u64"), fixed_message(8, 8, "u64")};
const ChannelShape other_eight{fixed_message(8, 8, "f64"), fixed_message(8, 8, "f64")};
const ChannelShape four{fixed_message(4, 4, "u32"), fixed_message(4, 4, "u32")};
const ChannelShape texts{variable_message(6, "string"), variable_message(6, "string")};

}  // namespace

TEST_CASE("raw restart: the next server's shape is taken; what does not fit it is told apart") {
  const auto name = unique_name("raw");
  Server server;
  replace(server, name, eight);
  RawClient client(name);
  CHECK(ask(client, 1).value() == 1);

  replace(server, name, four);
  const auto refused = ask(client, 2);
  CHECK(error_of(refused) == Errc::layout_mismatch);
  CHECK(refused.error().not_executed());
  CHECK_FALSE(refused.error().safe_to_retry());
  std::uint32_t reply = 0;
  CHECK(client.call(bytes_of(std::uint32_t{3}), room_of(reply), amply).value() == 4);
  CHECK(reply == 3);

  replace(server, name, texts);
  CHECK(error_of(ask(client, 2)) == Errc::message_too_large);
  CHECK(ask_raw(client, "hello", amply).value() == "hello");
  CHECK(server->stats().done == 1);

  replace(server, name, eight);
  CHECK(ask(client, 4).value() == 4);
}

TEST_CASE("raw restart: after shape() calls are for those messages until it is asked again") {
  const auto name = unique_name("raw");
  Server server;
  replace(server, name, eight);
  RawClient client(name);
  CHECK(client.shape().value() == eight);
  CHECK(ask(client, 1).value() == 1);
  replace(server, name, eight);
  CHECK(ask(client, 2).value() == 2);
  replace(server, name, other_eight);
  for (int again = 0; again < 2; ++again) {
    const auto refused = ask(client, 3);
    CHECK(error_of(refused) == Errc::layout_mismatch);
    CHECK(refused.error().not_executed());
    CHECK(refused.error().message().find("f64") != std::string::npos);
    CHECK(error_of(client.call_async(bytes_of(std::uint64_t{3}), amply).get()) == Errc::layout_mismatch);
  }
  CHECK(server->stats().done == 0);
  CHECK(client.shape().value() == other_eight);
  CHECK(ask(client, 4).value() == 4);
}

TEST_CASE("raw restart: a call that has to go on with a server of other messages fails") {
  const auto name = unique_name("raw");
  ClientOptions patient;
  patient.wait_for_server = true;
  RawClient client(name, patient);
  auto server = std::make_unique<RawServer>(name, eight);  // takes no calls
  std::atomic<int> filled{0};
  bool is_read = false;
  const auto ask = [&] {
    return std::async(std::launch::async, [&] {
      return client.call_in_place(
          [&](std::span<std::byte> room) {
            ++filled;
            return room.size();
          },
          [&](std::span<const std::byte>) { is_read = true; }, amply);
    });
  };
  auto asked = ask();
  REQUIRE(eventually([&] { return filled == 1 && server->stats().waiting == 1; }));
  replace(server, name, other_eight);
  const auto ended = asked.get();
  CHECK(error_of(ended) == Errc::layout_mismatch);
  CHECK(ended.error().not_executed());
  CHECK(filled == 1);
  CHECK_FALSE(is_read);

  // With a server of the same messages it goes on.
  server.reset();
  server = std::make_unique<RawServer>(name, eight);
  CHECK(client.shape(amply).value() == eight);
  filled = 0;
  asked = ask();
  REQUIRE(eventually([&] { return filled == 1 && server->stats().waiting == 1; }));
  replace(server, name, eight);
  CHECK_FALSE(error_of(asked.get()));
  CHECK(filled == 2);
  CHECK(is_read);
}

TEST_CASE("raw restart: a client that insists waits for no other server's messages") {
  const auto name = unique_name("raw");
  Server server;
  replace(server, name, eight);
  RawClient client(name, eight);
  CHECK(ask(client, 1).value() == 1);
  replace(server, name, other_eight);
  CHECK(error_of(ask(client, 2)) == Errc::layout_mismatch);
  replace(server, name, eight);
  CHECK(ask(client, 3).value() == 3);
}

}  // namespace raw_restart_test
