// Whether a thread of this process sleeps in the kernel, by the system's number for it.
#pragma once

#include <cstdint>

#ifdef __linux__
#include <fstream>
#include <string>
#else
#include <chrono>
#include <thread>
#endif

namespace test_support {

#ifdef __linux__
inline bool is_asleep(std::uint32_t thread) {
  std::string line;
  std::getline(std::ifstream("/proc/self/task/" + std::to_string(thread) + "/stat"), line);
  return line.find(") S ") != std::string::npos;
}
#else
// Win32 does not say: the thread has had time to fall asleep.
inline bool is_asleep(std::uint32_t) {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return true;
}
#endif

}  // namespace test_support
