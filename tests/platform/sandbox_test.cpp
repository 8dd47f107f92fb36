// A sandbox that refuses one of the system's calls: every role comes to an answer or to an Error, in time and idly.
#ifdef __linux__
#include "support/catch.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
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

struct Case {
  std::string call;
  int error;
};

// Every call with the errnos of kernels and sandboxes that lack it; those that may be repeated also with such as say
// so.
// Not the futex once threads sleep on it: nothing else wakes those.
std::vector<Case> cases(const std::string& when) {
  const std::set<std::string> repeated{"futex",    "futex_time64", "futex_waitv", "clock_nanosleep",
                                       "poll",     "openat",       "fallocate",   "pread64",
                                       "recvfrom", "sendto",       "getrandom",   "close"};
  std::istringstream line(peer("sandboxed_calls").read_line());
  std::vector<Case> all;
  for (std::string call; line >> call;) {
    if (when == "later" && (call == "futex" || call == "futex_time64")) continue;
    for (const int error : {EPERM, ENOSYS}) all.push_back({call, error});
    if (repeated.count(call) == 0) continue;
    for (const int error : {EAGAIN, EINTR, ETIMEDOUT}) all.push_back({call, error});
  }
  return all;
}

// Some of the cases at a time, so that all of them together do not take the sum of their times.
constexpr std::size_t at_once = 16;

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

struct Refused {
  const Case* what;
  std::string name;
  Process process;
  std::string outcome;
};

// None where the kernel has no filters.
std::vector<Refused> start(const char* role, const std::vector<Case>& all, std::size_t from, const std::string& name,
                           const std::string& when) {
  std::vector<Refused> some;
  for (std::size_t at = from; at < all.size() && at < from + at_once; ++at) {
    const std::string own = name.empty() ? unique_name("sandboxed") : name;
    some.push_back({&all[at], own, peer(role, own, all[at].call, std::to_string(all[at].error), when), {}});
  }
  for (Refused& one : some) {
    one.outcome = one.process.read_line(bound);
    if (one.outcome == "no seccomp") return {};
  }
  return some;
}

// Long enough for the upkeep.
void refuse_servers(const std::string& when) {
  if (is_sanitized) SKIP_TEST("the sanitizer's own system calls are refused as well");
  std::map<std::string, int> counts;
  const std::vector<Case> all = cases(when);
  for (std::size_t at = 0; at < all.size(); at += at_once) {
    std::vector<Refused> servers = start("sandboxed_server", all, at, "", when);
    if (servers.empty()) SKIP_TEST("this kernel has no seccomp filters");
    for (const auto pause : {1500ms, 0ms}) {
      for (Refused& server : servers) {
        if (server.outcome.rfind("serves", 0) != 0) continue;
        INFO(server.what->call << " refused with " << server.what->error);
        const auto answer = shared_channel::SharedChannel<Ask, Answer>::Client(server.name).call(echo(1), 2s);
        server.outcome += answer ? ", answered" : ", " + std::string(to_string(answer.error().code()));
        CHECK(answer);
      }
      std::this_thread::sleep_for(pause);
    }
    for (Refused& server : servers) {
      INFO(server.what->call << " refused with " << server.what->error);
      const bool serves = server.outcome.rfind("serves", 0) == 0;
      if (serves) server.process.write_line("end");
      CHECK(std::stol(server.process.read_line(bound)) < idle_ms);
      CHECK(server.process.wait(bound) == ExitStatus{});
      // Who cannot tell that the files under its names are its own leaves them, as the killed do.
      const std::set<std::string> unremoved{"unlink", "unlinkat", "fstat", "newfstatat"};
      if ((!serves || when == "later") && unremoved.count(server.what->call) == 0)
        CHECK(shm_entries("shared_channel." + server.name).empty());
      ++counts[server.outcome];
    }
  }
  print("server", counts);
  CHECK(counts["serves, answered, answered"] > 0);
}

void refuse_clients(const std::string& when) {
  if (is_sanitized) SKIP_TEST("the sanitizer's own system calls are refused as well");
  const auto name = unique_name("sandboxed");
  Process server = peer("serve", name, "64", "20");
  REQUIRE(server.read_line() == "ready");
  std::map<std::string, int> counts;
  const std::vector<Case> all = cases(when);
  for (std::size_t at = 0; at < all.size(); at += at_once) {
    std::vector<Refused> clients = start("sandboxed_client", all, at, name, when);
    if (clients.empty()) SKIP_TEST("this kernel has no seccomp filters");
    for (Refused& client : clients) {
      INFO(client.what->call << " refused with " << client.what->error);
      CHECK(std::stol(client.process.read_line(bound)) < idle_ms);
      CHECK(client.process.wait(bound) == ExitStatus{});
      ++counts[client.outcome];
    }
  }
  print("client", counts);
  CHECK(counts["answered answered answered"] > 0);
}

}  // namespace

TEST_CASE("sandbox: a server that is refused a system call serves or says why not") {
  SECTION("from the beginning") { refuse_servers("first"); }
  SECTION("once it serves") { refuse_servers("later"); }
}

TEST_CASE("sandbox: a server whose robust list is only pretended says so") {
  if (is_sanitized) SKIP_TEST("the sanitizer's own system calls are refused as well");
  const auto name = unique_name("sandboxed");
  Process server = peer("sandboxed_server", name, "set_robust_list", "0", "first");  // succeeds and does nothing
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
  SECTION("from the beginning") { refuse_clients("first"); }
  SECTION("once it is attached") { refuse_clients("later"); }
}

}  // namespace sandbox_test
#endif
