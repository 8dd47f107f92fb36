// What doctor says, check by check, of facts that are made up.
#include "support/catch.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../tools/shared_channel/findings.hpp"
#include "support/names.hpp"

#ifdef __linux__
#include "../../tools/shared_channel/logind.hpp"
#endif

namespace tool_doctor_test {

using tool::Finding;
using tool::LinuxFacts;
using tool::Win32Facts;
using Grade = Finding::Grade;

constexpr std::uint64_t MB = std::uint64_t{1} << 20;

Finding named(const std::vector<Finding>& findings, const std::string& what) {
  for (const Finding& finding : findings) {
    if (finding.what == what) return finding;
  }
  throw std::runtime_error("nothing is said of " + what);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Of facts that differ from good ones.
template <class Facts, class Change>
Finding after(Change&& change, const std::string& what) {
  Facts facts;
  change(facts);
  const Finding finding = named(findings_of(facts), what);
  CHECK((finding.grade == Grade::good) == finding.advice.empty());
  CAPTURE(what, finding.found, finding.advice);
  for (const Finding& other : findings_of(Facts())) {
    if (other.what == what) continue;
    CHECK(named(findings_of(facts), other.what).grade == other.grade);  // one thing at a time
  }
  return finding;
}
template <class Change>
Finding linux_after(Change&& change, const std::string& what) {
  return after<LinuxFacts>(change, what);
}

TEST_CASE("doctor: a system where all is well") {
  for (const Finding& finding : findings_of(LinuxFacts())) {
    CAPTURE(finding.what);
    CHECK(finding.grade == Grade::good);
    CHECK_FALSE(finding.found.empty());
    CHECK(finding.advice.empty());
  }
  for (const Finding& finding : findings_of(Win32Facts())) {
    CAPTURE(finding.what);
    CHECK(finding.grade == (finding.what == "session" ? Grade::note : Grade::good));
  }
}

TEST_CASE("doctor: shared memory") {
  const auto memory = [](std::uint64_t size, std::uint64_t left) {
    return linux_after(
        [&](LinuxFacts& facts) {
          facts.memory_size = size;
          facts.memory_left = left;
        },
        "shared memory");
  };
  CHECK(memory(0, 0).grade == Grade::good);  // no limit
  CHECK(memory(1024 * MB, 16 * MB).grade == Grade::good);
  CHECK(memory(1024 * MB, 16 * MB - 1).grade == Grade::problem);
  CHECK(has(memory(1024 * MB, 1 * MB).advice, "remount"));
  CHECK(memory(64 * MB, 60 * MB).grade == Grade::note);  // as Docker gives
  CHECK(has(memory(64 * MB, 60 * MB).found, "67 MB"));
  CHECK(memory(65 * MB, 60 * MB).grade == Grade::good);
  CHECK(linux_after([](LinuxFacts& facts) { facts.is_tmpfs = false; }, "shared memory").grade == Grade::note);

  LinuxFacts none;
  none.no_memory = "No such file or directory";
  const Finding missing = named(findings_of(none), "shared memory");
  CHECK(missing.grade == Grade::problem);
  CHECK(has(missing.found, none.no_memory));
  CHECK(has(missing.advice, "mount -t tmpfs"));
  CHECK(named(findings_of(none), "permissions").grade == Grade::problem);
}

TEST_CASE("doctor: permissions") {
  const Finding closed = linux_after([](LinuxFacts& facts) { facts.may_make_files = false; }, "permissions");
  CHECK(closed.grade == Grade::problem);
  CHECK(has(closed.advice, "chmod 1777"));
  const Finding open = linux_after([](LinuxFacts& facts) { facts.memory_mode = 0777; }, "permissions");
  CHECK(open.grade == Grade::note);  // anybody may remove anything
  CHECK(has(open.found, "0777"));
}

TEST_CASE("doctor: futex_waitv") {
  const auto waitv = [](LinuxFacts::Waitv how) {
    return linux_after([&](LinuxFacts& facts) { facts.futex_waitv = how; }, "futex_waitv");
  };
  CHECK(waitv(LinuxFacts::Waitv::refused).grade == Grade::note);
  CHECK(has(waitv(LinuxFacts::Waitv::refused).advice, "Docker"));
  CHECK(waitv(LinuxFacts::Waitv::missing).grade == Grade::note);
  CHECK(has(waitv(LinuxFacts::Waitv::missing).advice, "kernel"));
}

TEST_CASE("doctor: cores") {
  const auto cores = [](int count) { return linux_after([&](LinuxFacts& facts) { facts.cores = count; }, "cores"); };
  CHECK(cores(1).grade == Grade::note);
  CHECK(cores(1).found == "1 core for this process");
  CHECK(cores(2).grade == Grade::note);
  CHECK(cores(2).advice != cores(1).advice);
  CHECK(cores(3).grade == Grade::good);
  CHECK(after<Win32Facts>([](Win32Facts& facts) { facts.cores = 1; }, "cores").grade == Grade::note);
  CHECK(after<Win32Facts>([](Win32Facts& facts) { facts.cores = 2; }, "cores").grade == Grade::good);
}

TEST_CASE("doctor: limits") {
  const Finding few = linux_after([](LinuxFacts& facts) { facts.open_files = 255; }, "limits");
  CHECK(few.grade == Grade::problem);
  CHECK(has(few.advice, "ulimit -n"));
  CHECK(linux_after([](LinuxFacts& facts) { facts.open_files = 256; }, "limits").grade == Grade::good);
  const Finding any = linux_after([](LinuxFacts& facts) { facts.open_files.reset(); }, "limits");
  CHECK(any.grade == Grade::good);
  CHECK(has(any.found, "open files: no limit"));
  const Finding files = linux_after([](LinuxFacts& facts) { facts.file_size = 5 * MB; }, "limits");
  CHECK(files.grade == Grade::note);
  CHECK(has(files.found, "file size: 5.2 MB"));
  CHECK(has(files.advice, "ulimit -f"));
  const Finding space = linux_after([](LinuxFacts& facts) { facts.address_space = 5 * MB; }, "limits");
  CHECK(space.grade == Grade::note);
  CHECK(has(space.advice, "ulimit -v"));
}

TEST_CASE("doctor: namespaces") {
  const Finding container = linux_after([](LinuxFacts& facts) { facts.container = "Podman"; }, "namespaces");
  CHECK(container.grade == Grade::note);
  CHECK(has(container.found, "in a container (Podman)"));
  CHECK(has(container.advice, "--ipc=host"));
  const Finding pids = linux_after([](LinuxFacts& facts) { facts.has_own_pids = true; }, "namespaces");
  CHECK(pids.grade == Grade::note);
  CHECK(pids.found == "no container, own PID namespace");
  CHECK(has(pids.advice, "--pid=host"));
  CHECK_FALSE(has(pids.advice, "--ipc=host"));
  const Finding time = linux_after([](LinuxFacts& facts) { facts.has_own_time = true; }, "namespaces");
  CHECK(time.grade == Grade::note);
  CHECK(has(time.advice, "deadlines"));
  const Finding users = linux_after([](LinuxFacts& facts) { facts.has_own_users = true; }, "namespaces");
  CHECK(users.grade == Grade::note);
  CHECK(has(users.advice, "users"));
  const Finding all = linux_after(
      [](LinuxFacts& facts) {
        facts.container = "Docker";
        facts.has_own_pids = facts.has_own_time = facts.has_own_users = true;
      },
      "namespaces");
  for (const char* const part : {"--pid=host; ", "deadlines", "users", "--ipc=host"}) CHECK(has(all.advice, part));
}

TEST_CASE("doctor: RemoveIPC") {
  const auto with = [](bool removes_ipc, unsigned user) {
    return linux_after(
        [&](LinuxFacts& facts) {
          facts.has_logind = true;
          facts.removes_ipc = removes_ipc;
          facts.user = user;
        },
        "RemoveIPC");
  };
  CHECK(with(true, 1000).grade == Grade::note);
  CHECK(has(with(true, 1000).advice, "enable-linger"));
  CHECK(with(true, 999).grade == Grade::good);  // a system user
  CHECK(with(false, 1000).grade == Grade::good);
  CHECK(with(false, 1000).found == "RemoveIPC=no");
}

TEST_CASE("doctor: memory and rights of Win32") {
  const auto memory = [](auto left) {
    return after<Win32Facts>([&](Win32Facts& facts) { facts.memory_left = left; }, "memory");
  };
  CHECK(memory(256 * MB).grade == Grade::good);
  CHECK(memory(256 * MB - 1).grade == Grade::problem);
  CHECK(memory(std::nullopt).grade == Grade::note);
  const Finding session = after<Win32Facts>([](Win32Facts& facts) { facts.session = 7; }, "session");
  CHECK(session.grade == Grade::note);
  CHECK(session.found == "session 7");
  const Finding right = after<Win32Facts>([](Win32Facts& facts) { facts.may_serve_machine = false; }, "Global\\");
  CHECK(right.grade == Grade::note);
  CHECK(has(right.advice, "SeCreateGlobalPrivilege"));
}

TEST_CASE("doctor: what servers left") {
  using shared_channel::ChannelInfo;
  using shared_channel::ChannelState;
  const auto channel = [](const char* name, ChannelState state) {
    ChannelInfo info;
    info.name = name;
    info.state = state;
    info.memory = 1000;
    return info;
  };
  CHECK(tool::finding_of({}).grade == Grade::good);
  CHECK(tool::finding_of({}).found == "0 channels, none left by a dead server");
  const auto open = channel("a", ChannelState::open), dead = channel("b", ChannelState::dead);
  CHECK(tool::finding_of({open}).found == "1 channel, none left by a dead server");
  for (const ChannelState state : {ChannelState::stopping, ChannelState::starting, ChannelState::no_access})
    CHECK(tool::finding_of({open, channel("c", state)}).grade == Grade::good);
  const Finding left = tool::finding_of({open, dead, channel("c", ChannelState::dead)});
  CHECK(left.grade == Grade::problem);
  CHECK(has(left.found, "3 channels; dead servers left 2 kB of memory"));
  CHECK(has(left.advice, "shared_channel clean b c"));
  CHECK(has(tool::finding_of({channel("-b", ChannelState::dead)}).advice, "shared_channel clean -- -b"));
  const Finding hidden = tool::finding_of({open, channel("d", ChannelState::unreadable)});
  CHECK(hidden.grade == Grade::problem);
  CHECK(has(hidden.found, "cannot be read: d"));
  CHECK(has(hidden.advice, "show"));
}

#ifdef __linux__
TEST_CASE("doctor: logind's files are read in its order") {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / test_support::unique_name("tool");
  const auto write = [&](const fs::path& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  };
  CHECK(tool::removes_ipc(root));  // which is what it does untold
  write("usr/lib/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
  CHECK_FALSE(tool::removes_ipc(root));
  write("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");  // the only one that counts
  CHECK(tool::removes_ipc(root));
  write("etc/systemd/logind.conf", "[Login]\n  RemoveIPC = OFF \n");
  CHECK_FALSE(tool::removes_ipc(root));
  write("etc/systemd/logind.conf", "[Other]\nRemoveIPC=no\n");
  CHECK(tool::removes_ipc(root));

  // By name, whichever folder they are in: 10-a of /etc is read before 20-b of /usr/lib.
  write("etc/systemd/logind.conf.d/10-a.conf", "[Login]\nRemoveIPC=yes\n");
  write("usr/lib/systemd/logind.conf.d/20-b.conf", "[Login]\nRemoveIPC=no\n");
  CHECK_FALSE(tool::removes_ipc(root));
  write("run/systemd/logind.conf.d/30-c.conf", "[Login]\nRemoveIPC=1\n");
  CHECK(tool::removes_ipc(root));
  write("etc/systemd/logind.conf.d/30-c.conf", "");  // takes the place of the one in /run
  CHECK_FALSE(tool::removes_ipc(root));
  write("usr/local/lib/systemd/logind.conf.d/40-d.conf", "[Login]\nRemoveIPC=true\nRemoveIPC=perhaps\n");
  CHECK(tool::removes_ipc(root));
  write("etc/systemd/logind.conf.d/50-e.conf.bak", "[Login]\nRemoveIPC=no\n");
  CHECK(tool::removes_ipc(root));
  fs::remove_all(root);
}
#endif

}  // namespace tool_doctor_test
