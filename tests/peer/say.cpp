#include "role.hpp"

// say LINE...: says its arguments, one a line.
const peer::Role say_arguments{"say", [](const peer::Arguments& arguments) {
                                 for (const auto& argument : arguments) peer::say(argument);
                                 return 0;
                               }};

// bits: says how wide its pointers are.
const peer::Role bits{"bits", [](const peer::Arguments&) {
                        peer::say(std::to_string(8 * sizeof(void*)));
                        return 0;
                      }};
