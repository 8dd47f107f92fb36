// What a connected server and eight clients cost while nobody calls.
#include <chrono>
#include <cstdint>
#include <iostream>
#include <thread>

#include "support/csv.hpp"
#include "support/progress.hpp"
#include "support/roles.hpp"
#include "support/sample.hpp"
#include "support/selection.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

constexpr unsigned clients = 8;

Usage sum(const std::vector<std::int64_t>& processes) {
  Usage total;
  for (const std::int64_t process : processes) total += usage_of(process);
  return total;
}

void pause_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

int drive(const Options& options) {
  const bool quick = options.has("quick");
  const double seconds = options.number("seconds", quick ? 1 : 2);
  CsvWriter csv(options.text("csv", ".") + "/idle.csv", "system,clients,seconds,cpu_percent,wakeups_per_s");
  Stage stage;
  const Progress progress;
  Table table({"idle", "CPU of a core", "wake-ups"});
  bool failed = false;

  for (const System* system : selected_systems(options)) {
    Shape shape;
    shape.clients = clients;
    shape.placement = Placement::unpinned;
    if (!system->fits(shape) || system->spins() || (quick && system->kind() != Kind::library)) continue;
    progress.show(std::string(system->name()));
    Usage used;
    double watched = seconds;
    const std::string failure = stage.idle(*system, shape, [&](const std::vector<std::int64_t>& processes) {
      pause_for(0.5);  // the end of any spinning after the last call
      const double begin = seconds_now();
      const Usage before = sum(processes);
      pause_for(seconds);
      used = sum(processes) - before;
      watched = seconds_now() - begin;
    });
    if (!failure.empty()) {
      failed = true;
      table.row({std::string(system->name()), "failed: " + failure});
      continue;
    }
    const double percent = used.cpu_seconds / watched * 100;
    const double wakeups = static_cast<double>(used.waits) / watched;
    csv.row(system->name(), clients, watched, percent, wakeups);
    table.row({std::string(system->name()), format("%.3f %%", percent), format("%.1f /s", wakeups)});
  }
  progress.clear();
  std::cout << format("\na server and %u clients that do nothing\n", clients);
  table.print();
  return failed ? 1 : 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_main(argc, argv, {"quick", "systems", "seconds", "csv"}, bench::drive);
}
