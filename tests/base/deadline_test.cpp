#include "support/catch.hpp"

#include <shared_channel/detail/base/deadline.hpp>

namespace deadline_test {

using namespace std::chrono_literals;
using shared_channel::detail::Clock;
using shared_channel::detail::Deadline;
using std::chrono::nanoseconds;

TEST_CASE("deadline: zero and less have passed already") {
  for (const nanoseconds timeout : {0ns, -1ns, nanoseconds(-1h), (nanoseconds::min)()}) {
    Deadline deadline(timeout);
    CHECK(deadline.passed());
    CHECK(deadline.remaining() == 0ns);
  }
}

TEST_CASE("deadline: max never passes") {
  Deadline deadline((nanoseconds::max)());
  CHECK(deadline.is_never());
  CHECK_FALSE(deadline.passed());
  CHECK(deadline.remaining() == (nanoseconds::max)());
  CHECK(deadline.at() == (Clock::time_point::max)());
}

TEST_CASE("deadline: huge timeouts do not overflow") {
  for (const nanoseconds timeout :
       {(nanoseconds::max)() - 1ns, nanoseconds(50 * 24h), nanoseconds(0xFFFFFFFFll * 1ms)}) {
    Deadline deadline(timeout);
    CHECK_FALSE(deadline.is_never());
    CHECK_FALSE(deadline.passed());
    CHECK(deadline.at() > Clock::now() + 49 * 24h);
    CHECK(deadline.remaining() > 49 * 24h);
  }
}

TEST_CASE("deadline: it passes once and not before its time") {
  Deadline deadline(20ms);
  const auto began = Clock::now();
  while (!deadline.passed()) {
  }
  CHECK(Clock::now() - began >= 20ms);
  CHECK(deadline.remaining() == 0ns);
}

TEST_CASE("deadline: a slice never reaches beyond it") {
  Deadline deadline(1h);
  CHECK(deadline.within(1ms).remaining() <= 1ms);
  CHECK(Deadline(1ms).within(1h).remaining() <= 1ms);
  CHECK_FALSE(Deadline::never().within(1ms).is_never());
}

}  // namespace deadline_test
