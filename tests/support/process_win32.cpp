#include "process.hpp"

#include "windows.hpp"

#include <winternl.h>

#include <fcntl.h>
#include <io.h>

#include <atomic>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "program.hpp"

namespace test_support {
namespace {

using Clock = std::chrono::steady_clock;

constexpr UINT killed_code = 0xC0DEDEAD;
constexpr DWORD first_exception_code = 0xC0000000;

[[noreturn]] void fail(const char* call) {
  throw std::system_error(static_cast<int>(GetLastError()), std::system_category(), call);
}

class Handle {
 public:
  explicit Handle(HANDLE handle = nullptr) : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() {
    if (handle_) CloseHandle(handle_);
  }
  operator HANDLE() const { return handle_; }

 private:
  HANDLE handle_;
};

DWORD milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left > 0 ? static_cast<DWORD>(left) : 0;
}

bool signalled_until(HANDLE handle, Clock::time_point deadline) {
  switch (WaitForSingleObject(handle, milliseconds_until(deadline))) {
    case WAIT_OBJECT_0:
      return true;
    case WAIT_TIMEOUT:
      return false;
    default:
      fail("WaitForSingleObject");
  }
}

// Quoted as CommandLineToArgvW reads it.
std::wstring in_quotes(std::string_view argument) {
  std::wstring result = L"\"";
  std::size_t backslashes = 0;
  for (const char c : argument) {
    if (c == '"') result.append(backslashes + 1, L'\\');
    backslashes = c == '\\' ? backslashes + 1 : 0;
    result += static_cast<wchar_t>(static_cast<unsigned char>(c));
  }
  return result.append(backslashes, L'\\') + L'"';
}

// A pipe whose parent's end can be waited for with a deadline, which anonymous pipes cannot.
std::pair<Handle, Handle> make_pipe(bool child_writes) {
  static std::atomic<unsigned> serial{0};
  const std::wstring name =
      L"\\\\.\\pipe\\shared_channel_test." + std::to_wstring(GetCurrentProcessId()) + L"." + std::to_wstring(serial++);
  const DWORD direction = child_writes ? PIPE_ACCESS_INBOUND : PIPE_ACCESS_OUTBOUND;
  Handle ours(
      CreateNamedPipeW(name.c_str(), direction | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1, 65536, 65536, 0, nullptr));
  if (!ours) fail("CreateNamedPipe");
  SECURITY_ATTRIBUTES inheritable{sizeof inheritable, nullptr, TRUE};
  Handle childs(CreateFileW(name.c_str(), child_writes ? GENERIC_WRITE : GENERIC_READ, 0, &inheritable, OPEN_EXISTING,
                            0, nullptr));
  if (!childs) fail("CreateFile");
  return {std::move(ours), std::move(childs)};
}

// One overlapped read or write.
struct Transfer {
  Transfer() { overlapped.hEvent = finished; }

  bool pending(BOOL done) {
    refused_ = !done && GetLastError() != ERROR_IO_PENDING;
    return !done && !refused_;
  }
  std::optional<DWORD> result(HANDLE pipe) {
    DWORD count = 0;
    if (refused_ || !GetOverlappedResult(pipe, &overlapped, &count, TRUE)) return std::nullopt;
    return count;
  }

  const Handle finished{CreateEventW(nullptr, TRUE, FALSE, nullptr)};
  OVERLAPPED overlapped{};

 private:
  bool refused_ = false;
};

using ProcessAction = NTSTATUS(NTAPI*)(HANDLE);

void apply(const char* action, HANDLE process) {
  const auto address = reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), action));
  const NTSTATUS status = reinterpret_cast<ProcessAction>(address)(process);
  if (status < 0) throw std::runtime_error(std::string(action) + " failed");
}

std::mutex spawn_mutex;  // two children starting at once would inherit each other's pipe ends
std::atomic<bool> killed_any{false};
std::mutex living_mutex;
std::set<HANDLE> living;

}  // namespace

struct Process::Native {
  Handle process;
  Handle job;  // takes the child along when this program ends
  Handle input;
  Handle output;
  DWORD pid = 0;
  bool reaped = false;
};

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments)
    : native_(std::make_unique<Native>()) {
  std::wstring command = L'"' + program.wstring() + L'"';
  for (const auto& argument : arguments) command += L' ' + in_quotes(argument);

  native_->job = Handle(CreateJobObjectW(nullptr, nullptr));
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  if (!SetInformationJobObject(native_->job, JobObjectExtendedLimitInformation, &limits, sizeof limits)) {
    fail("SetInformationJobObject");
  }

  const std::lock_guard spawning(spawn_mutex);
  auto [input, child_input] = make_pipe(false);
  auto [output, child_output] = make_pipe(true);

  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = child_input;
  startup.hStdOutput = child_output;
  startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION information{};
  if (!CreateProcessW(program.c_str(), command.data(), nullptr, nullptr, TRUE, CREATE_SUSPENDED, nullptr, nullptr,
                      &startup, &information)) {
    fail("CreateProcess");
  }
  const Handle thread(information.hThread);
  native_->process = Handle(information.hProcess);
  native_->pid = information.dwProcessId;
  native_->input = std::move(input);
  native_->output = std::move(output);
  AssignProcessToJobObject(native_->job, native_->process);
  ResumeThread(thread);

  const std::lock_guard lock(living_mutex);
  living.insert(native_->process);
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
    char buffer[4096];
    Transfer read;
    bool late = false;
    if (read.pending(ReadFile(native_->output, buffer, sizeof buffer, nullptr, &read.overlapped))) {
      late = !signalled_until(read.finished, deadline);
      if (late) CancelIoEx(native_->output, &read.overlapped);
    }
    const auto count = read.result(native_->output);
    if (!count) throw std::runtime_error(late ? "read_line: no line in time" : "read_line: end of output");
    unread_.append(buffer, *count);
  }
}

void Process::write_line(std::string_view line) {
  std::string text(line);
  text += '\n';
  Transfer write;
  write.pending(WriteFile(native_->input, text.data(), static_cast<DWORD>(text.size()), nullptr, &write.overlapped));
  if (!write.result(native_->input)) fail("WriteFile");
}

void Process::close_input() { native_->input = Handle(); }

ExitStatus Process::wait(std::chrono::nanoseconds timeout) {
  if (!signalled_until(native_->process, Clock::now() + timeout)) throw std::runtime_error("wait: still running");
  {
    const std::lock_guard lock(living_mutex);
    living.erase(native_->process);
  }
  native_->reaped = true;
  DWORD code = 0;
  if (!GetExitCodeProcess(native_->process, &code)) fail("GetExitCodeProcess");
  return {static_cast<int>(code), code >= first_exception_code};
}

bool Process::has_killed() { return killed_any; }

void Process::kill() {
  killed_any = true;
  if (!TerminateProcess(native_->process, killed_code) && !signalled_until(native_->process, Clock::now())) {
    fail("TerminateProcess");
  }
}

void Process::suspend() { apply("NtSuspendProcess", native_->process); }

void Process::resume() { apply("NtResumeProcess", native_->process); }

std::int64_t Process::pid() const { return native_->pid; }

void Process::kill_all() {
  const std::lock_guard lock(living_mutex);
  for (const HANDLE process : living) TerminateProcess(process, killed_code);
}

Process start_peer(const char* program, std::string_view role, std::vector<std::string> arguments) {
  wchar_t self[4096];
  GetModuleFileNameW(nullptr, self, static_cast<DWORD>(std::size(self)));
  arguments.emplace(arguments.begin(), role);
  return Process(std::filesystem::path(self).replace_filename(std::string(program) + ".exe"), arguments);
}

void prepare_program() {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  _setmode(_fileno(stdin), _O_BINARY);
  _setmode(_fileno(stdout), _O_BINARY);
}

}  // namespace test_support
