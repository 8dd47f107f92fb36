#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER
#endif
#include "catch.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "names.hpp"
#include "process.hpp"
#include "program.hpp"
#include "watchdog.hpp"

#if __has_include(<catch2/catch_all.hpp>)
using Listener = Catch::EventListenerBase;
#else
using Listener = Catch::TestEventListenerBase;
#endif

// Below ctest's own limit, so that it is the watchdog that speaks. Tests that are to run for minutes have that limit
// alone.
constexpr std::chrono::seconds test_limit{100};

static std::optional<std::string> why_skipped;
void test_support::skip(std::string reason) { why_skipped = std::move(reason); }

struct WatchEachTest : Listener {
  using Listener::Listener;

  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    Listener::testCaseStarting(test);
    if (test.tagsAsString().find("soak") == std::string::npos) watchdog.emplace(test.name, test_limit);
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    watchdog.reset();
    if (why_skipped && stats.totals.assertions.failed == 0) {
      std::printf("test skipped: %s\n", why_skipped->c_str());
      std::fflush(stdout);
    }
    why_skipped.reset();
    Listener::testCaseEnded(stats);
  }

  std::optional<test_support::Watchdog> watchdog;
};
CATCH_REGISTER_LISTENER(WatchEachTest)

// For tests/support/wine, which begins a program again that Wine has not begun.
static void tell_that_it_began() {
  if (const char* const path = std::getenv("SHARED_CHANNEL_BEGUN")) {
    if (std::FILE* const file = std::fopen(path, "w")) std::fclose(file);
  }
}

int main(int argc, char** argv) {
  tell_that_it_began();
  test_support::prepare_program();
  const int outcome = Catch::Session().run(argc, argv);
  if (test_support::Process::has_killed()) test_support::remove_leftovers();
  return outcome;
}
