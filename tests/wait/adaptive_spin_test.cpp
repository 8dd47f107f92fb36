// The waiting policy's rule, line by line, on a clock that moves only when a thread yields.
#include "support/catch.hpp"

#include <vector>

#include <shared_channel/detail/wait/adaptive_spin.hpp>

namespace adaptive_spin_test {

using namespace std::chrono_literals;
using shared_channel::WaitPolicy;
using shared_channel::detail::BasicAdaptiveSpin;
using shared_channel::detail::Clock;
using shared_channel::detail::Deadline;
using shared_channel::detail::PeerWas;
using std::chrono::nanoseconds;

struct SteppedTime {
  static inline Clock::time_point time;
  static inline nanoseconds step;
  static inline unsigned yields;

  static Clock::time_point now() noexcept { return time; }
  static void yield() noexcept {
    ++yields;
    time += step;
  }
};

constexpr nanoseconds never = 1h;

class Waits {
 public:
  explicit Waits(WaitPolicy policy = {}) : spin_(policy) {
    SteppedTime::time = Clock::now();
    SteppedTime::step = 1us;
  }

  /// A wait for an answer that comes `after` so long, with yields that take `step` each. True if it was seen.
  bool wait(nanoseconds after, PeerWas peer = PeerWas::awake, nanoseconds step = 1us) {
    const auto begin = SteppedTime::time;
    SteppedTime::yields = 0;
    SteppedTime::step = step;
    polls_before_yield = 0;
    Deadline deadline = Deadline::never();
    const bool is_ready = spin_.poll(
        [&] {
          if (SteppedTime::yields == 0) ++polls_before_yield;
          SteppedTime::time += poll_takes;
          return SteppedTime::time - begin >= after;
        },
        [] { return false; }, deadline, peer);
    spun = SteppedTime::time - begin;
    return is_ready;
  }

  /// How long it takes until a wait yields, with a wait each 100 us. That lends the core to a stranger for a `slice`.
  nanoseconds until_lent(nanoseconds slice) {
    const auto begin = SteppedTime::time;
    while (wait(never, PeerWas::awake, slice), SteppedTime::yields == 0) SteppedTime::time += 100us;
    return SteppedTime::time - slice - begin;
  }

  nanoseconds poll_takes{};
  nanoseconds spun{};               // by the last wait
  unsigned polls_before_yield = 0;  // in the last wait

 private:
  BasicAdaptiveSpin<SteppedTime> spin_;
};

TEST_CASE("adaptive spin: a spin ends with its answer, or when a sleep would have cost as much") {
  Waits waits;
  CHECK(waits.wait(30us));
  CHECK(waits.spun == 30us);
  CHECK_FALSE(waits.wait(60us));
  CHECK(waits.spun == 50us);
}

TEST_CASE("adaptive spin: after four spins in vain one is tried every second, fourth and eighth wait") {
  Waits waits;
  std::vector<unsigned> spinning;
  for (unsigned wait = 1; wait <= 33; ++wait) {
    CHECK_FALSE(waits.wait(never));
    if (waits.spun > 0ns) spinning.push_back(wait);
  }
  CHECK(spinning == std::vector<unsigned>{1, 2, 3, 4, 6, 10, 18, 26});

  SECTION("until one pays") {
    while (!waits.wait(20us)) continue;
    CHECK(waits.wait(20us));
    CHECK(waits.wait(20us));
  }
}

TEST_CASE("adaptive spin: for a peer that was woken it lasts as long as wake-ups do lately, and half as long again") {
  Waits waits;
  SECTION("five times as long at most") {
    CHECK_FALSE(waits.wait(never, PeerWas::asleep));
    CHECK(waits.spun == 250us);
  }
  SECTION("as learnt") {
    for (int calls = 0; calls < 40; ++calls) CHECK(waits.wait(80us, PeerWas::asleep));
    CHECK_FALSE(waits.wait(never, PeerWas::asleep));
    CHECK(waits.spun >= 115us);
    CHECK(waits.spun <= 125us);
  }
  SECTION("not less than for one that was awake") {
    for (int calls = 0; calls < 40; ++calls) CHECK(waits.wait(5us, PeerWas::asleep));
    CHECK_FALSE(waits.wait(never, PeerWas::asleep));
    CHECK(waits.spun == 50us);
  }
  SECTION("and again longer after a miss") {
    for (int calls = 0; calls < 40; ++calls) CHECK(waits.wait(80us, PeerWas::asleep));
    CHECK_FALSE(waits.wait(150us, PeerWas::asleep));
    CHECK(waits.wait(150us, PeerWas::asleep));
  }
  SECTION("which is another lesson than that of peers who are awake") {
    for (int calls = 0; calls < 8; ++calls) CHECK_FALSE(waits.wait(never, PeerWas::asleep));
    CHECK(waits.wait(30us));
  }
}

TEST_CASE("adaptive spin: where a stranger gets the core, waits sleep at once for many times as long") {
  Waits waits;
  CHECK_FALSE(waits.wait(never, PeerWas::awake, 3ms));
  CHECK(waits.spun == 3ms);
  CHECK_FALSE(waits.wait(30us));
  SteppedTime::time += 11ms;
  CHECK_FALSE(waits.wait(30us));
  SteppedTime::time += 2ms;
  CHECK(waits.wait(30us));
}

TEST_CASE("adaptive spin: longer and longer while that goes on, and shorter once spins pay again") {
  Waits waits;
  CHECK_FALSE(waits.wait(never, PeerWas::awake, 3ms));
  for (const int times : {4, 8, 16, 32, 64, 128, 256, 256}) {
    const nanoseconds pause = waits.until_lent(3ms);
    CHECK(pause >= times * 3ms - 1ms);
    CHECK(pause <= times * 3ms + 1ms);
  }
  SteppedTime::time += 3s;
  for (int calls = 0; calls < 4; ++calls) CHECK(waits.wait(30us));
  CHECK_FALSE(waits.wait(never, PeerWas::awake, 3ms));
  SteppedTime::time += 49ms;
  CHECK(waits.wait(30us));
}

TEST_CASE("adaptive spin: a crowd's own long turns cost less than its yields have saved, and end nothing") {
  Waits waits;
  for (int calls = 0; calls < 2000; ++calls) CHECK(waits.wait(30us));
  CHECK(waits.wait(30us, PeerWas::awake, 3ms));
  CHECK(waits.wait(30us));
  SECTION("but for what 20 ms do not pay") {
    for (int loans = 0; loans < 6; ++loans) CHECK(waits.wait(30us, PeerWas::awake, 3ms));
    CHECK_FALSE(waits.wait(30us));
  }
}

TEST_CASE("adaptive spin: an answer that came while a stranger had the core is taken, and is no success") {
  Waits waits;
  CHECK(waits.wait(30us, PeerWas::awake, 3ms));
  CHECK_FALSE(waits.wait(30us));
}

TEST_CASE("adaptive spin: a wait begins with polls that do not yield, where an answer can come in them") {
  Waits waits;
  CHECK(waits.wait(5us));
  CHECK(waits.polls_before_yield > 10);

  SECTION("not once the peer was woken") {
    CHECK(waits.wait(5us, PeerWas::asleep));
    CHECK(waits.polls_before_yield == 0);
  }
  SECTION("rarely where answers come in yields") {
    unsigned with_polls = 0;
    for (int calls = 0; calls < 80; ++calls) {
      CHECK(waits.wait(5us));
      with_polls += waits.polls_before_yield > 0 ? 1 : 0;
    }
    CHECK(with_polls >= 8);
    CHECK(with_polls <= 16);
  }
}

/// Yields of which `times` take 3 us, each before `longer` that take 9.
std::vector<nanoseconds> with_short_ones(int times, int longer) {
  std::vector<nanoseconds> yields;
  for (int time = 0; time < times; ++time) {
    yields.push_back(3us);
    yields.insert(yields.end(), static_cast<std::size_t>(longer), 9us);
  }
  return yields;
}

TEST_CASE("adaptive spin: a wait begins with polls for as long as a yield to another thread takes at least") {
  struct Case {
    const char* what;
    std::vector<nanoseconds> yields;
    nanoseconds shortest, longest;
  };
  const Case cases[] = {
      {"nobody else", {1us, 2us}, 0us, 3us},
      {"hardly longer than a brief spin", {3us}, 0us, 3us},
      {"eight microseconds", {8us}, 8us, 10us},
      {"one that let nobody run does not count", {1us, 8us}, 8us, 10us},
      {"the shortest counts", {900us, 40us, 6us, 9us}, 6us, 8us},
      {"ten microseconds at most", {900us}, 9us, 12us},
      {"a time slice of a stranger's teaches nothing", {3ms}, 0us, 3us},
      {"a short one is remembered", with_short_ones(1, 20), 0us, 3us},
      {"until many have taken longer", with_short_ones(1, 2000), 8us, 11us},
      {"and as long as others are as short", with_short_ones(20, 50), 0us, 3us},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Waits waits;
    for (const nanoseconds yield : c.yields) waits.wait(yield, PeerWas::asleep, yield);
    waits.poll_takes = 25ns;
    SteppedTime::time += 1s;
    waits.wait(20us);
    CHECK(waits.polls_before_yield * waits.poll_takes >= c.shortest);
    CHECK(waits.polls_before_yield * waits.poll_takes <= c.longest);
  }
}

TEST_CASE("adaptive spin: a look that takes long is not taken for a yield that does") {
  Waits waits;
  waits.poll_takes = 8us;
  waits.wait(9us, PeerWas::asleep);
  waits.poll_takes = 25ns;
  waits.wait(20us);
  CHECK(waits.polls_before_yield * waits.poll_takes <= 3us);
}

TEST_CASE("adaptive spin: polls without a yield that paid make up for four waits in which they did not") {
  Waits waits;
  for (int calls = 0; calls < 8; ++calls) CHECK(waits.wait(0us));
  unsigned with_polls = 0;
  for (int calls = 0; calls < 80; ++calls) {
    CHECK(waits.wait(5us));
    with_polls += waits.polls_before_yield > 1 ? 1 : 0;
  }
  CHECK(with_polls >= 32 + 4);
  CHECK(with_polls <= 32 + 16);
}

TEST_CASE("adaptive spin: a policy without a spin looks once") {
  Waits waits(WaitPolicy::sleep());
  CHECK_FALSE(waits.wait(5us));
  CHECK(waits.polls_before_yield == 1);
  CHECK(waits.spun == 0ns);
}

TEST_CASE("adaptive spin: the end of the peer ends a long spin, and is no lesson") {
  BasicAdaptiveSpin<SteppedTime> spin(WaitPolicy{1h});
  SteppedTime::time = Clock::now();
  SteppedTime::step = 1us;
  const auto begin = SteppedTime::time;
  Deadline deadline = Deadline::never();
  for (int waits = 0; waits < 10; ++waits) {
    SteppedTime::yields = 0;
    CHECK_FALSE(spin.poll([] { return false; }, [] { return true; }, deadline, PeerWas::awake));
    CHECK(SteppedTime::yields > 100);
  }
  CHECK(SteppedTime::time - begin < 1s);
}

}  // namespace adaptive_spin_test
