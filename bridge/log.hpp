// One line on standard error for each change of state.
#pragma once

#include <functional>
#include <string>

namespace bridge {

using Log = std::function<void(const std::string&)>;

/// With the time in front. What others said of themselves may be part of it, so that it is kept to one line.
void log_to_standard_error(const std::string& line);

}  // namespace bridge
