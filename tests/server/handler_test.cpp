// What may be a handler, and how it is called.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

#ifdef _WIN32
#include "support/windows.hpp"
#endif

namespace handler_test {

using namespace shared_channel;
using namespace test_support;

namespace {

struct Box {
  int value;
};
struct Middling {  // returned in memory, not in registers
  int value;
  char rest[96] = {};
};
struct Large {
  int value;
  char rest[8000] = {};
};

// The answer to 1 when `handler` serves on a background thread.
template <class Request, class Reply, class Handler>
int answer_to_one(Handler&& handler) {
  const auto name = unique_name("handler");
  typename SharedChannel<Request, Reply>::Server server(name);
  server.start(std::forward<Handler>(handler)).value();
  typename SharedChannel<Request, Reply>::Client client(name);
  return client.call(Request{1}, amply).value().value;
}
template <class Handler>
int answer_to_one(Handler&& handler) {
  return answer_to_one<Box, Box>(std::forward<Handler>(handler));
}

struct MayThrow {
  MayThrow() : value(0) {}  // not noexcept, as std::complex and std::chrono::time_point are not
  explicit MayThrow(int number) : value(number) {}
  int value;
};
struct TakesOne {
  explicit TakesOne(int number) : value(number) {}
  int value;
};

bool is_in_shared_memory(const void* address) {
#ifdef _WIN32
  MEMORY_BASIC_INFORMATION region{};
  return VirtualQuery(address, &region, sizeof region) != 0 && region.Type == MEM_MAPPED;
#else
  std::ifstream maps("/proc/self/maps");
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (std::string line; std::getline(maps, line);) {
    std::istringstream text(line);
    std::uintptr_t first = 0, end = 0;
    char dash = 0;
    text >> std::hex >> first >> dash >> end;
    if (at >= first && at < end) return line.find("/dev/shm/") != std::string::npos;
  }
  return false;
#endif
}

Box by_reference(const Box& box) { return {box.value + 1}; }
Box by_value(Box box) { return {box.value + 1}; }
void in_place(const Box& box, Box& reply) { reply.value = box.value + 1; }
void in_out(Box& box) { ++box.value; }

}  // namespace

TEST_CASE("handler: functions of all four forms") {
  CHECK(answer_to_one(by_reference) == 2);
  CHECK(answer_to_one(by_value) == 2);
  CHECK(answer_to_one(in_place) == 2);
  CHECK(answer_to_one(in_out) == 2);
}

TEST_CASE("handler: function pointers of all four forms") {
  CHECK(answer_to_one(&by_reference) == 2);
  CHECK(answer_to_one(&by_value) == 2);
  CHECK(answer_to_one(&in_place) == 2);
  CHECK(answer_to_one(&in_out) == 2);
}

TEST_CASE("handler: lambdas of all four forms") {
  CHECK(answer_to_one([](const Box& box) { return Box{box.value + 1}; }) == 2);
  CHECK(answer_to_one([](Box box) { return Box{box.value + 1}; }) == 2);
  CHECK(answer_to_one([](const Box& box, Box& reply) { reply = {box.value + 1}; }) == 2);
  CHECK(answer_to_one([](Box& box) { ++box.value; }) == 2);
}

TEST_CASE("handler: generic lambdas of all four forms") {
  CHECK(answer_to_one([](const auto& box) { return Box{box.value + 1}; }) == 2);
  CHECK(answer_to_one([](auto box) { return Box{box.value + 1}; }) == 2);
  CHECK(answer_to_one([](const auto& box, auto& reply) { reply.value = box.value + 1; }) == 2);
  CHECK(answer_to_one([](auto& box) { ++box.value; }) == 2);
}

TEST_CASE("handler: functions in std::function of all four forms") {
  CHECK(answer_to_one(std::function<Box(const Box&)>(by_reference)) == 2);
  CHECK(answer_to_one(std::function<Box(Box)>(by_value)) == 2);
  CHECK(answer_to_one(std::function<void(const Box&, Box&)>(in_place)) == 2);
  CHECK(answer_to_one(std::function<void(Box&)>(in_out)) == 2);
}

TEST_CASE("handler: large messages in all four forms") {
  CHECK(answer_to_one<Large, Large>([](const Large& large) { return Large{large.value + 1}; }) == 2);
  CHECK(answer_to_one<Large, Large>([](Large large) { return Large{large.value + 1}; }) == 2);
  CHECK(answer_to_one<Large, Large>([](const Large& large, Large& reply) { reply.value = large.value + 1; }) == 2);
  CHECK(answer_to_one<Large, Large>([](Large& large) { ++large.value; }) == 2);
}

TEST_CASE("handler: different request and reply") {
  CHECK(answer_to_one<Large, Box>([](const Large& large) { return Box{large.value + 1}; }) == 2);
  CHECK(answer_to_one<Box, Large>([](const Box& box, Large& reply) { reply.value = box.value + 1; }) == 2);
}

TEST_CASE("handler: the reply may be of a type that converts") {
  struct AlmostBox {
    int value;
    operator Box() const { return {value}; }
  };
  CHECK(answer_to_one([](const Box& box) { return AlmostBox{box.value + 1}; }) == 2);
}

TEST_CASE("handler: a functor that can only be moved") {
  CHECK(answer_to_one([step = std::make_unique<int>(1)](const Box& box) { return Box{box.value + *step}; }) == 2);
}

TEST_CASE("handler: a functor with state that changes") {
  const auto name = unique_name("handler");
  SharedChannel<Box>::Server server(name);
  CHECK_FALSE(error_of(server.start([calls = 0](const Box&) mutable { return Box{++calls}; })));
  SharedChannel<Box>::Client client(name);
  CHECK(client.call({0}, amply).value().value == 1);
  CHECK(client.call({0}, amply).value().value == 2);
}

TEST_CASE("handler: start keeps a handler that the caller lets go") {
  const auto name = unique_name("handler");
  SharedChannel<Box>::Server server(name);
  auto step = std::make_shared<int>(1);
  const std::weak_ptr<int> kept = step;
  CHECK_FALSE(error_of(server.start([step = std::move(step)](const Box& box) { return Box{box.value + *step}; })));
  CHECK_FALSE(kept.expired());
  SharedChannel<Box>::Client client(name);
  CHECK(client.call({1}, amply).value().value == 2);
}

TEST_CASE("handler: the server's end destroys the handler that start kept") {
  auto step = std::make_shared<int>(1);
  const std::weak_ptr<int> kept = step;
  {
    SharedChannel<Box>::Server server(unique_name("handler"));
    CHECK_FALSE(error_of(server.start([step = std::move(step)](const Box& box) { return Box{box.value + *step}; })));
  }
  CHECK(kept.expired());
}

TEST_CASE("handler: serve uses the caller's own handler and does not copy it") {
  struct Counter {
    Counter() = default;
    Counter(const Counter&) = delete;
    Box operator()(const Box&) { return {++calls}; }
    std::atomic<int> calls{0};
  };
  const auto name = unique_name("handler");
  SharedChannel<Box>::Server server(name);
  Counter counter;
  std::jthread serving([&] { server.serve(counter).value(); });
  SharedChannel<Box>::Client client(name);
  CHECK(client.call({0}, amply).value().value == 1);
  server.stop();
  serving.join();
  CHECK(counter.calls == 1);
}

TEST_CASE("handler: a small reply to be written in place starts out as zeros") {
  const auto name = unique_name("handler");
  SharedChannel<Box>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Box& box, Box& reply) {
    if (box.value != 0) reply.value = box.value;
  })));
  SharedChannel<Box>::Client client(name);
  CHECK(client.call({5}, amply).value().value == 5);
  CHECK(client.call({0}, amply).value().value == 0);
}

TEST_CASE("handler: so do those of types whose constructors may throw, or take something") {
  const auto name = unique_name("handler");
  const auto answer_twice = []<class T>(const std::string& channel, std::type_identity<T>) {
    typename SharedChannel<T>::Server server(channel);
    CHECK_FALSE(error_of(server.start([](const T& asked, T& reply) {
      if (asked.value != 0) reply.value = asked.value;
    })));
    typename SharedChannel<T>::Client client(channel);
    CHECK(client.call(T(5), amply).value().value == 5);
    CHECK(client.call(T(0), amply).value().value == 0);
    int seen = -1;
    const auto look = [&](const T& reply) { seen = reply.value; };
    CHECK_FALSE(error_of(client.call_in_place([](T& request) { request.value = 7; }, look, amply)));
    CHECK_FALSE(error_of(client.call_in_place([](T&) {}, look, amply)));
    CHECK(seen == 0);
  };
  answer_twice(name + ".throws", std::type_identity<MayThrow>());
  answer_twice(name + ".takes", std::type_identity<TakesOne>());
}

TEST_CASE("handler: a small reply is not where the caller can write until the handler has returned it") {
  const auto name = unique_name("handler");
  SharedChannel<Middling>::Server server(name);
  const void* made = nullptr;
  server
      .start([&made](const Middling& asked) {
        Middling reply{asked.value};
        made = &reply;
        return reply;
      })
      .value();
  CHECK(SharedChannel<Middling>::Client(name).call({3}, amply).value().value == 3);
  server.stop();
  CHECK_FALSE(is_in_shared_memory(made));
}

TEST_CASE("handler: a small request to be filled in place starts out as zeros") {
  const auto name = unique_name("handler");
  SharedChannel<Box>::Server server(name);
  CHECK_FALSE(error_of(server.start(by_reference)));
  SharedChannel<Box>::Client client(name);
  CHECK(client.call({5}, amply).value().value == 6);
  int seen = -1;
  CHECK_FALSE(error_of(client.call_in_place([](Box&) {}, [&](const Box& reply) { seen = reply.value; }, amply)));
  CHECK(seen == 1);
}

}  // namespace handler_test
