#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "system.hpp"
#include "text.hpp"

namespace tool {
namespace {

using Grade = Finding::Grade;

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

Finding shared_memory() {
  constexpr long tmpfs_magic = 0x01021994;
  constexpr std::uint64_t little = std::uint64_t{64} << 20;
  struct statfs space {};
  if (::statfs("/dev/shm", &space) != 0) {
    return {Grade::problem, "shared memory", std::string("/dev/shm: ") + std::strerror(errno),
            "mount -t tmpfs -o mode=1777 tmpfs /dev/shm"};
  }
  const auto block = static_cast<std::uint64_t>(space.f_bsize);
  const std::uint64_t size = space.f_blocks * block, left = space.f_bavail * block;
  const std::string found = "/dev/shm has " + bytes_text(size) + ", " + bytes_text(left) + " of it free";
  if (space.f_type != tmpfs_magic)
    return {Grade::note, "shared memory", found + "; it is no tmpfs",
            "mount a tmpfs there: a file system on a disk is slow"};
  if (size != 0 && left < little / 4) {
    return {Grade::problem, "shared memory", found,
            "remove what is not needed (ls -lS /dev/shm), or: mount -o remount,size=1G /dev/shm"};
  }
  if (size != 0 && size <= little) {
    return {Grade::note, "shared memory", found,
            "servers with large messages need more: docker run --shm-size=1g, or mount -o remount,size=1G /dev/shm"};
  }
  return {Grade::good, "shared memory", found, ""};
}

Finding permissions() {
  struct stat status {};
  if (::stat("/dev/shm", &status) != 0) return {Grade::problem, "permissions", "/dev/shm is not there", "see above"};
  char mode[16];
  std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(status.st_mode & 07777));
  const std::string found = std::string("/dev/shm has mode ") + mode;
  if (::access("/dev/shm", R_OK | W_OK | X_OK) != 0)
    return {Grade::problem, "permissions", found + ", and this user may not make files there", "chmod 1777 /dev/shm"};
  if ((status.st_mode & 07777) != 01777) {
    return {Grade::note, "permissions", found,
            "chmod 1777 /dev/shm, so that every user can serve and none can remove another's channels"};
  }
  return {Grade::good, "permissions", found, ""};
}

Finding futex_waitv() {
  constexpr long number = 449;  // the same on every processor
  const long result = ::syscall(number, nullptr, 0u, 0u, nullptr, 0);
  if (result == -1 && errno == EINVAL) return {Grade::good, "futex_waitv", "the system has it", ""};
  const bool is_refused = errno == EPERM;
  return {Grade::note, "futex_waitv", is_refused ? "a sandbox refuses it" : "the system has it not (Linux 5.16 has)",
          std::string("sleeping callers look for their server every 5 ms instead; ") +
              (is_refused ? "allow the system call (a newer Docker does)" : "a newer kernel wakes them at once")};
}

Finding cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int usable = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const std::string found = std::to_string(usable) + (usable == 1 ? " core" : " cores") + " for this process";
  if (usable == 1)
    return {Grade::note, "cores", found, "waiting threads sleep at once: a call takes two context switches"};
  if (usable == 2) return {Grade::note, "cores", found, "spinning pays only where server and client have one each"};
  return {Grade::good, "cores", found, ""};
}

Finding limits() {
  struct rlimit files {
  }, longest{}, space{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_FSIZE, &longest);
  ::getrlimit(RLIMIT_AS, &space);
  const auto text = [](rlim_t limit) { return limit == RLIM_INFINITY ? std::string("no limit") : bytes_text(limit); };
  const std::string found = std::to_string(files.rlim_cur) + " open files; file size: " + text(longest.rlim_cur) +
                            "; memory: " + text(space.rlim_cur);
  if (files.rlim_cur < 256)
    return {Grade::problem, "limits", found, "ulimit -n 1024: each client and server keeps a few descriptors"};
  if (longest.rlim_cur != RLIM_INFINITY)
    return {Grade::note, "limits", found, "ulimit -f unlimited: no segment may be larger than that"};
  if (space.rlim_cur != RLIM_INFINITY)
    return {Grade::note, "limits", found, "ulimit -v unlimited: every segment is mapped whole"};
  return {Grade::good, "limits", found, ""};
}

bool is_own_namespace(const char* kind, unsigned long initial) {
  char target[64];
  const std::string link = std::string("/proc/self/ns/") + kind;
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target - 1);
  if (length <= 0) return false;
  target[length] = '\0';
  const char* const number = std::strchr(target, '[');
  return number != nullptr && std::strtoul(number + 1, nullptr, 10) != initial;
}

std::string container() {
  for (const auto& [file, name] : {std::pair("/.dockerenv", "Docker"), std::pair("/run/.containerenv", "Podman")}) {
    if (::access(file, F_OK) == 0) return name;
  }
  const std::string other = first_line("/run/systemd/container");
  if (!other.empty()) return printable(other);
  return ::getenv("KUBERNETES_SERVICE_HOST") != nullptr ? "Kubernetes" : "";
}

Finding namespaces() {
  const std::string inside = container();
  std::string found = inside.empty() ? "no container" : "in a container (" + inside + ")";
  std::string advice;
  const auto add = [&](const char* what, const char* then) {
    found += std::string(", own ") + what;
    advice += (advice.empty() ? "" : "; ") + std::string(then);
  };
  // The numbers that the kernel gives to the first ones.
  if (is_own_namespace("pid", 4026531836))
    add("PID namespace", "process ids of peers elsewhere mean nothing here: share it by --pid=host");
  if (is_own_namespace("time", 4026531834)) add("time namespace", "deadlines of callers outside are not known here");
  if (is_own_namespace("user", 4026531837)) add("user namespace", "users of the same number need not be the same");
  if (!inside.empty()) {
    advice += (advice.empty() ? "" : "; ") + std::string(
                                                 "other containers see these channels only if they share /dev/shm: "
                                                 "--ipc=host, --ipc=container:NAME, or a volume at /dev/shm");
  }
  if (advice.empty()) return {Grade::good, "namespaces", found, ""};
  return {Grade::note, "namespaces", found, advice};
}

/// The last word in the order in which systemd reads.
std::string remove_ipc_setting() {
  std::string value = "yes";
  const auto read = [&](const std::filesystem::path& file) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      if (line.rfind("RemoveIPC=", 0) == 0) value = line.substr(10);
    }
  };
  read("/usr/lib/systemd/logind.conf");
  read("/etc/systemd/logind.conf");
  for (const char* const directory :
       {"/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d"}) {
    std::error_code none;
    for (const auto& file : std::filesystem::directory_iterator(directory, none)) read(file.path());
  }
  return value;
}

Finding remove_ipc() {
  if (::access("/run/systemd/seats", F_OK) != 0) return {Grade::good, "RemoveIPC", "systemd-logind is not running", ""};
  const std::string value = remove_ipc_setting();
  if (value != "yes" && value != "true" && value != "1" && value != "on")
    return {Grade::good, "RemoveIPC", "RemoveIPC=" + printable(value), ""};
  const std::string found = "logind removes a user's shared memory when the last session ends";
  if (::getuid() < 1000) return {Grade::good, "RemoveIPC", found + "; not of system users, such as this one", ""};
  return {Grade::note, "RemoveIPC", found,
          "run servers as a system user, or: loginctl enable-linger USER, or RemoveIPC=no in logind.conf"};
}

}  // namespace

std::vector<Finding> examine_system() {
  return {shared_memory(), permissions(), futex_waitv(), cores(), limits(), namespaces(), remove_ipc()};
}

}  // namespace tool
