#include "process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>

namespace support {
namespace {

constexpr int killed_code = 128;
constexpr int not_started_code = 127;

// Between fork and exec: nothing that allocates.
void redirect(int stream, const char* file, int flags) {
  const int descriptor = ::open(*file != '\0' ? file : "/dev/null", flags, 0600);
  if (descriptor < 0 || ::dup2(descriptor, stream) < 0) ::_exit(not_started_code);
  ::close(descriptor);
}

}  // namespace

struct Process::Native {
  pid_t pid;
  std::optional<int> exit_code;

  /// Notes how the process ended, if it did; with `options` 0 waits for that.
  bool reap(int options) {
    int status = 0;
    pid_t found;
    do {
      found = ::waitpid(pid, &status, options);
    } while (found < 0 && errno == EINTR);
    if (found == pid) exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : killed_code + WTERMSIG(status);
    return exit_code.has_value();
  }
};

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const Streams& streams) {
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(not_started_code);
    redirect(STDIN_FILENO, streams.input.c_str(), O_RDONLY);
    redirect(STDOUT_FILENO, streams.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, streams.errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
    ::execvp(argv[0], argv.data());
    ::_exit(not_started_code);
  }
  native_ = std::make_unique<Native>(Native{pid, {}});
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  std::swap(native_, other.native_);
  return *this;
}

Process::~Process() {
  if (!native_) return;
  kill();
  wait();
}

bool Process::is_running() { return !native_->exit_code && !native_->reap(WNOHANG); }

int Process::wait() {
  if (!native_->exit_code) native_->reap(0);
  return native_->exit_code.value_or(not_started_code);
}

void Process::kill() {
  if (is_running()) ::kill(native_->pid, SIGKILL);
}

void Process::press_ctrl_c() {
  if (is_running()) ::kill(native_->pid, SIGINT);
}

void Process::terminate() {
  if (is_running()) ::kill(native_->pid, SIGTERM);
}

std::filesystem::path this_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

int this_process() { return ::getpid(); }

void use_c_locale() { ::setenv("LC_ALL", "C", 1); }

}  // namespace support
