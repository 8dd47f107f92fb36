#include "logind.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tool {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view blanks = " \t\r";

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(blanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// As systemd reads such words; nothing for others, which it ignores.
std::optional<bool> truth_of(std::string word) {
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  constexpr std::array yes{"1", "yes", "y", "true", "t", "on"}, no{"0", "no", "n", "false", "f", "off"};
  if (std::find(yes.begin(), yes.end(), word) != yes.end()) return true;
  if (std::find(no.begin(), no.end(), word) != no.end()) return false;
  return std::nullopt;
}

/// The setting after this file.
bool read(const fs::path& file, bool value) {
  std::ifstream in(file);
  std::string section;
  for (std::string line; std::getline(in, line);) {
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') section = line;
    const std::size_t equals = line.find('=');
    if (section == "[Login]" && equals != std::string::npos && trimmed(line.substr(0, equals)) == "RemoveIPC")
      value = truth_of(trimmed(line.substr(equals + 1))).value_or(value);
  }
  return value;
}

}  // namespace

bool removes_ipc(const fs::path& root) {
  constexpr std::array folders{"etc", "run", "usr/local/lib", "usr/lib"};  // the first ones go before the others
  std::error_code problem;
  bool value = true;
  for (const char* const folder : folders) {
    const fs::path file = root / folder / "systemd/logind.conf";
    if (!fs::exists(file, problem)) continue;
    value = read(file, value);
    break;
  }
  // Of files of one name the first counts; then they are read by their names, whichever folder they are in.
  std::map<std::string, fs::path> files;
  for (const char* const folder : folders) {
    fs::directory_iterator entries(root / folder / "systemd/logind.conf.d", problem);
    for (; !problem && entries != fs::directory_iterator(); entries.increment(problem)) {
      const fs::path& file = entries->path();
      if (file.extension() == ".conf") files.emplace(file.filename().string(), file);
    }
  }
  for (const auto& [name, file] : files) value = read(file, value);
  return value;
}

}  // namespace tool
