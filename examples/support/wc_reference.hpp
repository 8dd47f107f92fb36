// What wc_client's output is compared with: the system's wc if it is GNU's, or else a count of our own, made in another
// way and on whole files.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "files.hpp"
#include "programs.hpp"

namespace support {

class WcReference {
 public:
  /// Uses the current directory for files of its own.
  WcReference() {
    try {
      if (run({"--version"}) == 0) name_ = first_line(text_of(output));
    } catch (const std::system_error&) {  // no such program
    }
    is_gnu_ = name_.find("GNU coreutils") != std::string::npos;
    if (!is_gnu_) name_ = "a count of our own: there is no GNU wc here";
  }

  [[nodiscard]] const std::string& name() const { return name_; }

  /// Whether all releases of wc agree about the words of this file: for newer ones, bytes that are neither space nor
  /// printable ASCII make words, too.
  [[nodiscard]] static bool is_plain(const std::filesystem::path& file) {
    const std::string text = contents_of(file);
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '\t' && c <= '\r') || (c >= ' ' && c <= '~'); });
  }

  /// Whether bytes that are not ASCII are counted as wc_server counts them.
  [[nodiscard]] bool ignores_other_bytes() {
    if (!is_gnu_) return true;
    write_file("lone_byte", "\xA6\n");
    return run({"lone_byte"}) == 0 && text_of(output).starts_with("1 0 2 ");
  }

  /// The expected output for two or more regular files.
  [[nodiscard]] std::string count(const std::vector<std::string>& files) {
    if (!is_gnu_) return count_ourselves(files);
    run(files);
    return contents_of(output);
  }

 private:
  static constexpr const char* output = "wc.output";

  static int run(const std::vector<std::string>& arguments) {
    test_support::Process process = start("wc", arguments, {{}, output, {}});
    return exit_code_of(process);
  }

  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  static std::string count_ourselves(const std::vector<std::string>& files) {
    struct Line {
      std::size_t lines, words, bytes;
      std::string name;
    };
    std::vector<Line> lines;
    Line total{0, 0, 0, "total"};
    for (const std::string& file : files) {
      const std::string text = contents_of(file);
      const auto newlines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      lines.push_back({newlines, words_in(text), text.size(), file});
      total = {total.lines + newlines, total.words + lines.back().words, total.bytes + text.size(), total.name};
    }
    lines.push_back(total);
    const int width = static_cast<int>(std::to_string(total.bytes).size());
    std::ostringstream printed;
    for (const Line& line : lines) {
      printed.width(width);
      printed << line.lines << ' ';
      printed.width(width);
      printed << line.words << ' ';
      printed.width(width);
      printed << line.bytes << ' ' << line.name << '\n';
    }
    return printed.str();
  }

  static std::size_t words_in(const std::string& text) {
    const char* const spaces = " \t\n\v\f\r";
    std::size_t words = 0;
    for (std::size_t at = 0; (at = text.find_first_not_of(spaces, at)) != std::string::npos;) {
      const std::size_t end = (std::min)(text.find_first_of(spaces, at), text.size());
      if (std::any_of(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end),
                      [](char c) { return c > ' ' && c <= '~'; })) {
        ++words;
      }
      at = end;
    }
    return words;
  }

  std::string name_;
  bool is_gnu_ = false;
};

}  // namespace support
