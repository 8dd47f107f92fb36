// A handler that calls.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <thread>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace deadlock_test {

using namespace shared_channel;
using namespace test_support;

using Numbers = SharedChannel<int>;

TEST_CASE("deadlock: a handler that calls its own channel is refused at once") {
  const auto name = unique_name("deadlock");
  Numbers::Client inner(name);
  Numbers::Server server(name);
  CHECK_FALSE(error_of(server.start([&](int value) {
    const auto answer = inner.call(value, amply);
    return !answer && answer.error().code() == Errc::would_deadlock && answer.error().not_executed() ? 1 : 0;
  })));
  Numbers::Client client(name);
  const Stopwatch watch;
  CHECK(client.call(5, amply).value() == 1);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("deadlock: in place it is refused as well") {
  const auto name = unique_name("deadlock");
  Numbers::Server server(name);
  CHECK_FALSE(error_of(server.start([&](int) {
    bool was_filled = false;
    const auto done = Numbers::Client(name).call_in_place([&](int&) { was_filled = true; }, [](const int&) {}, amply);
    return !was_filled && !done && done.error().code() == Errc::would_deadlock ? 1 : 0;
  })));
  CHECK(Numbers::Client(name).call(5, amply).value() == 1);
}

TEST_CASE("deadlock: with several threads it is refused all the same") {
  const auto name = unique_name("deadlock");
  ServerOptions options;
  options.threads = 2;
  Numbers::Server server(name, options);
  CHECK_FALSE(error_of(server.start([&](int value) {
    const auto answer = Numbers::Client(name).call(value, amply);
    return !answer && answer.error().code() == Errc::would_deadlock ? 1 : 0;
  })));
  CHECK(Numbers::Client(name).call(5, amply).value() == 1);
}

TEST_CASE("deadlock: a handler may call another channel") {
  const auto front = unique_name("front");
  const auto back = unique_name("back");
  Numbers::Server behind(back);
  CHECK_FALSE(error_of(behind.start([](int value) { return value + 1; })));
  Numbers::Client inner(back);
  Numbers::Server before(front);
  CHECK_FALSE(error_of(before.start([&](int value) { return 10 * inner.call(value, amply).value(); })));
  Numbers::Client client(front);
  for (int value = 0; value < 20; ++value) REQUIRE(client.call(value, amply).value() == 10 * (value + 1));
}

TEST_CASE("deadlock: a channel served inside another's handler knows both") {
  const auto outer = unique_name("outer");
  const auto inner = unique_name("inner");
  Numbers::Server outer_server(outer);
  Numbers::Server inner_server(inner);
  std::jthread asking([&] { (void)Numbers::Client(inner).call(1, amply); });
  bool refused = false;
  CHECK_FALSE(error_of(outer_server.start([&](int value) {
    (void)inner_server.serve_one(
        [&](int) {
          const auto answer = Numbers::Client(outer).call(1, amply);
          refused = !answer && answer.error().code() == Errc::would_deadlock;
          return 0;
        },
        amply);
    return value;
  })));
  CHECK(Numbers::Client(outer).call(1, amply).value() == 1);
  outer_server.stop();
  outer_server = Numbers::Server(unique_name("other"));
  CHECK(refused);
}

TEST_CASE("deadlock: another thread of the handler's process may call") {
  const auto name = unique_name("deadlock");
  ServerOptions options;
  options.threads = 2;
  Numbers::Server server(name, options);
  CHECK_FALSE(error_of(server.start([&](int value) {
    if (value == 0) return 1;
    int answer = 0;
    std::thread([&] { answer = Numbers::Client(name).call(0, amply).value(); }).join();
    return answer;
  })));
  CHECK(Numbers::Client(name).call(5, amply).value() == 1);
}

}  // namespace deadlock_test
