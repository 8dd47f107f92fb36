// How often a thread yields for others, on a clock that moves only when it does.
#include "support/catch.hpp"

#include <shared_channel/detail/wait/fair_yield.hpp>

#include <chrono>
#include <cstdint>

namespace fair_yield_test {

using namespace std::chrono_literals;
using shared_channel::WaitPolicy;
using shared_channel::detail::BasicFairYield;
using shared_channel::detail::Clock;
using shared_channel::detail::YieldTerms;
using std::chrono::nanoseconds;

namespace {

struct YieldTime {
  static inline Clock::time_point time;
  static inline nanoseconds away;
  static inline unsigned yields;

  static Clock::time_point now() noexcept { return time; }
  static void yield() noexcept {
    ++yields;
    time += away;
  }
};

constexpr YieldTerms terms{4, 200us, 10, 3000, 300};
constexpr nanoseconds at_once = 2us;
constexpr nanoseconds to_others_of_ours = 2us + 1ns;
constexpr nanoseconds to_a_stranger = 200us + 1ns;

class Caller {
 public:
  explicit Caller(WaitPolicy policy = {}) : yield_(policy, terms) { YieldTime::yields = 0; }

  /// After how many calls it yields, which takes so long.
  std::uint32_t yields_after(nanoseconds away, bool is_crowded = false) {
    YieldTime::away = away;
    const unsigned before = YieldTime::yields;
    for (std::uint32_t calls = 1; calls <= 10'000; ++calls) {
      yield_.after_call([is_crowded] { return is_crowded; });
      if (YieldTime::yields != before) return calls;
    }
    return 0;
  }

 private:
  BasicFairYield<YieldTime> yield_;
};

}  // namespace

TEST_CASE("fair yield: where others of ours want the core, it is yielded after as many calls each time") {
  Caller caller;
  for (int i = 0; i < 5; ++i) CHECK(caller.yields_after(to_others_of_ours) == 4);
}

TEST_CASE("fair yield: where nobody wants the core, twice as rarely each time, to a limit") {
  Caller caller;
  for (std::uint32_t calls = 4; calls <= 4096; calls *= 2) CHECK(caller.yields_after(at_once) == calls);
  CHECK(caller.yields_after(at_once) == 4096);
  CHECK(caller.yields_after(to_others_of_ours) == 4096);
  CHECK(caller.yields_after(at_once) == 4);
}

TEST_CASE("fair yield: where a stranger takes the core for its slice, many times as rarely, to a limit") {
  Caller caller;
  CHECK(caller.yields_after(to_a_stranger) == 4);
  CHECK(caller.yields_after(to_a_stranger) == 40);
  CHECK(caller.yields_after(to_a_stranger) == 400);
  CHECK(caller.yields_after(to_a_stranger) == 3000);
  CHECK(caller.yields_after(to_a_stranger - 1ns) == 3000);  // a whole slice, and no more: others of ours
  CHECK(caller.yields_after(at_once) == 4);
}

TEST_CASE("fair yield: in a crowd a long yield may have gone to others of ours, and the limit is lower") {
  Caller caller;
  CHECK(caller.yields_after(to_a_stranger, true) == 4);
  CHECK(caller.yields_after(to_a_stranger, true) == 40);
  CHECK(caller.yields_after(to_a_stranger, true) == 300);
  CHECK(caller.yields_after(to_a_stranger) == 300);  // the crowd has gone
  CHECK(caller.yields_after(to_a_stranger, true) == 3000);
  CHECK(caller.yields_after(to_others_of_ours, true) == 300);
  CHECK(caller.yields_after(at_once) == 4);
}

TEST_CASE("fair yield: who spins without end never yields") {
  CHECK(Caller(WaitPolicy::spin_only()).yields_after(at_once) == 0);
  CHECK(Caller(WaitPolicy::sleep()).yields_after(at_once) == 4);
}

}  // namespace fair_yield_test
