#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "program.hpp"

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
  pid_t pid = -1;
  Descriptor input;  // a socket, so that writing to a dead child is an error and not a signal
  Descriptor output;
  Descriptor exited;  // pidfd
  bool reaped = false;
};

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments)
    : native_(std::make_unique<Native>()) {
  int input[2];
  int output[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input), "socketpair");
  native_->input = Descriptor(input[0]);
  const Descriptor child_input(input[1]);
  check(::pipe2(output, O_CLOEXEC), "pipe2");
  native_->output = Descriptor(output[0]);
  const Descriptor child_output(output[1]);

  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child_output, STDOUT_FILENO);
  const int failure = ::posix_spawn(&native_->pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::system_error(failure, std::generic_category(), "posix_spawn " + words[0]);

  native_->exited = Descriptor(check(static_cast<int>(::syscall(SYS_pidfd_open, native_->pid, 0)), "pidfd_open"));
  const std::lock_guard lock(living_mutex);
  living.insert(native_->pid);
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  std::swap(native_, other.native_);
  std::swap(unread_, other.unread_);
  return *this;
}

Process::~Process() {
  if (!native_ || native_->reaped) return;
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
  if (!readable_until(native_->exited, Clock::now() + timeout)) throw std::runtime_error("wait: still running");
  {
    const std::lock_guard lock(living_mutex);
    living.erase(native_->pid);
  }
  int status = 0;
  while (::waitpid(native_->pid, &status, 0) < 0) {
    if (errno != EINTR) check(-1, "waitpid");
  }
  native_->reaped = true;
  return WIFSIGNALED(status) ? ExitStatus{WTERMSIG(status), true} : ExitStatus{WEXITSTATUS(status), false};
}

void Process::kill() {
  killed_any = true;
  check(::kill(native_->pid, SIGKILL), "kill");
}

bool Process::has_killed() { return killed_any; }

void Process::suspend() {
  check(::kill(native_->pid, SIGSTOP), "kill");
  siginfo_t stopped{};
  while (::waitid(P_PID, static_cast<id_t>(native_->pid), &stopped, WSTOPPED | WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) check(-1, "waitid");
  }
}

void Process::resume() { check(::kill(native_->pid, SIGCONT), "kill"); }

std::int64_t Process::pid() const { return native_->pid; }

void Process::kill_all() {
  const std::lock_guard lock(living_mutex);
  for (const pid_t pid : living) ::kill(pid, SIGKILL);
}

Process start_peer(const char* program, std::string_view role, std::vector<std::string> arguments) {
  arguments.emplace(arguments.begin(), role);
  return Process(std::filesystem::read_symlink("/proc/self/exe").replace_filename(program), arguments);
}

void prepare_program() {}

}  // namespace test_support
