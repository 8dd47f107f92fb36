// Waiting for what other threads do.
#pragma once

#include <atomic>
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

// Waits for `flag`. Not std::atomic::wait(): where libstdc++ has no futexes (MinGW), a notify can get lost.
inline void wait_for(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace test_support
