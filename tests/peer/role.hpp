#pragma once

#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The peer program plays one role: shared_channel_peer ROLE ARGUMENTS...
// A role registers itself by being defined at namespace scope: const Role echo{"echo", [](const Arguments&) {...}};
namespace peer {

using Arguments = std::vector<std::string>;  // those after the role's name

struct Role {
  Role(const char* its_name, int (*its_run)(const Arguments&)) : name(its_name), run(its_run) { all().push_back(this); }
  static std::vector<const Role*>& all() {
    static std::vector<const Role*> roles;
    return roles;
  }

  const char* name;
  int (*run)(const Arguments&);  // its result is the program's exit code
};

// One line to, and one line from, the test that started us.
inline void say(std::string_view line) { std::cout << line << std::endl; }

inline std::optional<std::string> hear() {
  std::string line;
  return std::getline(std::cin, line) ? std::optional(line) : std::nullopt;
}

}  // namespace peer
