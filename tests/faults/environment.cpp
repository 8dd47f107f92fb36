// Process ids that come round again, memory that is all used up, objects that one may not have.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <string>

#include "faults/fault_peer.hpp"
#include "faults/job.hpp"
#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/seam.hpp"
#include "support/time.hpp"

#ifdef _WIN32
#include "support/windows.hpp"

#include <sddl.h>
#else
#include <unistd.h>
#endif

namespace environment_faults {

using namespace faults;
using namespace test_support;
using shared_channel::Access;
using shared_channel::Errc;
using shared_channel::ServerOptions;

#ifdef __linux__

constexpr const char* none = "no namespaces";

TEST_CASE("environment: a dead server's process id and thread id are another's") {
  if (::geteuid() != 0) SKIP_TEST("only root makes a namespace of process ids");
  Process inside = fault_peer("among_reused_ids", unique_name("reused"));
  CHECK(inside.read_line() == "ids reused");
  CHECK(inside.read_line() == "server_died");
  CHECK(inside.read_line() == "next server called");
  CHECK(inside.wait() == ExitStatus{});
}

TEST_CASE("environment: shared memory that is all used up") {
  Process inside = fault_peer("in_little_room", unique_name("little"));
  const std::string first = inside.read_line();
  if (first == none) SKIP_TEST("no mount namespace of one's own");
  CHECK(first == "too large: out_of_memory, 0 files left");
  CHECK(inside.read_line() == "no room at all: out_of_memory, 0 files left");
  CHECK(inside.read_line() == "small enough: called");
  CHECK(inside.wait() == ExitStatus{});
}

TEST_CASE("environment: no /dev/shm, or one that nobody may write") {
  for (const std::string how : {"missing", "read-only"}) {
    INFO(how);
    const Stopwatch watch;
    Process inside = fault_peer("without_shm", unique_name("no-shm"), how);
    const std::string server = inside.read_line();
    if (server == none) {
      CHECK(how == "missing");  // or neither
      SKIP_TEST("no mount namespace of one's own");
    }
    CHECK(server == "system_error, 0 files left");
    CHECK(inside.read_line() == "no_server");
    CHECK(inside.wait() == ExitStatus{});
    CHECK(watch.elapsed() < promptly);
  }
}

TEST_CASE("environment: a server whose user may not make files in /dev/shm is told that") {
  Process inside = fault_peer("without_right_to_make", unique_name("no-right"));
  const std::string said = inside.read_line();
  if (said == none) SKIP_TEST("no mount namespace of one's own");
  INFO(said);
  CHECK(said.starts_with("access_denied: "));
  CHECK(said.find("this user may not make files in /dev/shm; check its mode") != std::string::npos);
  CHECK(inside.wait() == ExitStatus{});
}

TEST_CASE("environment: a /dev/shm without room for more files") {
  Process inside = fault_peer("with_few_inodes", unique_name("inodes"));
  std::string said = inside.read_line();
  if (said == none) SKIP_TEST("no mount namespace of one's own");
  int refused = 0;
  for (; said == "out_of_memory, 0 files left"; said = inside.read_line()) ++refused;
  CHECK(refused == 4);  // lock, record, server page and segment
  CHECK(said.starts_with("made"));
  CHECK(inside.wait() == ExitStatus{});
}

TEST_CASE("environment: server and client read different clocks") {
  Process inside = fault_peer("across_clocks", unique_name("clocks"));
  const std::string first = inside.read_line();
  if (first == none) SKIP_TEST("no time namespace of one's own");
  CHECK(first == "server ahead: right");
  CHECK(inside.read_line() == "server ahead: right");
  CHECK(inside.read_line() == "client ahead: right");
  CHECK(inside.read_line() == "client ahead: right");
  CHECK(inside.wait() == ExitStatus{});
}

#else

TEST_CASE("environment: a dead server's process id is another's") {
  const auto segment = Segment::create(unique_name("reused"));
  const auto beacon = segment.light();
  CHECK(segment.watch());
  segment.page().identity.server_birth += 1;  // so this process is not the one that served
  CHECK(error_of(segment.watch()) == Errc::no_server);
}

TEST_CASE("environment: an object that denies everybody stands under the channel's name") {
  const auto name = unique_name("denied");
  PSECURITY_DESCRIPTOR nobody = nullptr;
  REQUIRE(ConvertStringSecurityDescriptorToSecurityDescriptorW(L"D:P(D;;GA;;;WD)", SDDL_REVISION_1, &nobody, nullptr));
  SECURITY_ATTRIBUTES attributes{sizeof attributes, nobody, FALSE};
  const std::wstring object = L"Local\\shared_channel." + std::wstring(name.begin(), name.end());
  const HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, &attributes, PAGE_READWRITE, 0, 4096, object.c_str());
  REQUIRE(mapping != nullptr);
  const auto server = Jobs::Server::create(name);
  CHECK(error_of(server) == Errc::access_denied);
  CHECK(server.error().native() == ERROR_ACCESS_DENIED);
  CHECK(server.error().cause().find("this process may not make the object") != std::string::npos);
  CloseHandle(mapping);
  LocalFree(nobody);
  CHECK_FALSE(error_of(Jobs::Server::create(name)));
}

TEST_CASE("environment: a server that lets nobody in") {
  const auto name = unique_name("denied");
  ServerOptions options;
  options.access = Access::sddl("D:P(A;;GA;;;SY)");
  Jobs::Server server(name, options);
  const auto answer = Jobs::Client(name).call({1, 0, 0}, amply);
  CHECK(error_of(answer) == Errc::access_denied);
  CHECK(answer.error().not_executed());
}

#endif

}  // namespace environment_faults
