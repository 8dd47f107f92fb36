#include <optional>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "faults/job.hpp"
#include "peer/role.hpp"

using namespace faults;
using namespace shared_channel;

// starter: hears names, makes a server of each as soon as it can, and says "won" or what was in the way; hears "drop"
// to end it.
const peer::Role starter{"starter", [](const peer::Arguments&) {
                           std::optional<Result<Jobs::Server>> server;
                           while (const auto line = peer::hear()) {
                             if (*line == "drop") {
                               server.reset();
                               peer::say("dropped");
                               continue;
                             }
                             server.emplace(Jobs::Server::create(*line));
                             if (*server) {
                               (*server)->start([](const Job& job) { return Done{job.id, check_of(job.id)}; }).value();
                             }
                             peer::say(*server ? "won" : to_string(server->error().code()));
                           }
                           return 0;
                         }};
