// Bytes: messages of any length written and read where they lie.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace bytes_test {

using namespace shared_channel;
using namespace test_support;
using Catch::Matchers::Contains;

using Raw = SharedChannel<Bytes>;
using In = std::span<const std::byte>;
using Out = std::span<std::byte>;

namespace {

std::vector<std::byte> some_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 13 + i / 256);
  return bytes;
}

// The reply, or what went wrong.
Result<std::vector<std::byte>> ask(Raw::Client& client, const std::vector<std::byte>& request) {
  std::vector<std::byte> reply;
  const auto fill = [&](Out out) {
    std::copy(request.begin(), request.end(), out.begin());
    return request.size();
  };
  const auto read = [&](In in) { reply.assign(in.begin(), in.end()); };
  if (auto done = client.call_in_place(fill, read, amply); !done) return std::move(done).error();
  return reply;
}

std::size_t echo(In request, Out reply) {
  std::copy(request.begin(), request.end(), reply.begin());
  return request.size();
}

}  // namespace

TEST_CASE("bytes: every length that matters comes back whole from another process") {
  const auto name = unique_name("bytes");
  Process server = peer("serve_bytes", name);
  REQUIRE(server.read_line() == "ready");
  Raw::Client client(name);
  for (const std::size_t length : {0u, 1u, 111u, 112u, 113u, 4095u, 4096u, 4097u, 65535u, 65536u}) {
    CAPTURE(length);
    const auto request = some_bytes(length);
    CHECK((ask(client, request).value() == std::vector<std::byte>(request.rbegin(), request.rend())));
  }
}

TEST_CASE("bytes: limits below what lies inline") {
  const auto name = unique_name("bytes");
  ServerOptions options;
  options.max_request_bytes = 20;
  options.max_reply_bytes = 30;
  Raw::Server server(name, options);
  CHECK_FALSE(error_of(server.start([](In request, Out reply) {
    std::fill(reply.begin(), reply.end(), std::byte{9});
    std::copy(request.begin(), request.end(), reply.begin());  // the request is a copy: not overwritten by the fill
    return reply.size();
  })));
  Raw::Client client(name);
  const auto reply = ask(client, some_bytes(20)).value();
  CHECK(std::vector(reply.begin(), reply.begin() + 20) == some_bytes(20));
  CHECK(reply.size() == 30);
  CHECK(reply[20] == std::byte{9});
}

TEST_CASE("bytes: both sides are offered all the room there is") {
  const auto name = unique_name("bytes");
  ServerOptions options;
  options.max_request_bytes = 1000;
  options.max_reply_bytes = 3000;
  Raw::Server server(name, options);
  std::atomic<std::size_t> offered{0};
  CHECK_FALSE(error_of(server.start([&](In, Out reply) {
    offered = reply.size();
    return std::size_t{0};
  })));
  Raw::Client client(name);
  std::size_t room = 0;
  std::size_t got = 1;
  const auto fill = [&](Out out) { return (room = out.size()); };
  CHECK_FALSE(error_of(client.call_in_place(
      fill, [&](In in) { got = in.size(); }, amply)));
  CHECK(room == 1000);
  CHECK(offered == 3000);
  CHECK(got == 0);
}

TEST_CASE("bytes: a request that claims more than it was offered is not posted") {
  const auto name = unique_name("bytes");
  Raw::Server server(name);
  std::atomic<bool> called{false};
  CHECK_FALSE(error_of(server.start([&](In request, Out reply) {
    called = true;
    return echo(request, reply);
  })));
  Raw::Client client(name);
  const auto done = client.call_in_place([](Out out) { return out.size() + 1; }, [](In) {}, amply);
  REQUIRE(error_of(done) == Errc::message_too_large);
  CHECK(done.error().not_executed());
  CHECK_THAT(done.error().message(), Contains("the request has 65537 bytes"));
  CHECK_FALSE(called);
  CHECK((ask(client, some_bytes(100)).value() == some_bytes(100)));
}

TEST_CASE("bytes: a reply that claims more than it was offered is an error instead") {
  const auto name = unique_name("bytes");
  Raw::Server server(name);
  CHECK_FALSE(error_of(server.start(
      [](In request, Out reply) { return request.empty() ? reply.size() + 1 : static_cast<std::size_t>(-1); })));
  Raw::Client client(name);
  bool was_read = false;
  const auto done = client.call_in_place([](Out) { return std::size_t{0}; }, [&](In) { was_read = true; }, amply);
  REQUIRE(error_of(done) == Errc::message_too_large);
  CHECK_FALSE(done.error().not_executed());
  CHECK_THAT(done.error().message(), Contains("the reply has 65537 bytes"));
  CHECK_FALSE(was_read);
  CHECK_THAT(ask(client, some_bytes(1)).error().message(), Contains("the reply has 4294967295 bytes or more"));
}

TEST_CASE("bytes: what throws costs that call alone") {
  const auto name = unique_name("bytes");
  ServerOptions one;
  one.max_calls = 1;
  Raw::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](In request, Out reply) {
    if (request.empty()) throw std::runtime_error("empty");
    return echo(request, reply);
  })));
  Raw::Client client(name);
  CHECK_THAT(ask(client, {}).error().message(), Contains(": empty"));
  const auto fill = [](Out) { return std::size_t{1}; };
  CHECK_THROWS_WITH(
      (void)client.call_in_place([](Out) -> std::size_t { throw std::runtime_error("fill"); }, [](In) {}, amply),
      "fill");
  CHECK_THROWS_WITH((void)client.call_in_place(
                        fill, [](In) { throw std::runtime_error("read"); }, amply),
                    "read");
  CHECK((ask(client, some_bytes(50)).value() == some_bytes(50)));
}

TEST_CASE("bytes: they attach to no other kind of message") {
  const auto name = unique_name("bytes");
  Raw::Server server(name);
  CHECK_FALSE(error_of(server.start(echo)));
  CHECK(error_of(SharedChannel<int>::Client(name).call(1, amply)) == Errc::layout_mismatch);
}

}  // namespace bytes_test
