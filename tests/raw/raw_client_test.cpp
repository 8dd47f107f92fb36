// Raw calls in all their forms, to typed and to raw servers.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/outcome.hpp"
#include "support/process.hpp"
#include "support/raw.hpp"
#include "support/task.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace raw_client_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

static_assert(!std::is_copy_constructible_v<RawClient> && std::is_nothrow_move_constructible_v<RawClient>);
static_assert(!std::is_copy_constructible_v<RawReply> && std::is_nothrow_move_constructible_v<RawReply>);

Result<Answer> ask(RawClient& client, const Ask& what, const CallOptions& options) {
  Answer answer;
  auto asked = client.call(bytes_of(what), room_of(answer), options);
  if (!asked) return std::move(asked).error();
  CHECK(*asked == sizeof answer);
  return answer;
}
Result<Answer> ask(RawClient& client, const Ask& what, std::chrono::nanoseconds timeout) {
  return ask(client, what, CallOptions{.timeout = timeout});
}

Task await(RawClient& client, const Ask& what, test_support::Outcome<std::string>& outcome) {
  auto reply = co_await client.call_async(bytes_of(what), amply);
  outcome.put(reply ? Result<std::string>(text_of(reply->bytes())) : Result<std::string>(reply.error()));
}

}  // namespace

TEST_CASE("raw client: a typed server in another process answers") {
  const auto name = unique_name("raw");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  RawClient client(name);
  CHECK(ask(client, echo(42), amply).value().id == 42);
  CHECK(client.connected());
}

TEST_CASE("raw client: messages that vary in length go to a typed server in another process") {
  const auto name = unique_name("raw");
  auto server = peer("serve_text", name, "9000", "9000");
  REQUIRE(server.read_line() == "ready");
  RawClient client(name);
  for (const std::size_t length : {0u, 1u, 112u, 113u, 4096u, 4097u, 9000u}) {
    std::string text(length, 'x');
    if (length != 0) text.back() = 'y';
    CHECK(ask_raw(client, text, amply).value() == std::string(text.rbegin(), text.rend()));
  }
  const auto refused = ask_raw(client, std::string(9001, 'x'), amply);
  CHECK(error_of(refused) == Errc::message_too_large);
  CHECK(refused.error().not_executed());
  const auto too_long = ask_raw(client, "repeat 9001", amply);
  CHECK(error_of(too_long) == Errc::message_too_large);
  CHECK_FALSE(too_long.error().not_executed());
}

TEST_CASE("raw client: no server is an error at once, and one that comes is found") {
  const auto name = unique_name("raw");
  RawClient client(name);
  CHECK(error_of(ask(client, echo(1), amply)) == Errc::no_server);
  CHECK(error_of(client.shape(0ns)) == Errc::no_server);
  Gate gate;
  Channel::Server server(name);
  server.start(std::ref(gate)).value();
  CHECK(ask(client, echo(2), amply).value().id == 2);
}

TEST_CASE("raw client: a request of fixed size has exactly that") {
  GatedChannel channel;
  RawClient client(channel.name);
  std::array<std::byte, sizeof(Ask) + 1> request{};
  Answer answer;
  for (const std::size_t size : {std::size_t{0}, sizeof(Ask) - 1, sizeof(Ask) + 1}) {
    const auto bytes = std::span(request).first(size);
    const auto refused = client.call(bytes, room_of(answer), amply);
    CHECK(error_of(refused) == Errc::invalid_argument);
    CHECK(refused.error().not_executed());
    CHECK(refused.error().message().find("exactly " + std::to_string(sizeof(Ask))) != std::string::npos);
    CHECK(error_of(client.call_async(bytes, amply).get()) == Errc::invalid_argument);
    const auto size_alone = [&](std::span<std::byte>) { return size; };
    CHECK(error_of(client.call_in_place(
              size_alone, [](std::span<const std::byte>) {}, amply)) == Errc::invalid_argument);
  }
  CHECK(channel.gate.runs == 0);
  CHECK(ask(client, echo(1), amply).value().id == 1);
}

TEST_CASE("raw client: a reply for which the caller has no room") {
  GatedChannel channel;
  RawClient client(channel.name);
  std::array<std::byte, sizeof(Answer) - 1> small{};
  const auto answer = client.call(bytes_of(echo(1)), small, amply);
  CHECK(error_of(answer) == Errc::message_too_large);
  CHECK_FALSE(answer.error().not_executed());
}

TEST_CASE("raw client: in place, request and reply are where the other side sees them") {
  GatedChannel channel;
  RawClient client(channel.name);
  std::uint64_t id = 0;
  const auto asked = client.call_in_place(
      [](std::span<std::byte> room) {
        CHECK(room.size() == sizeof(Ask));
        const Ask what = echo(7);
        std::memcpy(room.data(), &what, sizeof what);
        return room.size();
      },
      [&](std::span<const std::byte> reply) { id = value_of<Answer>(reply).id; }, amply);
  CHECK_FALSE(error_of(asked));
  CHECK(id == 7);
}

TEST_CASE("raw client: messages that lie in areas of their own") {
  struct alignas(64) Wide {
    std::uint64_t words[600];
  };
  const auto name = unique_name("raw");
  SharedChannel<Wide>::Server server(name);
  server.start([](const Wide& wide, Wide& reply) { reply.words[599] = wide.words[599] + 1; }).value();
  RawClient client(name);
  Wide wide{}, reply{};
  wide.words[599] = 41;
  CHECK(client.call(bytes_of(wide), room_of(reply), amply).value() == sizeof(Wide));
  CHECK(reply.words[599] == 42);
  auto held = client.call_async(bytes_of(wide), amply).get().value();
  CHECK(reinterpret_cast<std::uintptr_t>(held.bytes().data()) % 64 == 0);
  CHECK(value_of<Wide>(held.bytes()).words[599] == 42);
}

TEST_CASE("raw client: a small message with a large alignment does not lie inline") {
  const auto name = unique_name("raw");
  RawServer server(name, {fixed_message(8, 256), fixed_message(8, 256)});
  server.start(echo_bytes).value();
  RawClient client(name);
  std::uint64_t reply = 0;
  CHECK(client.call(bytes_of(std::uint64_t{5}), room_of(reply), amply).value() == 8);
  CHECK(reply == 5);
  auto held = client.call_async(bytes_of(std::uint64_t{6}), amply).get().value();
  CHECK(reinterpret_cast<std::uintptr_t>(held.bytes().data()) % 256 == 0);
  CHECK(value_of<std::uint64_t>(held.bytes()) == 6);
}

TEST_CASE("raw client: asynchronous calls in every form") {
  GatedChannel channel;
  RawClient client(channel.name);
  auto waited = client.call_async(bytes_of(nap(0, 1)), amply);
  auto watched = client.call_async(bytes_of(nap(0, 2)), amply);
  const auto handle = watched.native_handle();
  test_support::Outcome<std::string> called, awaited;
  const auto done = [&](Result<RawReply> reply) {
    called.put(reply ? Result<std::string>(text_of(reply->bytes())) : Result<std::string>(reply.error()));
  };
  CHECK_FALSE(error_of(client.call_async(bytes_of(nap(0, 3)), amply, done)));
  await(client, nap(0, 4), awaited);
  CHECK_FALSE(waited.ready());
  CHECK_FALSE(is_signalled(handle, 0ms));
  channel.gate.open();
  CHECK(is_signalled(handle, 60s));
  CHECK(value_of<Answer>(waited.get().value().bytes()).id == 1);
  CHECK(value_of<Answer>(watched.get().value().bytes()).id == 2);
  REQUIRE(called.comes());
  REQUIRE(awaited.comes());
  CHECK(value_of<Answer>(bytes_of(called.last().value())).id == 3);
  CHECK(value_of<Answer>(bytes_of(awaited.last().value())).id == 4);
  CHECK(error_of(waited.get()) == Errc::invalid_argument);
  CHECK(error_of(client.call_async(bytes_of(echo(1)), amply, std::function<void(Result<RawReply>)>())) ==
        Errc::invalid_argument);
}

TEST_CASE("raw client: a reply holds its slot, and a slot is waited for as long as the caller says") {
  GatedChannel channel(1);
  RawClient client(channel.name);
  std::optional<RawReply> reply(client.call_async(bytes_of(echo(1)), amply).get().value());
  {
    const Stopwatch watch;
    const auto busy = ask(client, echo(2), {amply, 0ns});
    CHECK(error_of(busy) == Errc::busy);
    CHECK(busy.error().safe_to_retry());
    CHECK(watch.elapsed() < promptly);
  }
  {
    const Stopwatch watch;
    const auto busy = ask(client, echo(2), {amply, 30ms});
    CHECK(error_of(busy) == Errc::busy);
    CHECK(busy.error().message().find("for 30 ms") != std::string::npos);
    CHECK(watch.elapsed() >= 30ms);
    CHECK(watch.elapsed() < amply / 2);
  }
  CHECK(error_of(client.call_async(bytes_of(echo(2)), {amply, 0ns}).get()) == Errc::busy);
  CHECK(error_of(ask(client, echo(2), {20ms, amply})) == Errc::busy);
  CHECK(error_of(ask(client, echo(2), CallOptions{.timeout = amply, .slot_wait = 0ns})) == Errc::busy);
  CHECK(value_of<Answer>(reply->bytes()).id == 1);
  RawReply moved = *std::move(reply);
  reply.reset();
  CHECK(error_of(ask(client, echo(2), {amply, 0ns})) == Errc::busy);
  CHECK(value_of<Answer>(moved.bytes()).id == 1);
  { const RawReply gone = std::move(moved); }
  CHECK(moved.bytes().empty());
  CHECK(ask(client, echo(3), {amply, 0ns}).value().id == 3);
}

TEST_CASE("raw client: a reply outlives its client, and its server") {
  auto channel = std::make_unique<GatedChannel>();
  auto client = std::make_unique<RawClient>(channel->name);
  RawReply reply = client->call_async(bytes_of(echo(9)), amply).get().value();
  test_support::Outcome<std::string> called;
  std::optional<RawReply> kept;
  client
      ->call_async(bytes_of(echo(8)), amply,
                   [&](Result<RawReply> result) {
                     kept.emplace(*std::move(result));
                     called.put(std::string());
                   })
      .value();
  REQUIRE(called.comes());
  client.reset();
  channel.reset();
  CHECK(value_of<Answer>(reply.bytes()).id == 9);
  CHECK(value_of<Answer>(kept->bytes()).id == 8);
}

TEST_CASE("raw client: what a moved-from client says") {
  GatedChannel channel;
  RawClient client(channel.name);
  RawClient other = std::move(client);
  CHECK(error_of(ask(client, echo(1), amply)) == Errc::no_server);
  CHECK(error_of(client.shape()) == Errc::no_server);
  CHECK(error_of(client.wait_for_server(0ns)) == Errc::no_server);
  CHECK_FALSE(client.connected());
  CHECK(ask(other, echo(1), amply).value().id == 1);
}

TEST_CASE("raw client: errors of handlers and deadlines are those of typed calls") {
  const auto name = unique_name("raw");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  RawClient client(name);
  const auto failed = ask(client, fail, amply);
  CHECK(error_of(failed) == Errc::handler_failed);
  CHECK(failed.error().message().find("as asked") != std::string::npos);
  const auto late = ask(client, hang, 20ms);
  CHECK(error_of(late) == Errc::timed_out);
  CHECK_FALSE(late.error().not_executed());
  REQUIRE(server.read_line() == "taken");
  server.kill();
  CHECK(ask(client, echo(1), 200ms).error().not_executed());
}

#ifdef __linux__
TEST_CASE("raw client: a forked child may drop its parent's reply, and sees nothing of it") {
  GatedChannel channel(1);
  RawClient client(channel.name);
  std::optional<RawReply> reply(client.call_async(bytes_of(echo(1)), amply).get().value());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_empty = reply->bytes().empty();
    reply.reset();
    Answer answer;
    const bool is_forked = error_of(client.call(bytes_of(echo(1)), room_of(answer), 1s)) == Errc::forked &&
                           error_of(client.shape()) == Errc::forked;
    ::_exit(is_empty && is_forked ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(value_of<Answer>(reply->bytes()).id == 1);
  CHECK(error_of(ask(client, echo(2), {amply, 0ns})) == Errc::busy);
  reply.reset();
  CHECK(ask(client, echo(2), {amply, 0ns}).value().id == 2);
}
#endif

}  // namespace raw_client_test
