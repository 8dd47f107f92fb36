#pragma once

#include <string>
#include <string_view>

namespace test_support {

// A channel name that no other test and no other run uses.
std::string unique_name(std::string_view prefix);

}  // namespace test_support
