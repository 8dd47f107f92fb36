#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>

#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/scoped_env.hpp"

namespace support_test {

using namespace std::chrono_literals;
using namespace test_support;

namespace {

std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

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

TEST_CASE("support: a process that has ended can be waited for again, and nothing more happens to it") {
  Process echo = peer("echo", "7");
  CHECK(echo.is_running());
  echo.close_input();
  CHECK(echo.ends_within(patience));
  CHECK_FALSE(echo.is_running());
  for (int i = 0; i < 2; ++i) CHECK(echo.wait() == ExitStatus{7, false});
  echo.kill();
  echo.interrupt();
  CHECK(echo.wait() == ExitStatus{7, false});
}

TEST_CASE("support: a peer reads and writes files") {
  const auto folder = std::filesystem::temp_directory_path();
  const auto input = folder / unique_name("support.input");
  const auto output = folder / unique_name("support.output");
  std::ofstream(input, std::ios::binary) << "one\ntwo\n";
  Process echo(sibling("shared_channel_peer"), {"echo"}, {Stream::file(input), Stream::file(output)});
  CHECK(echo.wait() == ExitStatus{});
  CHECK(contents_of(output) == "one\ntwo\n");
  std::filesystem::remove(input);
  std::filesystem::remove(output);
}

TEST_CASE("support: a peer without streams reads nothing") {
  Process echo(sibling("shared_channel_peer"), {"echo", "7"}, {Stream::nothing(), Stream::nothing()});
  CHECK(echo.wait() == ExitStatus{7, false});
}

TEST_CASE("support: a program that is not there is an error") {
  CHECK_THROWS_AS(Process(sibling("shared_channel_no_such_program"), {}), std::system_error);
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
