#include <string>

#include <shared_channel/shared_channel.hpp>

#include "armed.hpp"
#include "faults/job.hpp"
#include "peer/role.hpp"

using namespace faults;
using namespace shared_channel;

// admitting_server NAME NTH: makes a server that admits everyone, and is killed when its NTH object has got its memory.
// Else it ends.
const peer::Role admitting_server{"admitting_server", [](const peer::Arguments& arguments) {
                                    test_points::arm("server_reserved_memory", "kill", std::stoi(arguments.at(1)), "");
                                    ServerOptions options;
                                    options.access = Access::everyone();
                                    const Jobs::Server server(arguments.at(0), options);
                                    return 0;
                                  }};
