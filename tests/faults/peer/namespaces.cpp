#ifdef __linux__

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "faults/job.hpp"
#include "peer/role.hpp"

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;

namespace {

void must(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

template <class Child>
pid_t fork_to(Child&& child) {
  const pid_t pid = ::fork();
  must(pid, "fork");
  if (pid != 0) return pid;
  child();
  ::_exit(0);
}

void reap(pid_t process) { must(::waitpid(process, nullptr, 0), "waitpid"); }

std::string_view outcome(const Result<Done>& answer) { return answer ? "answered" : to_string(answer.error().code()); }

Jobs::Server small_server(const std::string& name) {
  ServerOptions options;
  options.max_calls = 1;
  Jobs::Server server(name, options);
  server.start([](const Job& job) { return answer_to(job); }).value();
  return server;
}

/// A namespace's first process, whose children get the ids 2, 3, …
void among_reused_ids(const std::string& name) {
  const pid_t served = fork_to([&] {
    const auto server = small_server(name);
    for (;;) ::pause();
  });
  Jobs::Client client(name);
  client.wait_for_server(60s).value();
  must(client.call({2, 0, 0}, 60s) ? 0 : -1, "call");
  ::kill(served, SIGKILL);
  reap(served);
  std::ofstream("/proc/sys/kernel/ns_last_pid") << served - 1;
  const pid_t other = fork_to([] {
    std::thread([] {
      for (;;) ::pause();
    }).detach();  // its id was that of the thread which stood for the server's life
    for (;;) ::pause();
  });
  peer::say(other == served ? "ids reused" : "other ids");
  peer::say(outcome(client.call({3, 0, 0}, 60s)));
  {
    const auto next = small_server(name);
    peer::say(client.call({4, 0, 0}, 60s) ? "next server called" : "no next server");
  }
  ::kill(other, SIGKILL);
  reap(other);
}

/// A /dev/shm of one's own, or whatever else `mount` makes; false: the system lets nobody have that.
template <class Mount>
bool in_own_mounts(Mount&& mount) {
  if (::unshare(CLONE_NEWNS) != 0) {
    peer::say("no namespaces");
    return false;
  }
  must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
  mount();
  return true;
}

void mount_shm(const char* options, unsigned long flags = 0) {
  must(::mount("none", "/dev/shm", "tmpfs", flags, options), "mount");
}

std::string try_to_serve(const std::string& name) {
  const auto made = Jobs::Server::create(name, {.max_calls = 4096});
  std::size_t left = 0;
  std::error_code missing;
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm", missing))
    left += file.path().filename() != "ballast";
  return std::string(made ? "made" : to_string(made.error().code())) + ", " + std::to_string(left) + " files left";
}

}  // namespace

// among_reused_ids NAME: kills a server, gives its process id to another process, and says how calls end then.
const peer::Role reused_ids{"among_reused_ids", [](const peer::Arguments& arguments) -> int {
                              must(::unshare(CLONE_NEWPID), "unshare");
                              reap(fork_to([&] { among_reused_ids(arguments.at(0)); }));
                              ::_exit(0);  // a namespace without its first process has no threads for LeakSanitizer
                            }};

// in_little_room NAME: says how servers fare that need more than the 64 KiB of its own /dev/shm, or find it full.
const peer::Role little_room{
    "in_little_room", [](const peer::Arguments& arguments) {
      const std::string& name = arguments.at(0);
      if (!in_own_mounts([] { mount_shm("size=64k"); })) return 0;
      peer::say("too large: " + try_to_serve(name));
      std::ofstream("/dev/shm/ballast") << std::string(64 << 10, 'x');
      peer::say("no room at all: " + try_to_serve(name));
      std::filesystem::remove("/dev/shm/ballast");
      const auto server = small_server(name);
      peer::say("small enough: " + std::string(Jobs::Client(name).call({2, 0, 0}, 60s) ? "called" : "not called"));
      return 0;
    }};

// without_shm NAME HOW: says how a server and a client fare where /dev/shm is "missing" or "read-only".
const peer::Role without_shm{"without_shm", [](const peer::Arguments& arguments) {
                               const bool is_missing = arguments.at(1) == "missing";
                               if (!in_own_mounts([&] {
                                     if (is_missing)
                                       must(::mount("none", "/dev", "tmpfs", 0, nullptr), "mount");
                                     else
                                       mount_shm(nullptr, MS_RDONLY);
                                   }))
                                 return 0;
                               peer::say(try_to_serve(arguments.at(0)));
                               peer::say(outcome(Jobs::Client(arguments.at(0)).call({1, 0, 0}, 100ms)));
                               return 0;
                             }};

// without_right_to_make NAME: says what a server is told whose user may not make files in its /dev/shm.
const peer::Role right_to_make{
    "without_right_to_make", [](const peer::Arguments& arguments) {
      if (!in_own_mounts([] { mount_shm("mode=755"); })) return 0;
      must(::setresuid(65534, 65534, 65534), "setresuid");
      const auto made = Jobs::Server::create(arguments.at(0));
      peer::say(made ? "made" : std::string(to_string(made.error().code())) + ": " + made.error().cause());
      return 0;
    }};

// with_few_inodes NAME: says how servers fare where there is room for ever more files, until one is served.
const peer::Role few_inodes{"with_few_inodes", [](const peer::Arguments& arguments) {
                              if (!in_own_mounts([] { mount_shm("nr_inodes=1"); })) return 0;
                              for (int files = 0; files < 16; ++files) {
                                const std::string room = "nr_inodes=" + std::to_string(files + 1);
                                must(::mount("none", "/dev/shm", "tmpfs", MS_REMOUNT, room.c_str()), "mount");
                                const std::string said = try_to_serve(arguments.at(0));
                                peer::say(said);
                                if (said.starts_with("made")) break;
                              }
                              return 0;
                            }};

// across_clocks NAME: a server and a client in different time namespaces, either of them ahead; says what the handler
// made of the deadline.
const peer::Role across_clocks{
    "across_clocks", [](const peer::Arguments& arguments) {
      using Deadlines = SharedChannel<std::int64_t>;
      constexpr auto timeout = 50s;
      const auto serve = [&](const std::string& name) {
        Deadlines::Server server(name);
        server
            .start([](const std::int64_t&, const CallContext& context) -> std::int64_t {
              return (context.deadline() - std::chrono::steady_clock::now()).count();
            })
            .value();
        for (;;) ::pause();
      };
      const auto ask = [&](const std::string& name, const char* who) {
        for (const auto& wait : {WaitPolicy{}, WaitPolicy::sleep()}) {
          ClientOptions options;
          options.wait = wait;
          options.wait_for_server = true;
          const auto left = Deadlines::Client(name, options).call(0, timeout);
          const bool is_right = left && *left > 0 && *left <= std::chrono::nanoseconds(timeout).count() + 1'000'000;
          peer::say(std::string(who) + (is_right ? ": right"
                                        : left   ? ": " + std::to_string(*left)
                                                 : ": " + left.error().message()));
        }
      };
      // Before the namespace: the first child that is born in it decides.
      const std::string ahead = arguments.at(0) + "-ahead", behind = arguments.at(0) + "-behind";
      const pid_t server_behind = fork_to([&] { serve(behind); });
      if (::unshare(0x80 /* CLONE_NEWTIME */) != 0 ||
          !(std::ofstream("/proc/self/timens_offsets") << "monotonic 100000 0\n"
                                                       << std::flush)) {
        peer::say("no namespaces");
      } else {
        const pid_t server_ahead = fork_to([&] { serve(ahead); });
        ask(ahead, "server ahead");
        reap(fork_to([&] { ask(behind, "client ahead"); }));
        ::kill(server_ahead, SIGKILL);
        reap(server_ahead);
      }
      ::kill(server_behind, SIGKILL);
      reap(server_behind);
      for (const std::string& name : {ahead, behind}) static_cast<void>(Deadlines::Server::create(name));
      return 0;
    }};

#endif
