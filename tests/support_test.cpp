#include "support/catch.hpp"

#include <thread>

#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/scoped_env.hpp"

namespace support_test {

using namespace std::chrono_literals;
using namespace test_support;

TEST_CASE("support: a peer answers line by line and ends with its exit code") {
  Process echo = peer("echo", "7");
  echo.write_line("one");
  CHECK(echo.read_line() == "one");
  echo.write_line("two words");
  CHECK(echo.read_line() == "two words");
  echo.close_input();
  CHECK(echo.wait() == ExitStatus{7, false});
  CHECK_THROWS_WITH(echo.read_line(), "read_line: end of output");
}

TEST_CASE("support: a killed peer is seen as killed") {
  Process echo = peer("echo");
  echo.write_line("alive");
  CHECK(echo.read_line() == "alive");
  CHECK_THROWS_WITH(echo.wait(0ms), "wait: still running");
  echo.kill();
  CHECK(echo.wait().killed);
}

TEST_CASE("support: a suspended peer is silent until it is resumed") {
  Process echo = peer("echo");
  echo.write_line("first");
  CHECK(echo.read_line() == "first");
  echo.suspend();
  echo.write_line("second");
  CHECK_THROWS_WITH(echo.read_line(100ms), "read_line: no line in time");
  echo.resume();
  CHECK(echo.read_line() == "second");
}

TEST_CASE("support: the peer's destructor ends a suspended process") {
  const auto before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    Process echo = peer("echo");
    echo.suspend();
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("support: an unknown role is an error") { CHECK(peer("no such role").wait() == ExitStatus{64, false}); }

TEST_CASE("support: arguments reach the peer as they are") {
  Process say = peer("say", "a b", "", "\"quoted\\\"", "c:\\d\\");
  CHECK(say.read_line() == "a b");
  CHECK(say.read_line() == "");
  CHECK(say.read_line() == "\"quoted\\\"");
  CHECK(say.read_line() == "c:\\d\\");
}

TEST_CASE("support: the 32-bit peer runs", "[peer32]") { CHECK(peer32("bits").read_line() == "32"); }

TEST_CASE("support: names are unique") { CHECK(unique_name("x") != unique_name("x")); }

TEST_CASE("support: threads are counted") {
  const auto before = thread_count();
  std::jthread waiting([](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::yield();
  });
  CHECK(thread_count() == before + 1);
}

TEST_CASE("support: the environment comes back") {
  {
    const ScopedEnv set("SHARED_CHANNEL_TEST_VARIABLE", "value");
    CHECK(std::string(std::getenv("SHARED_CHANNEL_TEST_VARIABLE")) == "value");
  }
  CHECK(std::getenv("SHARED_CHANNEL_TEST_VARIABLE") == nullptr);
}

}  // namespace support_test
