// A sandbox that refuses one of the system's calls: every role comes to an answer or to an Error, in time and idly.
#ifdef __linux__
#include "support/catch.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"

namespace sandbox_test {

using namespace std::chrono_literals;
using namespace test_support;

namespace {

constexpr auto bound = 20s;
constexpr long idle_ms = 400;  // of CPU time; a busy core would need all of the time

std::vector<std::string> calls() {
  std::istringstream line(peer("sandboxed_calls").read_line());
  std::vector<std::string> all;
  for (std::string call; line >> call;) all.push_back(call);
  return all;
}

void print(const char* role, const std::map<std::string, int>& counts) {
  for (const auto& [outcome, count] : counts) std::printf("sandboxed %s: %3d x %s\n", role, count, outcome.c_str());
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SANDBOX_TEST_SANITIZED)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif

}  // namespace

TEST_CASE("sandbox: a server that is refused a system call serves or says why not") {
  if (is_sanitized) SKIP_TEST("the sanitizer's own system calls are refused as well");
  std::map<std::string, int> counts;
  for (const auto& call : calls()) {
    for (const int error : {EPERM, ENOSYS}) {
      INFO(call << " refused with " << error);
      const auto name = unique_name("sandboxed");
      Process server = peer("sandboxed_server", name, call, std::to_string(error));
      const std::string start = server.read_line(bound);
      if (start == "no seccomp") {
        CHECK(counts.empty());  // or all of them
        SKIP_TEST("this kernel has no seccomp filters");
      }
      std::string outcome = start;
      if (start == "serves") {
        Channel::Client client(name);
        const auto answer = client.call(echo(1), 1s);
        outcome += answer ? ", answered" : ", " + std::string(shared_channel::to_string(answer.error().code()));
        std::this_thread::sleep_for(200ms);
        server.write_line("end");
      }
      CHECK(std::stol(server.read_line(bound)) < idle_ms);
      CHECK(server.wait(bound) == ExitStatus{});
      const bool may_remove = call != "unlink" && call != "unlinkat";
      if (start != "serves" && may_remove) CHECK(shm_entries("shared_channel." + name).empty());
      ++counts[outcome];
    }
  }
  print("server", counts);
  CHECK(counts["serves, answered"] > 0);
  CHECK(counts["serves, no_server"] == 0);
}

TEST_CASE("sandbox: a server whose robust list is only pretended says so") {
  if (is_sanitized) SKIP_TEST("the sanitizer's own system calls are refused as well");
  const auto name = unique_name("sandboxed");
  Process server = peer("sandboxed_server", name, "set_robust_list", "0");  // succeeds and does nothing
  const std::string start = server.read_line(bound);
  if (start == "no seccomp") SKIP_TEST("this kernel has no seccomp filters");
  CHECK(start == "system_error");
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("sandbox: a server whose memory is always interrupted gets it in small pieces") {
  const auto name = unique_name("sandboxed");
  Process server = peer("interrupted_server", name);
  const std::string made = server.read_line(bound);
  if (made == "no seccomp") SKIP_TEST("this kernel has no seccomp filters");
  CHECK(made == "made");
  CHECK(server.wait(bound) == ExitStatus{});
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("sandbox: a client that is refused a system call is answered or told why not") {
  if (is_sanitized) SKIP_TEST("the sanitizer's own system calls are refused as well");
  const auto name = unique_name("sandboxed");
  Process server = peer("serve", name, "4", "2");
  REQUIRE(server.read_line() == "ready");
  std::map<std::string, int> counts;
  for (const auto& call : calls()) {
    for (const int error : {EPERM, ENOSYS}) {
      INFO(call << " refused with " << error);
      Process client = peer("sandboxed_client", name, call, std::to_string(error));
      const std::string outcome = client.read_line(bound);
      if (outcome == "no seccomp") {
        CHECK(counts.empty());  // or all of them
        SKIP_TEST("this kernel has no seccomp filters");
      }
      CHECK(std::stol(client.read_line(bound)) < idle_ms);
      CHECK(client.wait(bound) == ExitStatus{});
      ++counts[outcome];
    }
  }
  print("client", counts);
  CHECK(counts["answered answered answered"] > 0);
}

}  // namespace sandbox_test
#endif
