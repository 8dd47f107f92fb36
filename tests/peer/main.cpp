#include "role.hpp"

#include <exception>

#include "support/program.hpp"

#ifdef __linux__
#include <csignal>
#include <ctime>

// A peer never outlives its test for long: the kernel ends it.
static void limit_lifetime() {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer;
  const itimerspec limit{{}, {110, 0}};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_settime(timer, 0, &limit, nullptr);
}
#else
static void limit_lifetime() {}  // the parent's job object does it
#endif

int main(int argc, char** argv) {
  test_support::prepare_program();
  limit_lifetime();

  const std::string_view wanted = argc > 1 ? argv[1] : "";
  for (const auto* role : peer::Role::all()) {
    if (role->name != wanted) continue;
    try {
      return role->run({argv + 2, argv + argc});
    } catch (const std::exception& problem) {
      std::cerr << "peer " << wanted << ": " << problem.what() << '\n';
      return 70;
    }
  }
  std::cerr << "no role \"" << wanted << "\"; roles:";
  for (const auto* role : peer::Role::all()) std::cerr << ' ' << role->name;
  std::cerr << '\n';
  return 64;
}
