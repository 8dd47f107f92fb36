// The processes of a benchmark, and what each of them does.
#pragma once

#include <initializer_list>
#include <string_view>

#include "options.hpp"
#include "platform.hpp"
#include "tests/support/process.hpp"

namespace bench {

// What a child process does. Roles have names because Win32 starts a program anew where Linux forks.
using RoleFunction = int (*)(const SharedBlock&, unsigned index);

struct Role {
  Role(std::string_view name, RoleFunction function);
};

using test_support::own_pid;
using test_support::Process;

// A child process in a role. It ends with this program.
Process start(std::string_view role, const SharedBlock& block, unsigned index);

int run_role(std::string_view name, const SharedBlock& block, unsigned index);

// The body of every main(): runs `driver`, or the role this process was started for. Options that are not in `known`
// are refused.
int run_main(int argc, char** argv, std::initializer_list<std::string_view> known, int (*driver)(const Options&));

}  // namespace bench
