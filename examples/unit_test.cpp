// How to test code that asks a channel. It takes whatever can be called as the client's call() can: a test gives it a
// function that answers, or fails, by hand, and needs neither a server nor a second process. Where the channel itself
// is to be tested too, server and client live in the test's own process.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

namespace {

using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::Result;
using shared_channel::SharedChannel;

struct Where {
  std::int32_t room;
};
struct Reading {
  double celsius;
};
using Thermometer = SharedChannel<Where, Reading>;

// ---- the code under test: knows no channel, only how to ask ----

using Ask = std::function<Result<Reading>(const Where&)>;

std::string headline(const Ask& ask, std::int32_t room) {
  auto reading = ask({room});
  if (!reading && reading.error().safe_to_retry()) reading = ask({room});
  if (!reading) return reading.error().code() == Errc::no_server ? "no thermometer" : "unknown";
  return reading->celsius > 25 ? "hot" : "fine";
}

// ---- its tests ----

int failures = 0;

void expect(const std::string& found, const std::string& expected) {
  if (found == expected) return;
  std::printf("expected %s, found %s\n", expected.c_str(), found.c_str());
  ++failures;
}

void test_answers() {
  expect(headline([](const Where&) { return Reading{31}; }, 1), "hot");
  expect(headline([](const Where&) { return Reading{21}; }, 1), "fine");
}

void test_errors() {
  int asked = 0;
  const auto none = [&](const Where&) -> Result<Reading> {
    ++asked;
    return Error(Errc::no_server, "thermometer", "no server is running");
  };
  expect(headline(none, 1), "no thermometer");
  expect(std::to_string(asked), "2");  // it was safe to ask again

  asked = 0;
  const auto late = [&](const Where&) -> Result<Reading> {
    ++asked;
    return Error(Errc::timed_out, "thermometer", "no reply came", 0, Execution::possible);
  };
  expect(headline(late, 1), "unknown");
  expect(std::to_string(asked), "1");  // it was not
}

void test_with_a_server(const std::string& name) {
  Thermometer::Client client(name);
  const Ask ask = [&](const Where& where) { return client.call(where, std::chrono::seconds(10)); };
  {
    Thermometer::Server server(name);
    server.start([](const Where& where) { return Reading{20.0 + where.room}; }).value();
    expect(headline(ask, 1), "fine");
    expect(headline(ask, 9), "hot");
  }
  expect(headline(ask, 1), "no thermometer");
}

}  // namespace

int main(int argc, char** argv) {
  test_answers();
  test_errors();
  test_with_a_server(argc > 1 ? argv[1] : "unit_test");
  if (failures == 0) std::puts("all tests passed");
  return failures == 0 ? 0 : 1;
}
