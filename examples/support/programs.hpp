// The programs that the drivers of the examples start.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace support {

/// Longer than a count of the demo's files takes on a busy machine.
inline constexpr std::chrono::minutes long_enough{10};

/// The files that stand for a program's standard streams. Empty: nothing to read; what is written is dropped.
struct Files {
  std::filesystem::path input;
  std::filesystem::path output;
  std::filesystem::path errors;
};

inline test_support::Process start(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                                   const Files& files = {}) {
  using test_support::Stream;
  const auto stream = [](const auto& file) { return file.empty() ? Stream::nothing() : Stream::file(file); };
  return {program, arguments, {stream(files.input), stream(files.output), stream(files.errors)}};
}

inline test_support::Process start_example(const std::string& name, const std::vector<std::string>& arguments,
                                           const Files& files = {}) {
  return start(test_support::sibling(name), arguments, files);
}

/// Until it ends; its exit code, or one that no program here returns if it was killed.
inline int exit_code_of(test_support::Process& process) {
  const test_support::ExitStatus status = process.wait(long_enough);
  return status.killed ? -1 : status.code;
}

}  // namespace support
