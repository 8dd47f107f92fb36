// What the command line selects to be measured.
#pragma once

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "../systems/system.hpp"
#include "options.hpp"

namespace bench {

// The systems that `--systems a,b` asks for, all of them without it; those that are not installed are named.
inline std::vector<const System*> selected_systems(const Options& options) {
  const std::vector<std::string> wanted = options.list("systems", {});
  std::vector<const System*> systems;
  for (const System* system : all_systems()) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), system->name()) == wanted.end()) continue;
    if (system->kind() == Kind::skipped)
      std::cout << "  " << system->name() << ": skipped: not installed\n";
    else
      systems.push_back(system);
  }
  return systems;
}

inline std::vector<std::uint32_t> numbers(const Options& options, const std::string& key,
                                          std::vector<std::string> fallback) {
  std::vector<std::uint32_t> values;
  for (const std::string& item : options.list(key, std::move(fallback)))
    values.push_back(static_cast<std::uint32_t>(std::stoul(item)));
  return values;
}

inline void print_clock(const Clock& clock) {
  std::cout << format("  clock: %.1f ns a reading, %.1f ns a step\n", clock.cost_ns, clock.step_ns);
}

}  // namespace bench
