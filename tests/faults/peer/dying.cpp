#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "faults/job.hpp"
#include "peer/role.hpp"

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#endif

using namespace faults;
using namespace shared_channel;

namespace {

/// Memory that the system must take back before the process is gone.
std::vector<char>& burden(std::size_t mebibytes) {
  static std::vector<char> bytes;
  bytes.assign(mebibytes << 20, 1);
  return bytes;
}

[[noreturn]] void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

void end_by(const std::string& way) {
  if (way == "exit") std::thread([] { std::exit(0); }).detach();
  if (way == "abort") std::abort();
#ifdef __linux__
  for (std::size_t eaten = 64; way == "eat"; eaten += 64) burden(eaten);  // until its memory cgroup is full
  if (way == "exec") std::thread([] { ::execl("/bin/sleep", "sleep", "3", nullptr); }).detach();
  if (way == "fork" && ::fork() == 0) {
    std::this_thread::sleep_for(std::chrono::seconds(3));  // outlives its parent
    ::_exit(0);
  }
#endif
}

}  // namespace

// dying_server NAME WAY [MEBIBYTES]: says "ready"; with its first call it says "taken", ends in that way, or hangs.
const peer::Role dying_server{"dying_server", [](const peer::Arguments& arguments) {
                                if (arguments.size() > 2) burden(std::stoul(arguments[2]));
                                const std::string way = arguments.at(1);
#ifdef __linux__
                                // A core file, if there is to be one, where it does not stay.
                                const auto place = std::filesystem::temp_directory_path() / arguments.at(0);
                                if (way == "abort") {
                                  std::filesystem::create_directory(place);
                                  std::filesystem::current_path(place);
                                  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
                                  ::setrlimit(RLIMIT_CORE, &all);
                                }
#endif
                                Jobs::Server server(arguments.at(0));
                                server
                                    .start([way](const Job&) -> Done {
                                      peer::say("taken");
                                      end_by(way);
                                      hang();
                                    })
                                    .value();
                                peer::say("ready");
                                peer::hear();
                                return 0;
                              }};

#ifdef __linux__
// forking_holder NAME: says "holding" once it has a slot, and has a child by then.
const peer::Role forking_holder{"forking_holder", [](const peer::Arguments& arguments) {
                                  Jobs::Client client(arguments.at(0));
                                  const auto hold = [](Job&) {
                                    end_by("fork");
                                    peer::say("holding");
                                    hang();
                                  };
                                  static_cast<void>(client.call_in_place(hold, [](const Done&) {}));
                                  return 0;
                                }};
#endif
