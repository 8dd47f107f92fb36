#pragma once

#include <string_view>

#include "options.hpp"
#include "platform.hpp"

namespace bench {

// What a child process does. Roles have names because Win32 starts a program anew where Linux forks.
using RoleFunction = int (*)(const SharedBlock&, unsigned index);

struct Role {
  Role(std::string_view name, RoleFunction function);
};

int run_role(std::string_view name, const SharedBlock& block, unsigned index);

// The body of every main(): runs `driver`, or the role this process was started for.
int run_main(int argc, char** argv, int (*driver)(const Options&));

}  // namespace bench
