// Requests that are written in place before they are sent.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <cstddef>
#include <cstring>
#include <future>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace raw_draft_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

static_assert(!std::is_copy_constructible_v<RawDraft> && std::is_nothrow_move_constructible_v<RawDraft>);

RawPendingCall send(RawDraft draft, const Ask& what) {
  REQUIRE(draft.room().size() == sizeof what);
  std::memcpy(draft.room().data(), &what, sizeof what);
  return draft.send(sizeof what);
}

std::uint64_t id_in(Result<RawReply> reply) { return value_of<Answer>(reply.value().bytes()).id; }

}  // namespace

TEST_CASE("raw draft: what is written in it is the request") {
  GatedChannel channel;
  RawClient client(channel.name);
  CHECK(id_in(send(client.draft(amply).value(), echo(7)).get()) == 7);

  const auto name = unique_name("draft");
  RawServer server(name, {variable_message(9000), variable_message(9000)});
  server.start(echo_bytes).value();
  RawClient texts(name);
  for (const std::size_t length : {0u, 1u, 112u, 113u, 9000u}) {
    RawDraft draft = texts.draft(amply).value();
    REQUIRE(draft.room().size() == 9000);
    std::memset(draft.room().data(), 'x', length);
    const auto reply = draft.send(length).get();
    CHECK(text_of(reply.value().bytes()) == std::string(length, 'x'));
    CHECK(draft.room().empty());
    CHECK(error_of(draft.send(length).get()) == Errc::invalid_argument);
  }
}

TEST_CASE("raw draft: it holds a slot until it is sent and answered, or dropped") {
  GatedChannel channel(1);
  RawClient client(channel.name);
  Answer answer;
  std::optional<RawDraft> draft = client.draft(amply).value();
  CHECK(error_of(client.call(bytes_of(echo(1)), room_of(answer), {amply, 0ns})) == Errc::busy);
  CHECK(error_of(client.draft({amply, 0ns})) == Errc::busy);
  draft.reset();
  CHECK(client.call(bytes_of(echo(2)), room_of(answer), {amply, 0ns}).value() == sizeof answer);
  draft.emplace(client.draft({amply, 0ns}).value());
  *draft = RawDraft(std::move(*draft));
  CHECK(id_in(send(std::move(*draft), echo(3)).get()) == 3);
  CHECK(client.call(bytes_of(echo(4)), room_of(answer), {amply, 0ns}).value() == sizeof answer);
  CHECK(channel.gate.runs == 3);
}

TEST_CASE("raw draft: a request of the wrong size is not sent, and its slot is free") {
  GatedChannel channel(1);
  RawClient client(channel.name);
  for (const std::size_t size : {std::size_t{0}, sizeof(Ask) - 1, sizeof(Ask) + 1}) {
    auto call = client.draft({amply, 0ns}).value().send(size);
    CHECK(call.is_refused());
    const auto refused = call.get();
    REQUIRE(error_of(refused) == Errc::invalid_argument);
    CHECK(refused.error().not_executed());
    CHECK(call.is_refused());  // that it was told changes nothing
    auto moved = std::move(call);
    CHECK(moved.is_refused());
    CHECK_FALSE(call.is_refused());
    const auto twice = moved.get();
    REQUIRE(error_of(twice) == Errc::invalid_argument);
    CHECK_FALSE(twice.error().not_executed());
  }
  CHECK(channel.gate.runs == 0);

  const auto name = unique_name("draft");
  RawServer server(name, {variable_message(100), variable_message(100)});
  RawClient texts(name);
  CHECK(error_of(texts.draft(amply).value().send(101).get()) == Errc::message_too_large);
}

TEST_CASE("raw draft: no server, no draft; and one whose server went is not executed") {
  const auto name = unique_name("draft");
  RawClient client(name);
  CHECK(error_of(client.draft(amply)) == Errc::no_server);
  for (const bool is_killed : {true, false}) {
    auto server = peer("serve", name);
    REQUIRE(server.read_line() == "ready");
    RawDraft draft = client.draft(amply).value();
    is_killed ? server.kill() : server.write_line("stop");
    if (!is_killed) REQUIRE(server.read_line() == "stop");
    if (!is_killed) server.close_input();
    server.wait();
    const auto lost = send(std::move(draft), echo(1)).get();
    CHECK(error_of(lost) == (is_killed ? Errc::server_died : Errc::server_stopped));
    CHECK(lost.error().not_executed());
  }
  auto next = peer("serve", name);
  REQUIRE(next.read_line() == "ready");
  CHECK(id_in(send(client.draft(amply).value(), echo(2)).get()) == 2);
}

TEST_CASE("raw draft: its timeout runs while it is written") {
  const auto name = unique_name("draft");
  Channel::Server server(name);
  RawClient client(name);
  RawDraft draft = client.draft(1ms).value();
  const Stopwatch watch;
  while (watch.elapsed() < 2ms) continue;
  const auto late = send(std::move(draft), echo(1)).get();
  CHECK(error_of(late) == Errc::timed_out);
  CHECK(late.error().not_executed());
}

TEST_CASE("raw draft: it goes in order where it is sent, not where it is begun") {
  const auto name = unique_name("draft");
  RawServer server(name, {variable_message(100), variable_message(100)});
  RawClient client(name);
  RawDraft draft = client.draft(amply).value();
  draft.room()[0] = std::byte{'2'};
  const auto first = client.call_async(bytes_of("1"), amply);
  const auto second = draft.send(1);
  CHECK_FALSE(second.is_refused());
  const auto third = client.call_async(bytes_of("3"), amply);
  std::string order;
  while (order.size() < 3) order += text_of(server.next(amply).value().value().request.bytes());
  CHECK(order == "123");
}

TEST_CASE("raw draft: one that outlives its client is sent") {
  GatedChannel channel;
  std::optional<RawClient> client(channel.name);
  RawDraft draft = client->draft(amply).value();
  client.reset();
  CHECK(id_in(send(std::move(draft), echo(5)).get()) == 5);
}

TEST_CASE("raw draft: another thread may send it") {
  GatedChannel channel;
  RawClient client(channel.name);
  RawDraft draft = client.draft(amply).value();
  CHECK(std::async(std::launch::async, [&] { return id_in(send(std::move(draft), echo(6)).get()); }).get() == 6);
}

#ifdef __linux__
TEST_CASE("raw draft: a forked child may drop its parent's, and can neither write nor send it") {
  GatedChannel channel(1);
  RawClient client(channel.name);
  RawDraft draft = client.draft(amply).value();
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_empty = draft.room().empty();
    const bool is_forked = error_of(draft.send(sizeof(Ask)).get()) == Errc::forked;
    ::_exit(is_empty && is_forked ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(id_in(send(std::move(draft), echo(1)).get()) == 1);
}
#endif

}  // namespace raw_draft_test
