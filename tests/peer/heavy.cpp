#ifdef __linux__
#include "role.hpp"

#include <cstddef>
#include <vector>

#include <sched.h>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

using namespace test_support;

// serve_heavy NAME CORE: serves on one core, with so many threads and so much memory that its end takes a while.
const peer::Role serve_heavy{"serve_heavy", [](const peer::Arguments& arguments) {
                               cpu_set_t core;
                               CPU_ZERO(&core);
                               CPU_SET(std::stoul(arguments.at(1)), &core);
                               ::sched_setaffinity(0, sizeof core, &core);
                               Channel::Server server(arguments.at(0), {.max_calls = 4, .threads = 8});
                               server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
                               const std::vector<char> ballast(std::size_t{64} << 20, 1);
                               peer::say("ready");
                               peer::hear();
                               return 0;
                             }};
#endif
