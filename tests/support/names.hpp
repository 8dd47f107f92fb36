// The names of channels in tests.
#pragma once

#include <string>
#include <string_view>

namespace test_support {

// A channel name that no other test and no other run uses.
std::string unique_name(std::string_view prefix);

// Servers that this program killed leave their shared memory to a successor. In the place of those that never came.
void remove_leftovers();

}  // namespace test_support
