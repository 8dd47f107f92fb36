// Messages of every size and alignment, there and back.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <array>
#include <cstdint>
#include <memory>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace message_types_test {

using namespace shared_channel;
using namespace test_support;

namespace {

template <std::size_t size, std::size_t alignment = 1>
struct alignas(alignment) Octets {
  std::array<unsigned char, size> values;
};

template <class T>
bool is_aligned(const T& object) {
  return reinterpret_cast<std::uintptr_t>(&object) % alignof(T) == 0;
}

// Byte i of call `round` is i + round; the reply's is one more.
template <class Message>
void check_round_trips() {
  const auto name = unique_name("message");
  typename SharedChannel<Message>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Message& request, Message& reply) {
    if (!is_aligned(request) || !is_aligned(reply)) throw std::runtime_error("misaligned");
    for (std::size_t i = 0; i < sizeof request.values; ++i)
      reply.values[i] = static_cast<unsigned char>(request.values[i] + 1);
  })));
  typename SharedChannel<Message>::Client client(name);

  const auto message = std::make_unique<Message>();
  for (unsigned round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < sizeof message->values; ++i) message->values[i] = static_cast<unsigned char>(i + round);
    const auto reply = client.call(*message, amply);
    REQUIRE(error_of(reply) == std::nullopt);
    std::size_t right = 0;
    for (std::size_t i = 0; i < sizeof message->values; ++i) {
      right += reply->values[i] == static_cast<unsigned char>(i + round + 1);
    }
    REQUIRE(right == sizeof message->values);
  }
}

}  // namespace

TEST_CASE("message types: of one byte") { check_round_trips<Octets<1>>(); }
TEST_CASE("message types: of 47 bytes") { check_round_trips<Octets<47>>(); }
TEST_CASE("message types: of 112 bytes, the most that lies inline") { check_round_trips<Octets<112>>(); }
TEST_CASE("message types: of 113 bytes, the least that does not") { check_round_trips<Octets<113>>(); }
TEST_CASE("message types: aligned to 16") { check_round_trips<Octets<16, 16>>(); }
TEST_CASE("message types: aligned to 32") { check_round_trips<Octets<32, 32>>(); }
TEST_CASE("message types: aligned to 64") { check_round_trips<Octets<64, 64>>(); }
TEST_CASE("message types: aligned to a page") { check_round_trips<Octets<4096, 4096>>(); }
TEST_CASE("message types: of 4 KiB, the most that is copied first") { check_round_trips<Octets<4096>>(); }
TEST_CASE("message types: of 4097 bytes, the least that is not") { check_round_trips<Octets<4097>>(); }
TEST_CASE("message types: of 1 MiB") { check_round_trips<Octets<(1 << 20)>>(); }
TEST_CASE("message types: of 1 MiB aligned to a page") { check_round_trips<Octets<(1 << 20), 4096>>(); }

TEST_CASE("message types: request and reply of different types") {
  struct Question {
    std::int16_t value;
  };
  const auto name = unique_name("message");
  SharedChannel<Question, Octets<100>>::Server server(name);
  CHECK_FALSE(error_of(server.start([](Question question) {
    Octets<100> reply;
    reply.values.fill(static_cast<unsigned char>(question.value));
    return reply;
  })));
  SharedChannel<Question, Octets<100>>::Client client(name);
  const auto reply = client.call({42}, amply);
  REQUIRE(reply);
  CHECK(reply->values[0] == 42);
  CHECK(reply->values[99] == 42);
}

TEST_CASE("message types: a large request with a small reply") {
  const auto name = unique_name("message");
  using Channel = SharedChannel<Octets<10'000>, std::uint32_t>;
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Octets<10'000>& request) {
    std::uint32_t sum = 0;
    for (const auto byte : request.values) sum += byte;
    return sum;
  })));
  Channel::Client client(name);
  Octets<10'000> request;
  request.values.fill(3);
  const auto sum = client.call(request, amply);
  REQUIRE(sum);
  CHECK(*sum == 30'000);
}

TEST_CASE("message types: one without a default constructor") {
  struct Number {
    explicit Number(int its_value) : value(its_value) {}
    int value;
  };
  static_assert(!std::is_default_constructible_v<Number>);
  const auto name = unique_name("message");
  SharedChannel<Number>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Number& number) { return Number(number.value + 1); })));
  SharedChannel<Number>::Client client(name);
  const auto reply = client.call(Number(41), amply);
  REQUIRE(reply);
  CHECK(reply->value == 42);
}

TEST_CASE("message types: a large one without a default constructor") {
  struct Page {
    explicit Page(unsigned char fill) { bytes.fill(fill); }
    std::array<unsigned char, 100'000> bytes;
  };
  const auto name = unique_name("message");
  SharedChannel<Page>::Server server(name);
  CHECK_FALSE(error_of(server.start(
      [](const Page& page, Page& reply) { reply.bytes.fill(static_cast<unsigned char>(page.bytes[9] + 1)); })));
  SharedChannel<Page>::Client client(name);
  const auto reply = client.call(Page(6), amply);
  REQUIRE(reply);
  CHECK(reply->bytes[99'999] == 7);
}

TEST_CASE("message types: plain numbers and enumerations are messages too") {
  enum class Colour : std::uint8_t { red, green };
  const auto name = unique_name("message");
  SharedChannel<double, Colour>::Server server(name);
  CHECK_FALSE(error_of(server.start([](double value) { return value < 0 ? Colour::red : Colour::green; })));
  SharedChannel<double, Colour>::Client client(name);
  CHECK(client.call(-1.5, amply).value() == Colour::red);
  CHECK(client.call(1.5, amply).value() == Colour::green);
}

}  // namespace message_types_test
