#include "roles.hpp"

#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <string>

namespace bench {

namespace {

std::map<std::string, RoleFunction, std::less<>>& roles() {
  static std::map<std::string, RoleFunction, std::less<>> all;
  return all;
}

}  // namespace

Role::Role(std::string_view name, RoleFunction function) { roles().emplace(name, function); }

int run_role(std::string_view name, const SharedBlock& block, unsigned index) {
  try {
    const auto role = roles().find(name);
    return role == roles().end() ? 2 : role->second(block, index);
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return 1;
  }
}

int run_main(int argc, char** argv, std::initializer_list<std::string_view> known, int (*driver)(const Options&)) {
  try {
    const Options options(argc, argv);
    if (!options.has("role")) {
      const std::string complaint = options.complaint(known);
      if (complaint.empty()) return driver(options);
      std::cerr << complaint << '\n';
      return 2;
    }
    const SharedBlock block(options.text("block", ""), static_cast<std::size_t>(options.number("size", 0)));
    return run_role(options.text("role", ""), block, static_cast<unsigned>(options.number("index", 0)));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace bench
