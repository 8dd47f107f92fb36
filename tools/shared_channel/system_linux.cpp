#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "logind.hpp"
#include "system.hpp"
#include "text.hpp"

namespace tool {
namespace {

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

void find_memory(LinuxFacts& facts) {
  constexpr long tmpfs_magic = 0x01021994;
  struct statfs space {};
  struct stat status {};
  if (::statfs("/dev/shm", &space) != 0 || ::stat("/dev/shm", &status) != 0) {
    facts.no_memory = std::strerror(errno);
    return;
  }
  const auto block = static_cast<std::uint64_t>(space.f_bsize);
  facts.is_tmpfs = space.f_type == tmpfs_magic;
  facts.memory_size = space.f_blocks * block;
  facts.memory_left = space.f_bavail * block;
  facts.memory_mode = static_cast<unsigned>(status.st_mode & 07777);
  facts.may_make_files = ::access("/dev/shm", R_OK | W_OK | X_OK) == 0;
}

LinuxFacts::Waitv find_futex_waitv() {
  constexpr long number = 449;  // the same on every processor
  const long result = ::syscall(number, nullptr, 0u, 0u, nullptr, 0);
  if (result == -1 && errno == EINVAL) return LinuxFacts::Waitv::there;
  return errno == EPERM ? LinuxFacts::Waitv::refused : LinuxFacts::Waitv::missing;
}

int find_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

std::optional<std::uint64_t> find_limit(decltype(RLIMIT_NOFILE) what) {
  struct rlimit limit {};
  if (::getrlimit(what, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

/// `initial`: the number that the kernel gives to the first one.
bool is_own_namespace(const char* kind, unsigned long initial) {
  char target[64];
  const std::string link = std::string("/proc/self/ns/") + kind;
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target - 1);
  if (length <= 0) return false;
  target[length] = '\0';
  const char* const number = std::strchr(target, '[');
  return number != nullptr && std::strtoul(number + 1, nullptr, 10) != initial;
}

std::string find_container() {
  for (const auto& [file, name] : {std::pair("/.dockerenv", "Docker"), std::pair("/run/.containerenv", "Podman")}) {
    if (::access(file, F_OK) == 0) return name;
  }
  const std::string other = first_line("/run/systemd/container");
  if (!other.empty()) return printable(other);
  return std::getenv("KUBERNETES_SERVICE_HOST") != nullptr ? "Kubernetes" : "";
}

}  // namespace

std::vector<Finding> examine_system() {
  LinuxFacts facts;
  find_memory(facts);
  facts.futex_waitv = find_futex_waitv();
  facts.cores = find_cores();
  facts.open_files = find_limit(RLIMIT_NOFILE);
  facts.file_size = find_limit(RLIMIT_FSIZE);
  facts.address_space = find_limit(RLIMIT_AS);
  facts.container = find_container();
  facts.has_own_pids = is_own_namespace("pid", 4026531836);
  facts.has_own_time = is_own_namespace("time", 4026531834);
  facts.has_own_users = is_own_namespace("user", 4026531837);
  facts.has_logind = ::access("/run/systemd/seats", F_OK) == 0;
  facts.removes_ipc = removes_ipc("/");
  facts.user = ::getuid();
  return findings_of(facts);
}

std::vector<std::string> arguments_of(int argc, char** argv) { return {argv + (argc > 0 ? 1 : 0), argv + argc}; }

}  // namespace tool
