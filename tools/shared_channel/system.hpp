// What the tool asks of the operating system besides the terminal. system_linux.cpp and system_win32.cpp.
#pragma once

#include <string>
#include <vector>

namespace tool {

/// One thing that a channel needs, and how it stands here.
struct Finding {
  enum class Grade { good, note, problem };
  Grade grade;
  std::string what;    // "shared memory"
  std::string found;   // "/dev/shm, 24 GB, 11 MB used"
  std::string advice;  // what to do about it, of notes and problems
};

std::vector<Finding> examine_system();

}  // namespace tool
