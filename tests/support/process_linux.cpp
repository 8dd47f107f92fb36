#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace test_support {
namespace {

using Clock = std::chrono::steady_clock;

int check(int result, const char* call) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), call);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  operator int() const { return number_; }

 private:
  int number_;
};

bool readable_until(int descriptor, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd poll_entry{descriptor, POLLIN, 0};
    const int ready = ::poll(&poll_entry, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) check(ready, "poll");
    if (Clock::now() >= deadline) return false;
  }
}

std::atomic<bool> killed_any{false};
std::mutex living_mutex;
std::set<pid_t> living;

}  // namespace

struct Process::Native {
  // Takes charge of a child.
  void begin(pid_t child) {
    pid = child;
    exited = Descriptor(check(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), "pidfd_open"));
    const std::lock_guard lock(living_mutex);
    living.insert(pid);
  }
  void send(int signal) const {
    if (!status) check(::kill(pid, signal), "kill");
  }

  pid_t pid = -1;
  Descriptor input;  // a socket, so that writing to a dead child is an error and not a signal
  Descriptor output;
  Descriptor exited;                 // pidfd
  std::optional<ExitStatus> status;  // once it is reaped
};

Process::Process() : native_(std::make_unique<Native>()) {}

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const Streams& streams)
    : Process() {
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const auto lead = [&](const Stream& stream, int number, int flags) {
    if (stream.kind_ == Stream::Kind::inherited) return;
    const char* const file = stream.kind_ == Stream::Kind::nothing ? "/dev/null" : stream.path_.c_str();
    posix_spawn_file_actions_addopen(&actions, number, file, flags, 0600);
  };
  Descriptor child_input;
  Descriptor child_output;
  if (streams.input.kind_ == Stream::Kind::pipe) {
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    native_->input = Descriptor(ends[0]);
    child_input = Descriptor(ends[1]);
    posix_spawn_file_actions_adddup2(&actions, child_input, STDIN_FILENO);
  } else {
    lead(streams.input, STDIN_FILENO, O_RDONLY);
  }
  if (streams.output.kind_ == Stream::Kind::pipe) {
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe2");
    native_->output = Descriptor(ends[0]);
    child_output = Descriptor(ends[1]);
    posix_spawn_file_actions_adddup2(&actions, child_output, STDOUT_FILENO);
  } else {
    lead(streams.output, STDOUT_FILENO, O_WRONLY | O_CREAT | O_TRUNC);
  }
  lead(streams.errors, STDERR_FILENO, O_WRONLY | O_CREAT | O_TRUNC);

  pid_t child = -1;
  const int failure = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::system_error(failure, std::generic_category(), "posix_spawn " + words[0]);
  native_->begin(child);
}

Process Process::forked(const std::function<int()>& body) {
  std::cout << std::flush;  // or what is buffered would be printed twice
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = check(::fork(), "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(::getppid() == parent ? body() : 1);
  }
  Process process;
  process.native_->begin(child);
  return process;
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  std::swap(native_, other.native_);
  std::swap(unread_, other.unread_);
  return *this;
}

Process::~Process() {
  if (!native_ || native_->pid < 0 || native_->status) return;
  kill();
  wait();
}

std::string Process::read_line(std::chrono::nanoseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    if (!readable_until(native_->output, deadline)) throw std::runtime_error("read_line: no line in time");
    char buffer[4096];
    const ssize_t count = ::read(native_->output, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (check(static_cast<int>(count), "read") == 0) throw std::runtime_error("read_line: end of output");
    unread_.append(buffer, static_cast<std::size_t>(count));
  }
}

void Process::write_line(std::string_view line) {
  std::string rest(line);
  rest += '\n';
  while (!rest.empty()) {
    const ssize_t count = ::send(native_->input, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    rest.erase(0, static_cast<std::size_t>(check(static_cast<int>(count), "send")));
  }
}

void Process::close_input() { native_->input = Descriptor(); }

ExitStatus Process::wait(std::chrono::nanoseconds timeout) {
  if (native_->status) return *native_->status;
  if (!readable_until(native_->exited, Clock::now() + timeout)) throw std::runtime_error("wait: still running");
  {
    const std::lock_guard lock(living_mutex);
    living.erase(native_->pid);
  }
  int status = 0;
  while (::waitpid(native_->pid, &status, 0) < 0) {
    if (errno != EINTR) check(-1, "waitpid");
  }
  native_->status = WIFSIGNALED(status) ? ExitStatus{WTERMSIG(status), true} : ExitStatus{WEXITSTATUS(status), false};
  return *native_->status;
}

bool Process::ends_within(std::chrono::duration<double> timeout) {
  return readable_until(native_->exited, Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout));
}

void Process::kill() {
  killed_any = true;
  native_->send(SIGKILL);
}

bool Process::has_killed() { return killed_any; }

void Process::interrupt() { native_->send(SIGINT); }

void Process::terminate() { native_->send(SIGTERM); }

void Process::suspend() {
  native_->send(SIGSTOP);
  siginfo_t stopped{};
  while (::waitid(P_PID, static_cast<id_t>(native_->pid), &stopped, WSTOPPED | WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) check(-1, "waitid");
  }
}

void Process::resume() { native_->send(SIGCONT); }

std::int64_t Process::pid() const { return native_->pid; }

void Process::kill_all() {
  const std::lock_guard lock(living_mutex);
  for (const pid_t pid : living) ::kill(pid, SIGKILL);
}

void prepare_program() {}

std::filesystem::path this_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

std::int64_t own_pid() { return ::getpid(); }

}  // namespace test_support
