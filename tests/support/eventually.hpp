#pragma once

#include <thread>

#include "time.hpp"

namespace test_support {

// Whether `condition` becomes true before a busy machine would have got there.
template <class Condition>
bool eventually(Condition&& condition) {
  const Stopwatch watch;
  while (!condition()) {
    if (watch.elapsed() > promptly) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace test_support
