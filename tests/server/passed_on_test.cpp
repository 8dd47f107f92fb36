// A handler may answer with an error, of another channel or of its own making: the caller gets it as it was, and its
// client takes it for an answer.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "faults/segment.hpp"
#include "support/error_codes.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace passed_on_test {

using namespace shared_channel;
using namespace test_support;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Ints = SharedChannel<int>;

namespace {

const int known_codes = static_cast<int>(test_support::error_codes().size());

Error error_with(Errc code, Execution execution = Execution::possible) {
  return Error(code, "far", "as made up", 0, execution);
}

// A channel whose handler passes on `answer`, and how often it ran.
struct Relay {
  explicit Relay(Error error) : error_(std::move(error)) {
    server.start([this](int, Responder<int> responder) { ++runs, responder.fail(error_); }).value();
  }

  Error error_;
  std::atomic<int> runs{0};
  std::string name = unique_name("passed_on");
  Ints::Server server{name};
  Ints::Client client{name};
};

void check_same(const Error& got, const Error& sent) {
  CHECK(got.code() == sent.code());
  CHECK(got.not_executed() == sent.not_executed());
  CHECK(got.safe_to_retry() == sent.safe_to_retry());
  CHECK(got.native() == 0);
  CHECK(got.passed_on());
  CHECK_FALSE(sent.passed_on());
}

}  // namespace

TEST_CASE("passed on: every code arrives, executed or not, and costs one call on one connection") {
  for (int number = 1; number <= known_codes; ++number) {
    for (const Execution execution : {Execution::none, Execution::possible}) {
      const Error sent = error_with(static_cast<Errc>(number), execution);
      INFO(sent.message());
      Relay relay(sent);
      for (int call = 1; call <= 3; ++call) {
        const auto answer = relay.client.call(1, amply);
        REQUIRE_FALSE(answer);
        check_same(answer.error(), sent);
        CHECK(relay.runs == call);
        CHECK(relay.client.connected());
      }
      CHECK(faults::LiveSegment(relay.name).header().next_client.load() == 1);  // it attached once
    }
  }
}

TEST_CASE("passed on: an asynchronous call gets it as well, and so does its callback") {
  for (const Errc code : {Errc::timed_out, Errc::server_died, Errc::server_stopped, Errc::no_server}) {
    const Error sent = error_with(code, Execution::none);
    Relay relay(sent);
    check_same(relay.client.call_async(1, amply).get().error(), sent);
    std::optional<Error> got;
    std::atomic<bool> has_got{false};
    relay.client
        .call_async(1, amply,
                    [&](Result<int> answer) {
                      got = std::move(answer).error();
                      has_got = true;
                    })
        .value();
    REQUIRE(eventually([&] { return has_got.load(); }));
    check_same(*got, sent);
    CHECK(relay.runs == 2);
    CHECK(relay.client.connected());
    CHECK(faults::LiveSegment(relay.name).header().next_client.load() == 1);
  }
}

TEST_CASE("passed on: what the channel itself says is passed on by nobody") {
  const std::string name = unique_name("passed_on");
  Ints::Client client(name);
  CHECK_FALSE(client.call(1, amply).error().passed_on());
  Ints::Server server(name);
  const auto untaken = client.call(1, 1ms);
  CHECK(untaken.error().code() == Errc::timed_out);
  CHECK_FALSE(untaken.error().passed_on());
  server.start([](int) -> int { throw std::runtime_error("failed"); }).value();
  const auto failed = client.call(1, amply);
  CHECK(failed.error().code() == Errc::handler_failed);
  CHECK_FALSE(failed.error().passed_on());
}

TEST_CASE("passed on: a client that knows nothing of that sees a handler that failed, and its text") {
  for (int number = 1; number <= known_codes; ++number) {
    const Error sent = error_with(static_cast<Errc>(number), Execution::none);
    INFO(sent.message());
    Relay relay(sent);
    CHECK(error_of(relay.client.call(1, amply)) == sent.code());
    const faults::LiveSegment segment(relay.name);
    REQUIRE(segment.header().high_water.load() == 1);
    const auto& slot = segment.slot_array()[0];
    CHECK(detail::State(slot.reply.load()).phase() == detail::Phase::failed);
    CHECK(std::string(slot.text, slot.length.load()) == sent.message());
  }
}

TEST_CASE("passed on: the caller reads who said what") {
  Relay relay(Error(Errc::no_server, "far", "nobody is there"));
  CHECK_THAT(relay.client.call(1, amply).error().message(),
             Contains(relay.name) && EndsWith("its handler says: shared channel 'far': nobody is there"));
}

TEST_CASE("passed on: the system's number travels in words") {
  Relay relay(Error(Errc::system_error, "far", "the disk is gone", 5));
  const auto answer = relay.client.call(1, amply);
  CHECK(answer.error().native() == 0);
  CHECK_THAT(answer.error().message(), Contains("system error 5"));
}

TEST_CASE("passed on: a handler sheds load") {
  Relay relay(Error(Errc::busy, "", "too much to do"));
  const auto answer = relay.client.call(1, amply);
  CHECK(error_of(answer) == Errc::busy);
  CHECK(answer.error().safe_to_retry());
  CHECK_THAT(answer.error().message(), EndsWith("its handler says: too much to do"));
}

TEST_CASE("passed on: a long text is cut") {
  Relay relay(Error(Errc::busy, "", std::string(1000, 'x')));
  const auto text = relay.client.call(1, amply).error().message();
  CHECK(text.find_last_of('x') - text.find("xx") + 1 == 252);
}

TEST_CASE("passed on: a number that is none of ours is a failure of the handler") {
  for (const int number : {0, known_codes + 1, 255, 256, 263}) {
    INFO(number);
    Relay relay(error_with(static_cast<Errc>(number), Execution::none));
    const auto answer = relay.client.call(1, amply);
    CHECK(error_of(answer) == Errc::handler_failed);
    CHECK_FALSE(answer.error().not_executed());
  }
}

TEST_CASE("passed on: what nobody sent is not believed") {
  const auto name = unique_name("passed_on");
  Ints::Server server(name);
  std::optional<Responder<int>> kept;
  std::atomic<bool> has_kept{false};
  server
      .start([&](int, Responder<int> responder) {
        if (has_kept) return;  // never so, and tells a race detector that the last one is gone
        kept.emplace(std::move(responder));
        has_kept = true;
      })
      .value();
  Ints::Client client(name);
  faults::LiveSegment segment(name);
  const auto error_after = [&](std::uint32_t word) {
    auto pending = client.call_async(1, amply);
    REQUIRE(eventually([&] { return has_kept.load(); }));
    auto& slot = segment.slot_array()[0];
    const detail::State request(slot.request.load());
    slot.length.store(0);
    slot.passed_on.store(word);
    slot.reply.store(detail::State(request.sequence(), detail::Phase::failed).word());
    auto answer = pending.get();
    kept.reset();
    has_kept = false;
    return std::move(answer).error();
  };
  CHECK(error_after(10).code() == Errc::busy);
  CHECK(error_after(0x10A).safe_to_retry());
  for (const std::uint32_t word : {0u, static_cast<std::uint32_t>(known_codes) + 1, 0xFFu, 0x100u, 0x120u, 0x20Au,
                                   0x1'000Au, 0x8000'000Au, 0xFFFF'FFFFu}) {
    INFO(word);
    const Error error = error_after(word);
    CHECK(error.code() == Errc::handler_failed);
    CHECK_FALSE(error.not_executed());
  }
}

TEST_CASE("passed on: a failure of the handler is told from an error that was passed on before") {
  const auto name = unique_name("passed_on");
  Ints::Server server(name);
  server
      .start([](int value, Responder<int> responder) {
        if (value == 0)
          responder.fail("by itself");
        else
          responder.fail(Error(Errc::busy, "", "passed on"));
      })
      .value();
  Ints::Client client(name);
  for (int round = 0; round < 3; ++round) {
    CHECK(error_of(client.call(1, amply)) == Errc::busy);
    CHECK(error_of(client.call(0, amply)) == Errc::handler_failed);
  }
}

TEST_CASE("passed on: a handler that returns a Result passes its error on") {
  const auto name = unique_name("passed_on");
  Ints::Server server(name);
  server
      .start([](int value) -> Result<int> {
        if (value == 0) return Error(Errc::no_server, "far", "nobody is there");
        return value + 1;
      })
      .value();
  Ints::Client client(name);
  for (int round = 0; round < 3; ++round) {
    CHECK(client.call(1, amply).value() == 2);
    const auto answer = client.call(0, amply);
    CHECK(error_of(answer) == Errc::no_server);
    CHECK(answer.error().safe_to_retry());
  }
}

TEST_CASE("passed on: Results of every form of handler") {
  SECTION("text, with a context") {
    using Text = SharedChannel<std::string>;
    const auto name = unique_name("passed_on");
    Text::Server server(name);
    server
        .start([](std::string text, const CallContext&) -> Result<std::string> {
          if (text.empty()) return Error(Errc::invalid_argument, "", "empty");
          return text + text;
        })
        .value();
    Text::Client client(name);
    CHECK(client.call("ab", amply).value() == "abab");
    CHECK(error_of(client.call("", amply)) == Errc::invalid_argument);
  }
  SECTION("a generic lambda") {
    const auto name = unique_name("passed_on");
    Ints::Server server(name);
    server.start([](const auto& value) -> Result<int> { return value + 1; }).value();
    CHECK(Ints::Client(name).call(1, amply).value() == 2);
  }
  SECTION("bytes") {
    using Raw = SharedChannel<Bytes>;
    const auto name = unique_name("passed_on");
    Raw::Server server(name);
    server
        .start([](std::span<const std::byte> request, std::span<std::byte> reply) -> Result<std::size_t> {
          if (request.empty()) return Error(Errc::busy, "", "not now");
          reply[0] = request[0];
          return std::size_t{1};
        })
        .value();
    Raw::Client client(name);
    const auto ask = [&](std::size_t size) {
      std::size_t got = 0;
      auto answer = client.call_in_place(
          [&](std::span<std::byte> request) {
            request[0] = std::byte{7};
            return size;
          },
          [&](std::span<const std::byte> reply) { got = reply.size(); }, amply);
      if (answer) CHECK(got == 1);
      return error_of(answer);
    };
    CHECK(ask(1) == std::nullopt);
    CHECK(ask(0) == Errc::busy);
  }
  SECTION("a reply larger than what is copied on the stack") {
    const auto name = unique_name("passed_on");
    BlockChannel::Server server(name);
    server
        .start([](const Block& block) -> Result<Block> {
          if (block.words[0] == 0) return Error(Errc::busy, "", "not now");
          return block;
        })
        .value();
    BlockChannel::Client client(name);
    const auto block = std::make_unique<Block>();
    CHECK(error_of(client.call(*block, amply)) == Errc::busy);
    block->words[0] = 7;
    CHECK(client.call(*block, amply).value().words[0] == 7);
  }
}

TEST_CASE("passed on: an exception is a failure of the handler, whatever it carries") {
  const auto name = unique_name("passed_on");
  Ints::Server server(name);
  server.start([](int) -> int { throw ChannelException(Error(Errc::no_server, "far", "nobody is there")); }).value();
  const auto answer = Ints::Client(name).call(1, amply);
  CHECK(error_of(answer) == Errc::handler_failed);
  CHECK_FALSE(answer.error().not_executed());
  CHECK_THAT(answer.error().message(), EndsWith("shared channel 'far': nobody is there"));
}

TEST_CASE("passed on: from a far server through a near one, between processes") {
  const auto far_name = unique_name("far");
  const auto near_name = unique_name("near");
  Channel::Client far_client(far_name);
  Channel::Server near_server(near_name);
  near_server.start([&](const Ask& ask) { return far_client.call(ask, amply); }).value();
  Channel::Client client(near_name);
  const auto nobody = client.call(echo(1), amply);
  CHECK(error_of(nobody) == Errc::no_server);
  CHECK(nobody.error().safe_to_retry());

  Process far_server = peer("serve", far_name);
  REQUIRE(far_server.read_line() == "ready");
  CHECK(client.call(echo(2), amply).value().id == 2);

  const auto died = client.call(leave, amply);
  CHECK(error_of(died) == Errc::server_died);
  CHECK_FALSE(died.error().not_executed());
  CHECK(client.connected());
}

TEST_CASE("passed on: a Responder that outlives its server passes nothing on") {
  const auto name = unique_name("passed_on");
  std::optional<Responder<int>> kept;
  std::optional<Errc> told;
  {
    Ints::Server server(name);
    std::jthread asking([&] { told = error_of(Ints::Client(name).call(1, amply)); });
    const auto keep = [&](int, Responder<int> responder) { kept.emplace(std::move(responder)); };
    REQUIRE(server.serve_one(keep, amply).value());
    { const Ints::Server gone(std::move(server)); }
  }
  CHECK(told == Errc::server_stopped);
  kept->fail(Error(Errc::busy, "", "too late"));
  kept->fail(Error(Errc::busy, "", "twice"));
}

}  // namespace passed_on_test
