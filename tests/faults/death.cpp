// How fast and how surely a waiting caller learns that its server has ended.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#ifdef __linux__
#include <unistd.h>
#endif

#include "faults/fault_peer.hpp"
#include "faults/job.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace death_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

struct Death {
  Errc code{};
  bool is_safe = false;
  std::chrono::nanoseconds noticed{};  // after the kill, or after the handler was about to end the process
};

/// A caller waits in a server's handler; the server ends in the given way, or is killed if that is "hang" or "fork".
Death die(const std::string& way, const std::string& mebibytes, std::chrono::nanoseconds timeout = amply) {
  const auto name = unique_name("death");
  Process server = fault_peer("dying_server", name, way, mebibytes);
  REQUIRE(server.read_line() == "ready");
  Death death;
  std::chrono::steady_clock::time_point ended;
  std::thread caller([&] {
    Jobs::Client client(name);
    const auto answer = client.call({1, 0, 0}, timeout);
    ended = std::chrono::steady_clock::now();
    if (answer) return;
    death.code = answer.error().code();
    death.is_safe = answer.error().not_executed();
  });
  REQUIRE(server.read_line() == "taken");
  auto killed = std::chrono::steady_clock::now();
  if (way == "hang" || way == "fork") {
    std::this_thread::sleep_for(20ms);
    killed = std::chrono::steady_clock::now();
    server.kill();
  }
  caller.join();
  death.noticed = ended - killed;
  // The name is free again, though a child may live on that the server had forked.
  const Stopwatch freeing;
  Result<Jobs::Server> next = Jobs::Server::create(name);
  for (int i = 0; !next && i < 1000; ++i) {
    std::this_thread::sleep_for(10ms);
    next = Jobs::Server::create(name);
  }
  CHECK(next);
  CHECK(freeing.elapsed() < promptly);
  if (way == "exec") server.kill();
  return death;
}

std::string in_milliseconds(std::chrono::nanoseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f ms", 1e-6 * static_cast<double>(time.count()));
  return text;
}

void report(const std::string& what, std::vector<std::chrono::nanoseconds> times) {
  std::sort(times.begin(), times.end());
  std::printf("%s, seen by a sleeping caller after %s (median), %s (99 %%), %s (longest of %zu)\n", what.c_str(),
              in_milliseconds(times[times.size() / 2]).c_str(), in_milliseconds(times[times.size() * 99 / 100]).c_str(),
              in_milliseconds(times.back()).c_str(), times.size());
  std::fflush(stdout);
}

void all_notice(const std::string& what, const std::string& way, const std::string& mebibytes, int times) {
  std::vector<std::chrono::nanoseconds> noticed;
  for (int i = 0; i < times; ++i) {
    const Death death = die(way, mebibytes);
    CHECK(death.code == Errc::server_died);
    CHECK_FALSE(death.is_safe);
    noticed.push_back(death.noticed);
  }
  report(what, noticed);
  // Far above what is measured: it must not be a timeout. A busy machine may delay any of them, but not all.
  CHECK(*std::min_element(noticed.begin(), noticed.end()) < 500ms);
}

}  // namespace

TEST_CASE("death: a killed server") { all_notice("killed", "hang", "0", 30); }
TEST_CASE("death: a server killed hundreds of times", "[.soak]") { all_notice("killed", "hang", "0", 500); }
TEST_CASE("death: a killed server with 512 MB in use") { all_notice("killed with 512 MB", "hang", "512", 3); }
TEST_CASE("death: a server that exits on another thread") { all_notice("exit() elsewhere", "exit", "0", 5); }

#ifdef __linux__
TEST_CASE("death: a server that becomes another program") { all_notice("exec()", "exec", "0", 5); }
TEST_CASE("death: a server whose child lives on") { all_notice("killed, with a living child", "fork", "0", 5); }

namespace {

/// A memory cgroup of 64 MiB, of either version; none where nobody may make one.
class MemoryCgroup {
 public:
  explicit MemoryCgroup(const std::string& name) {
    for (const auto& [root, limit] :
         {std::pair{"/sys/fs/cgroup/memory/", "/memory.limit_in_bytes"}, std::pair{"/sys/fs/cgroup/", "/memory.max"}}) {
      std::error_code refused;
      if (!std::filesystem::create_directory(root + name, refused)) continue;
      path_ = root + name;
      is_made_ = write(limit, 64 << 20);
      if (is_made_) return;
      ::rmdir(path_.c_str());
    }
  }
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;
  ~MemoryCgroup() {
    if (is_made_) CHECK(eventually([&] { return ::rmdir(path_.c_str()) == 0; }));
  }

  [[nodiscard]] bool is_made() const { return is_made_; }
  [[nodiscard]] bool take_in(std::int64_t process) const { return write("/cgroup.procs", process); }
  /// Processes that were killed because the memory was used up.
  [[nodiscard]] int kills() const {
    int all = 0;
    for (const char* file : {"/memory.oom_control", "/memory.events"}) {
      std::ifstream lines(path_ + file);
      for (std::string word; lines >> word;) {
        if (int count = 0; word == "oom_kill" && lines >> count) all += count;
      }
    }
    return all;
  }

 private:
  [[nodiscard]] bool write(const char* file, std::int64_t value) const {
    return static_cast<bool>(std::ofstream(path_ + file) << value << std::flush);
  }

  std::string path_;
  bool is_made_ = false;
};

}  // namespace

TEST_CASE("death: a server that the kernel kills because its memory is used up") {
  for (int i = 0; i < 5; ++i) {
    const auto name = unique_name("death");
    const MemoryCgroup small(name);
    Process server = fault_peer("dying_server", name, "eat");
    REQUIRE(server.read_line() == "ready");
    if (!small.is_made() || !small.take_in(server.pid())) {
      CHECK(i == 0);  // or all of them
      SKIP_TEST("no memory cgroup of one's own");
    }
    Jobs::Client client(name);
    auto call = client.call_async({1, 0, 0}, amply);
    REQUIRE(server.read_line() == "taken");
    const auto answer = call.get();
    CHECK(error_of(answer) == Errc::server_died);
    CHECK_FALSE((answer || answer.error().not_executed()));
    CHECK(server.wait() == ExitStatus{9, true});
    CHECK(small.kills() > 0);
    CHECK_FALSE(error_of(Jobs::Server::create(name)));
  }
}

TEST_CASE("death: a client whose child lives on") {
  const auto name = unique_name("death");
  ServerOptions one;
  one.max_calls = 1;
  Jobs::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](const Job& job) { return Done{job.id, check_of(job.id)}; })));
  Process holder = fault_peer("forking_holder", name);
  REQUIRE(holder.read_line() == "holding");
  holder.kill();
  const Stopwatch watch;
  CHECK(Jobs::Client(name).call({7, 0, 0}, amply).value().id == 7);
  CHECK(watch.elapsed() < promptly);
}
#endif

TEST_CASE("death: a server that crashes in its handler") {
  constexpr auto timeout = 2s;
  const Stopwatch watch;
  const Death death = die("abort", "256", timeout);
  // The kernel writes the core before it lets anybody know: the caller's own deadline may come first.
  CHECK((death.code == Errc::server_died || death.code == Errc::timed_out));
  CHECK_FALSE(death.is_safe);
  CHECK(death.noticed < timeout + promptly);
  report("abort() with 256 MB", {death.noticed});
#ifdef __linux__
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
    if (entry.path().filename().string().starts_with("death-")) std::filesystem::remove_all(entry.path());
  }
#endif
}

}  // namespace death_faults
