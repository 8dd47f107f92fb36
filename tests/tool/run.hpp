// Runs the program shared_channel, and reads what it says.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../../tools/shared_channel/value.hpp"
#include "support/process.hpp"

namespace tool_test {

using test_support::Process;
using tool::Json;

struct Run {
  int code = -1;
  std::vector<std::string> lines;

  [[nodiscard]] Json json() const {
    if (lines.size() != 1) throw std::runtime_error(std::to_string(lines.size()) + " lines instead of one");
    return Json::parse(lines.front());
  }
  [[nodiscard]] bool has(const std::string& text) const {
    for (const std::string& line : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

// What it prints on standard output; errors go to ours.
inline Run run(const std::vector<std::string>& arguments, const std::vector<std::string>& input = {},
               const std::string& program = SHARED_CHANNEL_TOOL) {
  Process process(program, arguments);
  for (const std::string& line : input) process.write_line(line);
  process.close_input();
  Run result;
  try {
    for (;;) {
      result.lines.push_back(process.read_line());
      if (result.lines.back().ends_with('\r')) result.lines.back().pop_back();  // Win32's ends of lines
    }
  } catch (const std::runtime_error&) {  // it has said all
  }
  result.code = process.wait().code;
  return result;
}

// A call whose answer is waited for as long as it takes.
inline Run call(std::vector<std::string> arguments, const std::vector<std::string>& input = {}) {
  arguments.insert(arguments.begin(), {"call", "--timeout", "60s"});
  return run(arguments, input);
}

inline Json show(const std::string& name) { return run({"show", name, "--json"}).json(); }

inline Json listed(const std::string& name) {
  const Json list = run({"list", "--json"}).json();
  for (const Json& channel : list["channels"]) {
    if (channel["name"] == name) return channel;
  }
  return nullptr;
}

inline std::string line_of(const Run& list, const std::string& name) {
  for (const std::string& line : list.lines) {
    if (line.rfind(name + ' ', 0) == 0) return line;
  }
  return "";
}

}  // namespace tool_test
