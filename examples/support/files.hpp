// Small helpers over files that the drivers of the examples share.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/support/program.hpp"

namespace support {

inline std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The same with line ends as Linux has them.
inline std::string text_of(const std::filesystem::path& path) {
  std::string text = contents_of(path);
  std::erase(text, '\r');
  return text;
}

inline void write_file(const std::filesystem::path& path, const std::string& contents) {
  std::ofstream file(path, std::ios::binary);
  file << contents;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

/// A channel's name that no other run has; tests/run adds a mark by which it finds what was left behind.
inline std::string channel(const char* stem) {
  const char* const run = std::getenv("SHARED_CHANNEL_TEST_RUN");
  return std::string(stem) + '.' + (run != nullptr ? run : "") + std::to_string(test_support::own_pid());
}

/// A directory that goes with this object, and is the current one until then.
class Scratch {
 public:
  Scratch()
      : before_(std::filesystem::current_path()),
        path_(before_ / ("scratch." + std::to_string(test_support::own_pid()))) {
    std::filesystem::create_directories(path_);
    std::filesystem::current_path(path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::filesystem::path before_;
  std::filesystem::path path_;
};

}  // namespace support
