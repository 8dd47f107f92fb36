#include "support/seam.hpp"

#include "role.hpp"

#include <optional>

using namespace test_support;
using namespace shared_channel;

// Each role says that it holds what its name says, and lets go when it hears a line.

// seam_server_lease NAME: "held", or what went wrong.
const peer::Role seam_server_lease{"seam_server_lease", [](const peer::Arguments& arguments) {
                                     const Names names = Segment::names_of(arguments.at(0));
                                     auto lease = platform::ServerLease::acquire(names, Segment::access());
                                     if (!lease) {
                                       peer::say(to_string(lease.error().code()));
                                       return 1;
                                     }
                                     lease->record().magic = rendezvous_magic;
                                     lease->record().version = abi_version;
                                     lease->record().generation.store(Segment::generation);
                                     peer::say("held");
                                     peer::hear();
                                     return 0;
                                   }};

// seam_client_lease NAME NUMBER: "held", or what went wrong.
const peer::Role seam_client_lease{"seam_client_lease", [](const peer::Arguments& arguments) {
                                     const Segment segment = Segment::open(arguments.at(0));
                                     const auto lease =
                                         segment.take_lease(static_cast<std::uint32_t>(std::stoul(arguments.at(1))));
                                     peer::say(lease ? "held" : to_string(lease.error().code()));
                                     peer::hear();
                                     return 0;
                                   }};

// seam_beacon NAME: "lit"; then "out", and stays until the next line.
const peer::Role seam_beacon{"seam_beacon", [](const peer::Arguments& arguments) {
                               const Segment segment = Segment::open(arguments.at(0));
                               auto beacon = segment.light();
                               peer::say("lit");
                               peer::hear();
                               beacon.reset();
                               peer::say("out");
                               peer::hear();
                               return 0;
                             }};

// seam_signal NAME: rings at every line.
const peer::Role seam_signal{"seam_signal", [](const peer::Arguments& arguments) {
                               const Segment segment = Segment::open(arguments.at(0));
                               auto signal = segment.open_signal().value();
                               peer::say("open");
                               while (peer::hear()) {
                                 ++segment.header().exec.sequence;
                                 signal.ring();
                                 peer::say("rung");
                               }
                               return 0;
                             }};

// seam_mutex NAME NUMBER [aloud]: takes the client mutex with a lease of that number; says how, and aloud also that it
// begins.
const peer::Role seam_mutex{"seam_mutex", [](const peer::Arguments& arguments) {
                              const Segment segment = Segment::open(arguments.at(0));
                              const auto number = static_cast<std::uint32_t>(std::stoul(arguments.at(1)));
                              const auto lease = segment.take_lease(number).value();
                              const auto watch = segment.watch().value();
                              auto mutex = segment.open_client_mutex().value();
                              Deadline deadline(std::chrono::seconds(60));
                              if (arguments.size() > 2) peer::say("begins");
                              const auto outcome = mutex.lock(number, lease, deadline, watch);
                              const bool has_it =
                                  outcome == platform::Lock::locked || outcome == platform::Lock::abandoned;
                              peer::say(outcome == platform::Lock::locked      ? "locked"
                                        : outcome == platform::Lock::abandoned ? "abandoned"
                                        : outcome == platform::Lock::timed_out ? "timed out"
                                                                               : "server gone");
                              peer::hear();
                              if (has_it) mutex.unlock();
                              peer::say("unlocked");
                              peer::hear();
                              return 0;
                            }};
