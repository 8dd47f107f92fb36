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

std::string try_to_serve(const std::string& name) {
  const auto made = Jobs::Server::create(name, {.max_calls = 4096});
  std::size_t left = 0;
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm")) left += file.path().filename() != "ballast";
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
      must(::unshare(CLONE_NEWNS), "unshare");
      must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
      must(::mount("none", "/dev/shm", "tmpfs", 0, "size=64k"), "mount");
      peer::say("too large: " + try_to_serve(name));
      std::ofstream("/dev/shm/ballast") << std::string(64 << 10, 'x');
      peer::say("no room at all: " + try_to_serve(name));
      std::filesystem::remove("/dev/shm/ballast");
      const auto server = small_server(name);
      peer::say("small enough: " + std::string(Jobs::Client(name).call({2, 0, 0}, 60s) ? "called" : "not called"));
      return 0;
    }};

#endif
