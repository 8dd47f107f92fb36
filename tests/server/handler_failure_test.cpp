// A handler that fails costs its caller that call, and nobody anything else.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <unwind.h>
#endif

namespace handler_failure_test {

using namespace shared_channel;
using namespace test_support;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

TEST_CASE("handler failure: the exception's text reaches the caller") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(
      server.start([](int value) -> int { throw std::runtime_error("no " + std::to_string(value) + " here"); })));
  SharedChannel<int>::Client client(name);
  const auto answer = client.call(7, amply);
  REQUIRE(error_of(answer) == Errc::handler_failed);
  CHECK_FALSE(answer.error().not_executed());
  CHECK_THAT(answer.error().message(), Contains(name) && EndsWith(": no 7 here"));
}

TEST_CASE("handler failure: what is no std::exception is caught as well") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start([](int value) -> int { throw value; })));
  SharedChannel<int>::Client client(name);
  const auto answer = client.call(7, amply);
  REQUIRE(error_of(answer) == Errc::handler_failed);
  CHECK_THAT(answer.error().message(), Contains("not a std::exception"));
}

#ifdef __linux__
TEST_CASE("handler failure: an exception of another language is caught as well") {
  static std::atomic<bool> is_deleted{false};
  static _Unwind_Exception foreign;
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  server
      .start([](int value) {
        foreign = {};
        foreign.exception_class = 0x4C55'414A'4954'3230;
        foreign.exception_cleanup = [](_Unwind_Reason_Code, _Unwind_Exception*) { is_deleted = true; };
        if (value == 7) _Unwind_RaiseException(&foreign);
        return value;
      })
      .value();
  SharedChannel<int>::Client client(name);
  CHECK(error_of(client.call(7, amply)) == Errc::handler_failed);
  CHECK(client.call(8, amply).value() == 8);
  CHECK(is_deleted.load());
}
#endif

TEST_CASE("handler failure: an exception may have no text") {
  struct Wordless : std::exception {
    [[nodiscard]] const char* what() const noexcept override { return nullptr; }
  };
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start([](int) -> int { throw Wordless(); })));
  const auto answer = SharedChannel<int>::Client(name).call(7, amply);
  REQUIRE(error_of(answer) == Errc::handler_failed);
  CHECK_THAT(answer.error().message(), Contains("without a text"));
}

TEST_CASE("handler failure: a long text is cut") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start(
      [](int length) -> int { throw std::runtime_error(std::string(static_cast<std::size_t>(length), 'x')); })));
  SharedChannel<int>::Client client(name);
  const auto count = [&](int length) {
    const auto text = client.call(length, amply).error().message();
    return text.find_last_of('x') - text.find_first_of('x', text.find("failed")) + 1;
  };
  CHECK(count(251) == 251);
  CHECK(count(252) == 252);
  CHECK(count(253) == 252);
  CHECK(count(100'000) == 252);
}

TEST_CASE("handler failure: the next call is answered") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start([](int value) {
    if (value % 2 != 0) throw std::runtime_error("odd");
    return value;
  })));
  SharedChannel<int>::Client client(name);
  for (int value = 0; value < 100; ++value) {
    const auto answer = client.call(value, amply);
    if (value % 2 != 0)
      REQUIRE(error_of(answer) == Errc::handler_failed);
    else
      REQUIRE(answer.value() == value);
  }
}

TEST_CASE("handler failure: a handler that writes in place may fail half way") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const int& value, int& reply) {
    reply = -1;
    if (value == 0) throw std::runtime_error("zero");
    reply = value;
  })));
  SharedChannel<int>::Client client(name);
  CHECK(error_of(client.call(0, amply)) == Errc::handler_failed);
  CHECK(client.call(1, amply).value() == 1);
}

TEST_CASE("handler failure: read is not called") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  CHECK_FALSE(error_of(server.start([](int) -> int { throw std::runtime_error("never"); })));
  SharedChannel<int>::Client client(name);
  bool was_read = false;
  CHECK(error_of(client.call_in_place([](int& value) { value = 1; }, [&](const int&) { was_read = true; }, amply)) ==
        Errc::handler_failed);
  CHECK_FALSE(was_read);
}

TEST_CASE("handler failure: it travels between processes") {
  const auto name = unique_name("failure");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  const auto answer = client.call(fail, amply);
  REQUIRE(error_of(answer) == Errc::handler_failed);
  CHECK_THAT(answer.error().message(), EndsWith(": as asked"));
  CHECK(client.call(echo(3), amply).value().id == 3);
}

TEST_CASE("handler failure: serve_one counts a failed call as answered") {
  const auto name = unique_name("failure");
  SharedChannel<int>::Server server(name);
  std::jthread asking([&] { (void)SharedChannel<int>::Client(name).call(1, amply); });
  CHECK(server.serve_one([](int) -> int { throw std::runtime_error("never"); }, amply).value());
}

TEST_CASE("handler failure: an exception from fill gives the slot back") {
  const auto name = unique_name("failure");
  ServerOptions one;
  one.max_calls = 1;
  SharedChannel<int>::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](int value) { return value; })));
  SharedChannel<int>::Client client(name);
  const auto fill = [](int&) { throw std::runtime_error("fill"); };
  CHECK_THROWS_WITH((void)client.call_in_place(
                        fill, [](const int&) {}, amply),
                    "fill");
  CHECK(client.call(2, amply).value() == 2);
}

TEST_CASE("handler failure: an exception from read gives the slot back") {
  const auto name = unique_name("failure");
  ServerOptions one;
  one.max_calls = 1;
  SharedChannel<int>::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](int value) { return value; })));
  SharedChannel<int>::Client client(name);
  const auto read = [](const int&) { throw std::runtime_error("read"); };
  CHECK_THROWS_WITH((void)client.call_in_place([](int& value) { value = 1; }, read, amply), "read");
  CHECK(client.call(2, amply).value() == 2);
}

}  // namespace handler_failure_test
