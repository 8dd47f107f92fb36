// Ctrl-C stops a server gracefully.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <optional>
#include <thread>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/seen.hpp"
#include "support/time.hpp"

namespace ctrl_c_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

// On Win32 the server presses the keys itself, at a console of its own.
void interrupt(Process& process) {
#ifdef _WIN32
  process.write_line("Ctrl-C");
#else
  process.interrupt();
#endif
}

}  // namespace

TEST_CASE("ctrl-c: it ends a server that is idle") {
  const auto name = unique_name("interrupt");
  Process server = peer("serve_until_interrupted", name);
  REQUIRE(server.read_line() == "ready");
  REQUIRE(server_sleeps(name));
  interrupt(server);
  CHECK(server.read_line() == "stopped");
  CHECK(server.wait() == ExitStatus{0, false});
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("ctrl-c: it ends a server that is busy and its callers know how they stand") {
  const auto name = unique_name("interrupt");
  Process server = peer("serve_until_interrupted", name);
  REQUIRE(server.read_line() == "ready");
  std::atomic<std::uint64_t> answered{0};
  std::optional<Error> last;
  std::thread calling([&] {
    Channel::Client client(name);
    for (;;) {
      const auto answer = client.call(echo(answered + 1), amply);
      if (!answer) last = answer.error();
      if (!answer || answer->id != ++answered) break;
    }
  });
  while (answered < 100) std::this_thread::yield();
  interrupt(server);
  CHECK(server.read_line() == "stopped");
  calling.join();
  REQUIRE(last);
  CHECK((last->code() == Errc::server_stopped || last->code() == Errc::no_server));
  CHECK(last->not_executed());
}

}  // namespace ctrl_c_test
