// Messages whose types give operators a meaning of their own.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace overloaded_operators_test {

using namespace shared_channel;
using namespace test_support;

namespace {

// Its unary & is no address and its comma no sequence.
struct Odd {
  int value;
  int* operator&() const { return nullptr; }
  template <class T>
  friend int operator,(const Odd& odd, const T&) {
    return odd.value;
  }
};

struct LargeOdd {
  Odd first;
  std::array<std::byte, 100'000> rest;
  int* operator&() const { return nullptr; }
};

// Lies nowhere but on a heap of its own.
template <std::size_t size>
struct Pooled {
  static void* operator new(std::size_t) = delete;
  static void* operator new(std::size_t, std::align_val_t) = delete;
  static void operator delete(void*) { ++freed; }
  static void operator delete(void*, std::align_val_t) { ++freed; }
  static inline std::atomic<int> freed{0};

  std::array<std::byte, size> bytes;
};
template <std::size_t size>
struct alignas(64) PooledApart : Pooled<size> {};

template <class Message>
void come_and_go() {
  const auto name = unique_name("pooled");
  typename SharedChannel<Message>::Server server(name);
  server.start([](const Message& request, Responder<Message> responder) { responder.reply(request); }).value();
  typename SharedChannel<Message>::Client client(name);
  Message request{};
  request.bytes.back() = std::byte{7};
  auto reply = client.call(request, amply);
  REQUIRE(reply.has_value());
  const auto copy = reply;
  const Result<Message> moved = std::move(reply);
  CHECK(copy->bytes.back() == std::byte{7});
  CHECK(moved->bytes.back() == std::byte{7});
  CHECK(client.call_async(request, amply).get().value().bytes.back() == std::byte{7});
  CHECK(Result<Message>(request)->bytes.back() == std::byte{7});
}

struct Mixed {
  std::string text;
  Odd odd;
  std::vector<Odd> odds;
};

}  // namespace

TEST_CASE("overloaded operators: a message with a unary & of its own") {
  const auto name = unique_name("odd");
  SharedChannel<Odd>::Server server(name);
  REQUIRE(error_of(server.start([](const Odd& odd) { return Odd{odd.value + 1}; })) == std::nullopt);
  SharedChannel<Odd>::Client client(name);
  CHECK(client.call({41}, amply).value().value == 42);
  CHECK(client.call_async({42}, amply).get().value().value == 43);
}

TEST_CASE("overloaded operators: a message with an operator new of its own") {
  come_and_go<Pooled<8>>();
  come_and_go<Pooled<10'000>>();  // a deferring handler's copy is on the heap
  come_and_go<Pooled<100'000>>();
  come_and_go<PooledApart<100'000>>();
  CHECK(Pooled<8>::freed + Pooled<10'000>::freed + Pooled<100'000>::freed == 0);
}

TEST_CASE("overloaded operators: a large message with a unary & of its own") {
  const auto name = unique_name("odd");
  SharedChannel<LargeOdd>::Server server(name);
  REQUIRE(error_of(server.start([](const LargeOdd& odd, LargeOdd& reply) {
            reply.first.value = odd.first.value + 1;
            reply.rest = odd.rest;
          })) == std::nullopt);
  SharedChannel<LargeOdd>::Client client(name);
  LargeOdd request{{41}, {}};
  request.rest.fill(std::byte{7});
  const auto reply = client.call(request, amply);
  REQUIRE(reply.has_value());
  CHECK(reply->first.value == 42);
  CHECK(reply->rest.back() == std::byte{7});
}

TEST_CASE("overloaded operators: a message of parts with a unary & of their own") {
  const auto name = unique_name("odd");
  SharedChannel<Mixed>::Server server(name);
  REQUIRE(error_of(server.start([](const Mixed& mixed) {
            return Mixed{mixed.text + "!", {mixed.odd.value + 1}, {{1}, {2}, {mixed.odds.at(0).value}}};
          })) == std::nullopt);
  SharedChannel<Mixed>::Client client(name);
  const auto reply = client.call({"so", {41}, {{9}}}, amply);
  REQUIRE(reply.has_value());
  CHECK(reply->text == "so!");
  CHECK(reply->odd.value == 42);
  REQUIRE(reply->odds.size() == 3);
  CHECK(reply->odds[2].value == 9);
}

}  // namespace overloaded_operators_test
