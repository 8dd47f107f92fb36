#include "names.hpp"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <system_error>

#include "resources.hpp"

namespace test_support {

namespace {

// What tells this run's names from all others: tests/run names the whole run, so that it can tell what the run left.
const std::string& run() {
  static const std::string mark = [] {
    const char* const given = std::getenv("SHARED_CHANNEL_TEST_RUN");
    std::string text(given ? given : "");
    text.insert(text.begin(), '-');
    text.append(std::to_string(std::random_device{}()));
    text.push_back('-');
    return text;
  }();
  return mark;
}

}  // namespace

std::string unique_name(std::string_view prefix) {
  static std::atomic<unsigned> serial{0};
  std::string name(prefix);
  name.append(run()).append(std::to_string(serial++));
  return name;
}

void remove_leftovers() {
  for (const std::string& entry : shm_entries("shared_channel.")) {
    std::error_code ignored;
    if (entry.find(run()) != std::string::npos) std::filesystem::remove("/dev/shm/" + entry, ignored);
  }
}

}  // namespace test_support
