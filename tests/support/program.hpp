// This program: what main() begins with, where it lies, which process it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace test_support {

// For the first line of main(): plain '\n' on the standard streams, and a crash ends the program without a dialog.
void prepare_program();

std::filesystem::path this_program();
std::int64_t own_pid();

// The program of this name in this program's folder.
inline std::filesystem::path sibling(std::string_view name) {
  const std::filesystem::path self = this_program();
  return self.parent_path() / (std::string(name) + self.extension().string());
}

}  // namespace test_support
