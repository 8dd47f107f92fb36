// The times that tests allow.
#pragma once

#include <chrono>

namespace test_support {

// What is to happen at once has happened by then, even on a machine that is busy with other things.
inline constexpr std::chrono::seconds promptly{10};

// The timeout of a call that is not to run into it.
inline constexpr std::chrono::seconds amply{60};

class Stopwatch {
 public:
  std::chrono::nanoseconds elapsed() const { return std::chrono::steady_clock::now() - began_; }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace test_support
