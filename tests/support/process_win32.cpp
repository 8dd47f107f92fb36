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
#include <tuple>
#include <utility>

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
std::wstring in_quotes(const std::wstring& argument) {
  std::wstring result = L"\"";
  std::size_t backslashes = 0;
  for (const wchar_t c : argument) {
    if (c == L'"') result.append(backslashes + 1, L'\\');
    backslashes = c == L'\\' ? backslashes + 1 : 0;
    result += c;
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

Handle open_file(const std::filesystem::path& file, bool child_writes) {
  SECURITY_ATTRIBUTES inheritable{sizeof inheritable, nullptr, TRUE};
  const bool is_made = child_writes && file != L"NUL";
  Handle opened(CreateFileW(file.c_str(), child_writes ? GENERIC_WRITE : GENERIC_READ,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, &inheritable, is_made ? CREATE_ALWAYS : OPEN_EXISTING,
                            0, nullptr));
  if (!opened) fail("CreateFile");
  return opened;
}

// Takes all children along when this program ends.
HANDLE job() {
  static const Handle made = [] {
    Handle handle(CreateJobObjectW(nullptr, nullptr));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!SetInformationJobObject(handle, JobObjectExtendedLimitInformation, &limits, sizeof limits)) {
      fail("SetInformationJobObject");
    }
    return handle;
  }();
  return made;
}

PROCESS_INFORMATION create_process(std::wstring command, STARTUPINFOW& startup) {
  constexpr int most_tries = 5;
  PROCESS_INFORMATION information{};
  for (int tries = 1; !CreateProcessW(nullptr, command.data(), nullptr, nullptr, TRUE, CREATE_SUSPENDED, nullptr,
                                      nullptr, &startup, &information);
       ++tries) {
    // Wine fails so now and then, for no reason of ours.
    if (GetLastError() != ERROR_INTERNAL_ERROR || tries == most_tries) fail("CreateProcess");
    Sleep(200);
  }
  return information;
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
  Handle input;
  Handle output;
  DWORD pid = 0;
  bool reaped = false;
};

Process::Process() : native_(std::make_unique<Native>()) {}

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const Streams& streams)
    : Process() {
  std::wstring command = in_quotes(program.wstring());
  for (const auto& argument : arguments) {
    const std::u8string text(argument.begin(), argument.end());
    command += L' ' + in_quotes(std::filesystem::path(text).wstring());
  }

  const std::lock_guard spawning(spawn_mutex);
  Handle childs[3];
  const auto lead = [&](const Stream& stream, DWORD number, Handle* ours) -> HANDLE {
    const bool child_writes = number != STD_INPUT_HANDLE;
    Handle& end = childs[STD_INPUT_HANDLE - number];
    switch (stream.kind_) {
      case Stream::Kind::inherited:
        return GetStdHandle(number);
      case Stream::Kind::pipe:
        std::tie(*ours, end) = make_pipe(child_writes);
        return end;
      case Stream::Kind::nothing:
        return end = open_file(L"NUL", child_writes);
      case Stream::Kind::file:
        break;
    }
    return end = open_file(stream.path_, child_writes);
  };
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = lead(streams.input, STD_INPUT_HANDLE, &native_->input);
  startup.hStdOutput = lead(streams.output, STD_OUTPUT_HANDLE, &native_->output);
  startup.hStdError = lead(streams.errors, STD_ERROR_HANDLE, nullptr);

  const PROCESS_INFORMATION started = create_process(std::move(command), startup);
  const Handle thread(started.hThread);
  native_->process = Handle(started.hProcess);
  native_->pid = started.dwProcessId;
  AssignProcessToJobObject(job(), native_->process);
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
  if (!native_ || !native_->process || native_->reaped) return;
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

bool Process::ends_within(std::chrono::duration<double> timeout) {
  return signalled_until(native_->process, Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout));
}

void Process::kill() {
  killed_any = true;
  if (!TerminateProcess(native_->process, killed_code) && is_running()) fail("TerminateProcess");
}

bool Process::has_killed() { return killed_any; }

// As a console does for each of its processes: a new thread runs the handlers there. Needs no console, and spares the
// others.
void Process::interrupt() {
  const auto routine = reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "CtrlRoutine"));
  void* const event = nullptr;  // CTRL_C_EVENT
  const Handle thread(CreateRemoteThread(native_->process, nullptr, 0,
                                         reinterpret_cast<LPTHREAD_START_ROUTINE>(routine), event, 0, nullptr));
  if (!thread && is_running()) fail("CreateRemoteThread");
}

void Process::terminate() { interrupt(); }

void Process::suspend() { apply("NtSuspendProcess", native_->process); }

void Process::resume() { apply("NtResumeProcess", native_->process); }

std::int64_t Process::pid() const { return native_->pid; }

void Process::kill_all() {
  const std::lock_guard lock(living_mutex);
  for (const HANDLE process : living) TerminateProcess(process, killed_code);
}

void prepare_program() {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  _setmode(_fileno(stdin), _O_BINARY);
  _setmode(_fileno(stdout), _O_BINARY);
}

std::filesystem::path this_program() {
  wchar_t path[4096];
  GetModuleFileNameW(nullptr, path, static_cast<DWORD>(std::size(path)));
  return path;
}

std::int64_t own_pid() { return GetCurrentProcessId(); }

}  // namespace test_support
