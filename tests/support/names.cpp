#include "names.hpp"

#include <atomic>
#include <filesystem>
#include <random>
#include <system_error>

#include "resources.hpp"

namespace test_support {

namespace {

const std::string& run() {
  static const std::string number = "-" + std::to_string(std::random_device{}()) + "-";
  return number;
}

}  // namespace

std::string unique_name(std::string_view prefix) {
  static std::atomic<unsigned> serial{0};
  return std::string(prefix) + run() + std::to_string(serial++);
}

void remove_leftovers() {
  for (const std::string& entry : shm_entries()) {
    std::error_code ignored;
    if (entry.find(run()) != std::string::npos) std::filesystem::remove("/dev/shm/" + entry, ignored);
  }
}

}  // namespace test_support
