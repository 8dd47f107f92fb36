// After which calls a busy thread of a server reads the clock, call by call.
#include "support/catch.hpp"

#include <shared_channel/detail/server/clock_looks.hpp>

#include <chrono>

namespace clock_looks_test {

using namespace std::chrono_literals;
using shared_channel::detail::Clock;
using shared_channel::detail::ClockLooks;
using shared_channel::detail::Upkeep;
using std::chrono::nanoseconds;

namespace {

constexpr nanoseconds soon = Upkeep::interval / 2 - 1ns;

class Worker {
 public:
  Worker() { looks_.looked(now_); }  // the first look follows a long time

  /// How many calls are made until a look is due, which finds that so much time has passed.
  int looks_after(nanoseconds passed, bool may_have_taken_long = false) {
    int calls = 1;
    while (!looks_.are_due(may_have_taken_long)) ++calls;
    looks_.looked(now_ += passed);
    return calls;
  }

 private:
  ClockLooks looks_;
  Clock::time_point now_{1h};
};

}  // namespace

TEST_CASE(
    "clock looks: the first call is looked after, and while calls are short every second, fourth, up to the 64th") {
  CHECK(ClockLooks().are_due(false));
  Worker worker;
  for (int calls = 1; calls <= 64; calls *= 2) CHECK(worker.looks_after(soon) == calls);
  CHECK(worker.looks_after(soon) == 64);
  CHECK(worker.looks_after(soon) == 64);
}

TEST_CASE("clock looks: where they come about once an interval, they stay as far apart") {
  Worker worker;
  for (int calls = 1; calls <= 8; calls *= 2) worker.looks_after(soon);
  CHECK(worker.looks_after(Upkeep::interval / 2) == 16);
  CHECK(worker.looks_after(Upkeep::interval) == 16);
  CHECK(worker.looks_after(soon) == 16);
  CHECK(worker.looks_after(soon) == 32);
}

TEST_CASE("clock looks: once calls have become long each of them is looked after") {
  Worker worker;
  for (int calls = 1; calls <= 8; calls *= 2) worker.looks_after(soon);
  CHECK(worker.looks_after(Upkeep::interval + 1ns) == 16);
  CHECK(worker.looks_after(Upkeep::interval + 1ns) == 1);
  CHECK(worker.looks_after(soon) == 1);
  CHECK(worker.looks_after(soon) == 2);
}

TEST_CASE("clock looks: a sign that a call was long makes one due, and the calls are counted anew") {
  Worker worker;
  for (int calls = 1; calls <= 4; calls *= 2) worker.looks_after(soon);
  CHECK(worker.looks_after(Upkeep::interval, true) == 1);
  CHECK(worker.looks_after(Upkeep::interval) == 8);
}

}  // namespace clock_looks_test
