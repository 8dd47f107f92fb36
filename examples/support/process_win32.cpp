#include "process.hpp"

#include <cstdlib>
#include <iterator>
#include <system_error>
#include <utility>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

namespace support {
namespace {

constexpr UINT killed_code = 137;

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
    if (handle_ != nullptr) CloseHandle(handle_);
  }
  operator HANDLE() const { return handle_; }

 private:
  HANDLE handle_;
};

// Quoted as the C runtime reads it.
std::wstring in_quotes(const std::wstring& argument) {
  std::wstring quoted = L"\"";
  std::size_t backslashes = 0;
  for (const wchar_t c : argument) {
    if (c == L'"') quoted.append(backslashes + 1, L'\\');
    backslashes = c == L'\\' ? backslashes + 1 : 0;
    quoted += c;
  }
  return quoted.append(backslashes, L'\\') + L'"';
}

Handle open_stream(const std::filesystem::path& file, DWORD access, DWORD disposition) {
  SECURITY_ATTRIBUTES inheritable{sizeof inheritable, nullptr, TRUE};
  Handle stream(CreateFileW(file.empty() ? L"NUL" : file.c_str(), access, FILE_SHARE_READ | FILE_SHARE_WRITE,
                            &inheritable, file.empty() ? OPEN_EXISTING : disposition, 0, nullptr));
  if (stream == nullptr) fail("CreateFile");
  return stream;
}

// Takes all children along when this program ends.
HANDLE job() {
  static const Handle handle = [] {
    Handle made(CreateJobObjectW(nullptr, nullptr));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!SetInformationJobObject(made, JobObjectExtendedLimitInformation, &limits, sizeof limits))
      fail("SetInformationJobObject");
    return made;
  }();
  return handle;
}

}  // namespace

struct Process::Native {
  Handle process;
  DWORD id;
};

Process::Process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 const Streams& streams) {
  std::wstring command = in_quotes(program.wstring());
  for (const std::string& argument : arguments) command += L' ' + in_quotes(std::filesystem::path(argument).wstring());

  const Handle input = open_stream(streams.input, GENERIC_READ, OPEN_EXISTING);
  const Handle output = open_stream(streams.output, GENERIC_WRITE, CREATE_ALWAYS);
  const Handle errors = open_stream(streams.errors, GENERIC_WRITE, CREATE_ALWAYS);
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = input;
  startup.hStdOutput = output;
  startup.hStdError = errors;
  PROCESS_INFORMATION started{};
  if (!CreateProcessW(nullptr, command.data(), nullptr, nullptr, TRUE, CREATE_SUSPENDED, nullptr, nullptr, &startup,
                      &started)) {
    fail("CreateProcess");
  }
  const Handle thread(started.hThread);
  native_ = std::make_unique<Native>(Native{Handle(started.hProcess), started.dwProcessId});
  AssignProcessToJobObject(job(), native_->process);
  ResumeThread(thread);
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

bool Process::is_running() { return WaitForSingleObject(native_->process, 0) == WAIT_TIMEOUT; }

int Process::wait() {
  DWORD code = 0;
  WaitForSingleObject(native_->process, INFINITE);
  if (!GetExitCodeProcess(native_->process, &code)) fail("GetExitCodeProcess");
  return static_cast<int>(code);
}

void Process::kill() { TerminateProcess(native_->process, killed_code); }

// As a console does for each of its processes: a new thread runs the handlers there. Needs no console, and spares the
// others.
void Process::press_ctrl_c() {
  const auto routine = reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "CtrlRoutine"));
  void* const event = nullptr;  // CTRL_C_EVENT
  const Handle thread(CreateRemoteThread(native_->process, nullptr, 0,
                                         reinterpret_cast<LPTHREAD_START_ROUTINE>(routine), event, 0, nullptr));
  if (thread == nullptr) fail("CreateRemoteThread");
}

void Process::terminate() { press_ctrl_c(); }

std::filesystem::path this_program() {
  wchar_t path[4096];
  GetModuleFileNameW(nullptr, path, static_cast<DWORD>(std::size(path)));
  return path;
}

int this_process() { return static_cast<int>(GetCurrentProcessId()); }

void use_c_locale() { _putenv_s("LC_ALL", "C"); }

}  // namespace support
