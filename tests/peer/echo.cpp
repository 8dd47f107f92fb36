#include "role.hpp"

// echo [EXIT_CODE]: says every line it hears until there are no more.
const peer::Role echo{"echo", [](const peer::Arguments& arguments) {
                        while (const auto line = peer::hear()) peer::say(*line);
                        return arguments.empty() ? 0 : std::stoi(arguments[0]);
                      }};
