// What others find, or do, while a server makes its objects.
#include "support/catch.hpp"

#ifndef _WIN32

#include <shared_channel/shared_channel.hpp>

#include <sys/stat.h>

#include <csignal>
#include <string>

#include "faults/fault_peer.hpp"
#include "faults/job.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace half_made_faults {

using namespace faults;
using namespace test_support;

TEST_CASE("half made: objects without their memory admit whom they will admit") {
  const auto name = unique_name("half-made");
  int killed = 0;
  for (;; ++killed) {
    Process server = fault_peer("admitting_server", name, std::to_string(killed + 1));
    const ExitStatus end = server.wait();
    if (end == ExitStatus{}) break;
    REQUIRE(end == ExitStatus{SIGKILL, true});
    for (const auto& object : shm_entries("shared_channel." + name)) {
      if (object.ends_with(":server")) continue;  // the server's own, always
      INFO(object << ", server killed at its object number " << killed + 1);
      struct stat status {};
      REQUIRE(::stat(("/dev/shm/" + object).c_str(), &status) == 0);
      CHECK((status.st_mode & S_IROTH) != 0);
    }
  }
  CHECK(killed >= 2);  // the server page and the segment
}

TEST_CASE("half made: a name that somebody else takes first is done without") {
  for (const char* taken : {"page", "segment"}) {
    CAPTURE(taken);
    const auto name = unique_name("half-made");
    Process server = fault_peer("raced_server", name, taken, "3");
    CHECK(server.read_line() == "made");
    CHECK(Jobs::Client(name).call({5, 0, 0}, amply).value().id == 5);
    server.close_input();
    CHECK(server.wait() == ExitStatus{});
    CHECK(shm_entries("shared_channel." + name).empty());
    Process outrun = fault_peer("raced_server", name, taken, "1000");
    CHECK(outrun.read_line() == "not_owner");
    CHECK(outrun.wait() == ExitStatus{});
    CHECK(shm_entries("shared_channel." + name).empty());
  }
}

}  // namespace half_made_faults

#endif
