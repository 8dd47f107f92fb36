#include "findings.hpp"

#include <cstdio>

#include "text.hpp"

namespace tool {
namespace {

using Grade = Finding::Grade;

// ---- Linux ----

Finding shared_memory(const LinuxFacts& facts) {
  constexpr std::uint64_t little = std::uint64_t{64} << 20;
  if (!facts.no_memory.empty()) {
    return {Grade::problem, "shared memory", "/dev/shm: " + facts.no_memory,
            "mount -t tmpfs -o mode=1777 tmpfs /dev/shm"};
  }
  const bool is_limited = facts.memory_size != 0;
  const std::string found = !is_limited ? "/dev/shm has no limit"
                                        : "/dev/shm has " + bytes_text(facts.memory_size) + ", " +
                                              bytes_text(facts.memory_left) + " of it free";
  if (!facts.is_tmpfs) {
    return {Grade::note, "shared memory", found + "; it is no tmpfs",
            "mount a tmpfs there: a file system on a disk is slow"};
  }
  if (is_limited && facts.memory_left < little / 4) {
    return {Grade::problem, "shared memory", found,
            "remove what is not needed (ls -lS /dev/shm), or: mount -o remount,size=1G /dev/shm"};
  }
  if (is_limited && facts.memory_size <= little) {
    return {Grade::note, "shared memory", found,
            "servers with large messages need more: docker run --shm-size=1g, or mount -o remount,size=1G /dev/shm"};
  }
  return {Grade::good, "shared memory", found, ""};
}

Finding permissions(const LinuxFacts& facts) {
  if (!facts.no_memory.empty()) return {Grade::problem, "permissions", "/dev/shm is not there", "see above"};
  char mode[16];
  std::snprintf(mode, sizeof mode, "%04o", facts.memory_mode);
  const std::string found = std::string("/dev/shm has mode ") + mode;
  if (!facts.may_make_files)
    return {Grade::problem, "permissions", found + ", and this user may not make files there", "chmod 1777 /dev/shm"};
  if (facts.memory_mode != 01777) {
    return {Grade::note, "permissions", found,
            "chmod 1777 /dev/shm, so that every user can serve and none can remove another's channels"};
  }
  return {Grade::good, "permissions", found, ""};
}

Finding futex_waitv(const LinuxFacts& facts) {
  const std::string polled = "sleeping callers look for their server every 5 ms instead; ";
  switch (facts.futex_waitv) {
    case LinuxFacts::Waitv::refused:
      return {Grade::note, "futex_waitv", "a sandbox refuses it",
              polled + "allow the system call (a newer Docker does)"};
    case LinuxFacts::Waitv::missing:
      return {Grade::note, "futex_waitv", "the system has it not (Linux 5.16 has)",
              polled + "a newer kernel wakes them at once"};
    case LinuxFacts::Waitv::there:
      break;
  }
  return {Grade::good, "futex_waitv", "the system has it", ""};
}

/// `few`: what to say where server and client have one core each.
Finding cores(int count, const std::string& few) {
  const std::string found = std::to_string(count) + (count == 1 ? " core" : " cores") + " for this process";
  if (count == 1)
    return {Grade::note, "cores", found, "waiting threads sleep at once: a call takes two context switches"};
  if (count == 2 && !few.empty()) return {Grade::note, "cores", found, few};
  return {Grade::good, "cores", found, ""};
}

Finding limits(const LinuxFacts& facts) {
  const auto text = [](const std::optional<std::uint64_t>& limit) { return limit ? bytes_text(*limit) : "no limit"; };
  const std::string found = "open files: " + (facts.open_files ? std::to_string(*facts.open_files) : "no limit") +
                            "; file size: " + text(facts.file_size) + "; memory: " + text(facts.address_space);
  if (facts.open_files && *facts.open_files < 256)
    return {Grade::problem, "limits", found, "ulimit -n 1024: each client and server keeps a few descriptors"};
  if (facts.file_size) return {Grade::note, "limits", found, "ulimit -f unlimited: no segment may be larger than that"};
  if (facts.address_space) return {Grade::note, "limits", found, "ulimit -v unlimited: every segment is mapped whole"};
  return {Grade::good, "limits", found, ""};
}

Finding namespaces(const LinuxFacts& facts) {
  std::string found = facts.container.empty() ? "no container" : "in a container (" + facts.container + ")";
  std::string advice;
  const auto advise = [&](const char* then) { advice += (advice.empty() ? "" : "; ") + std::string(then); };
  const auto add = [&](bool is_own, const char* what, const char* then) {
    if (!is_own) return;
    found += std::string(", own ") + what;
    advise(then);
  };
  add(facts.has_own_pids, "PID namespace", "process ids of peers elsewhere mean nothing here: share it by --pid=host");
  add(facts.has_own_time, "time namespace", "deadlines of callers outside are not known here");
  add(facts.has_own_users, "user namespace", "users of the same number need not be the same");
  if (!facts.container.empty()) {
    advise(
        "other containers see these channels only if they share /dev/shm: --ipc=host, --ipc=container:NAME, or a "
        "volume at /dev/shm");
  }
  return {advice.empty() ? Grade::good : Grade::note, "namespaces", found, advice};
}

Finding remove_ipc(const LinuxFacts& facts) {
  if (!facts.has_logind) return {Grade::good, "RemoveIPC", "systemd-logind is not running", ""};
  if (!facts.removes_ipc) return {Grade::good, "RemoveIPC", "RemoveIPC=no", ""};
  const std::string found = "logind removes a user's shared memory when the last session ends";
  if (facts.user < 1000) return {Grade::good, "RemoveIPC", found + "; not of system users, such as this one", ""};
  return {Grade::note, "RemoveIPC", found,
          "run servers as a system user, or: loginctl enable-linger USER, or RemoveIPC=no in logind.conf"};
}

// ---- Win32 ----

Finding memory(const Win32Facts& facts) {
  if (!facts.memory_left) return {Grade::note, "memory", "the system does not tell", "look at it in the task manager"};
  const std::string found = bytes_text(*facts.memory_left) + " left to commit";
  if (*facts.memory_left < (std::uint64_t{256} << 20))
    return {Grade::problem, "memory", found, "close programs, or make the page file larger"};
  return {Grade::good, "memory", found, ""};
}

Finding session(const Win32Facts& facts) {
  return {Grade::note, "session", "session " + std::to_string(facts.session),
          "channels of Scope::session are seen in this session alone; services are in session 0: use Scope::machine"};
}

Finding global_right(const Win32Facts& facts) {
  if (facts.may_serve_machine) return {Grade::good, "Global\\", "this user may serve Scope::machine", ""};
  return {Grade::note, "Global\\", "this user may not serve Scope::machine",
          "run such servers as a service or as an administrator (SeCreateGlobalPrivilege)"};
}

}  // namespace

std::vector<Finding> findings_of(const LinuxFacts& facts) {
  return {shared_memory(facts), permissions(facts),
          futex_waitv(facts),   cores(facts.cores, "spinning pays only where server and client have one each"),
          limits(facts),        namespaces(facts),
          remove_ipc(facts)};
}

std::vector<Finding> findings_of(const Win32Facts& facts) {
  return {memory(facts), cores(facts.cores, ""), session(facts), global_right(facts)};
}

Finding finding_of(const std::vector<shared_channel::ChannelInfo>& channels) {
  using shared_channel::ChannelState;
  std::string dead, hidden;
  std::uint64_t memory = 0;
  for (const auto& info : channels) {
    if (info.state == ChannelState::dead) dead += ' ' + info.name, memory += info.memory;
    if (info.state == ChannelState::unreadable) hidden += ' ' + info.name;
  }
  const std::string count = std::to_string(channels.size()) + (channels.size() == 1 ? " channel" : " channels");
  if (!dead.empty()) {
    const std::string clean = dead.find(" -") == std::string::npos ? "shared_channel clean" : "shared_channel clean --";
    return {Grade::problem, "channels", count + "; dead servers left " + bytes_text(memory) + " of memory",
            "start these servers again, or: " + clean + dead};
  }
  if (!hidden.empty())
    return {Grade::problem, "channels", count + "; cannot be read:" + hidden, "shared_channel show says why"};
  return {Grade::good, "channels", count + ", none left by a dead server", ""};
}

}  // namespace tool
