#include "names.hpp"

#include <atomic>
#include <random>

namespace test_support {

std::string unique_name(std::string_view prefix) {
  static const unsigned run = std::random_device{}();
  static std::atomic<unsigned> serial{0};
  return std::string(prefix) + "-" + std::to_string(run) + "-" + std::to_string(serial++);
}

}  // namespace test_support
