// What a channel of this name and this process occupy.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "resources.hpp"

namespace test_support {

struct Footprint {
  explicit Footprint(const std::string& channel) : shared_memory(shm_entries("shared_channel." + channel)) {}

  bool operator==(const Footprint&) const = default;

  std::size_t descriptors = open_descriptors();
  std::size_t threads = thread_count();
  std::vector<std::string> shared_memory;
};

inline std::ostream& operator<<(std::ostream& out, const Footprint& footprint) {
  out << footprint.descriptors << " descriptors, " << footprint.threads << " threads, shared memory:";
  for (const auto& name : footprint.shared_memory) out << ' ' << name;
  return out;
}

}  // namespace test_support
