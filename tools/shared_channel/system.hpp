// What the tool asks of the operating system besides the terminal. system_linux.cpp and system_win32.cpp.
#pragma once

#include <string>
#include <vector>

#include "findings.hpp"

namespace tool {

/// How what channels need of the system stands here.
std::vector<Finding> examine_system();

/// The words of the command line without the program's name, in UTF-8 where the system knows of codes.
std::vector<std::string> arguments_of(int argc, char** argv);

}  // namespace tool
