// One line on standard error for each change of state.
#pragma once

#include <functional>
#include <string>

namespace bridge {

using Log = std::function<void(const std::string&)>;

/// With the time in front.
void log_to_standard_error(const std::string& line);

}  // namespace bridge
