// How long a thread waits before it looks for its answer, counted in what it does meanwhile.
#include "support/catch.hpp"

#include <shared_channel/detail/wait/first_look.hpp>

namespace first_look_test {

using shared_channel::detail::BasicFirstLook;

namespace {

struct CountedLoop {
  static inline int iterations;
  static void iterate() noexcept { ++iterations; }
};

class Looks {
 public:
  /// How many iterations came before the look, and that there was one.
  int before(bool is_there) {
    CountedLoop::iterations = 0;
    int looks = 0, before_look = 0;
    CHECK(look_.succeeds([&] {
      ++looks;
      before_look = CountedLoop::iterations;
      return is_there;
    }) == is_there);
    CHECK(looks == 1);
    CHECK(CountedLoop::iterations == before_look);
    return before_look;
  }
  /// How many came before a look that was too early.
  int before_late() {
    const int iterations = before(false);
    look_.arrived_late();
    return iterations;
  }
  int before_none() {
    const int iterations = before(false);
    look_.did_not_arrive();
    return iterations;
  }

 private:
  BasicFirstLook<CountedLoop> look_;
};

}  // namespace

TEST_CASE("first look: it comes at once until an answer comes late, and after each of these clearly later") {
  Looks looks;
  CHECK(looks.before(true) == 0);
  CHECK(looks.before_late() == 0);
  CHECK(looks.before_late() == 8);
  CHECK(looks.before_late() == 16);
}

TEST_CASE("first look: after each answer that was there it comes a bit sooner") {
  Looks looks;
  looks.before_late();
  for (int iterations = 8; iterations > 0; --iterations) CHECK(looks.before(true) == iterations);
  CHECK(looks.before(true) == 0);
  CHECK(looks.before(true) == 0);
}

TEST_CASE("first look: failure alone teaches nothing, and where no answer comes half the time is enough") {
  Looks looks;
  looks.before_late();
  CHECK(looks.before(false) == 8);
  CHECK(looks.before_none() == 8);
  CHECK(looks.before_none() == 4);
  CHECK(looks.before_none() == 2);
  CHECK(looks.before_none() == 1);
  CHECK(looks.before_none() == 0);
  CHECK(looks.before(true) == 0);
}

TEST_CASE("first look: it comes in a quarter of a microsecond at the latest") {
  Looks looks;
  for (int i = 0; i < 125; ++i) CHECK(looks.before_late() == 8 * i);
  CHECK(looks.before_late() == 1000);
  CHECK(looks.before(true) == 1000);
  CHECK(looks.before_late() == 999);
  CHECK(looks.before(true) == 1000);
}

}  // namespace first_look_test
