#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <cstdlib>
#include <sstream>
#include <system_error>

#include "platform.hpp"
#include "roles.hpp"

namespace bench {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(static_cast<int>(GetLastError()), std::system_category(), what);
}

double seconds(const FILETIME& time) {
  return (static_cast<double>(time.dwHighDateTime) * 4294967296.0 + static_cast<double>(time.dwLowDateTime)) * 1e-7;
}

// Every child joins it, and none of them outlives it.
HANDLE family() {
  static const HANDLE job = [] {
    const HANDLE created = CreateJobObjectA(nullptr, nullptr);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(created, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return created;
  }();
  return job;
}

}  // namespace

Usage own_usage() {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return {};
  return {seconds(kernel) + seconds(user), 0};
}

unsigned long own_id() { return GetCurrentProcessId(); }

double mapped_shared_memory() {
  double total = 0;
  MEMORY_BASIC_INFORMATION region{};
  for (const char* at = nullptr; VirtualQuery(at, &region, sizeof region) != 0; at += region.RegionSize)
    if (region.State == MEM_COMMIT && region.Type == MEM_MAPPED) total += static_cast<double>(region.RegionSize);
  return total;
}

std::vector<unsigned> allowed_cpus() {
  DWORD_PTR own = 0, all = 0;
  GetProcessAffinityMask(GetCurrentProcess(), &own, &all);
  std::vector<unsigned> cpus;
  for (unsigned cpu = 0; cpu < sizeof own * 8; ++cpu)
    if ((own >> cpu & 1) != 0) cpus.push_back(cpu);
  return cpus;
}

void pin_to(unsigned cpu) {
  if (!SetProcessAffinityMask(GetCurrentProcess(), DWORD_PTR{1} << cpu)) fail("pin");
}

void lower_own_priority() { SetPriorityClass(GetCurrentProcess(), BELOW_NORMAL_PRIORITY_CLASS); }

std::string cpu_name() {
  char name[256] = "unknown";
  DWORD size = sizeof name;
  RegGetValueA(HKEY_LOCAL_MACHINE, "HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0", "ProcessorNameString",
               RRF_RT_REG_SZ, nullptr, name, &size);
  return name;
}

void leave(int exit_code) noexcept {
  TerminateProcess(GetCurrentProcess(), static_cast<UINT>(exit_code));
  std::abort();
}

SharedBlock::SharedBlock(std::size_t size) : size_(size) {
  handle_ = "Local\\bench-" + std::to_string(GetCurrentProcessId()) + "-" + std::to_string(GetTickCount64());
  native_ =
      CreateFileMappingA(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, static_cast<DWORD>(size), handle_.c_str());
  if (native_ == nullptr) fail("CreateFileMapping");
  data_ = static_cast<std::byte*>(MapViewOfFile(native_, FILE_MAP_ALL_ACCESS, 0, 0, 0));
  if (data_ == nullptr) fail("MapViewOfFile");
}

SharedBlock::SharedBlock(std::string_view inherited, std::size_t size) : size_(size), handle_(inherited) {
  native_ = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, handle_.c_str());
  if (native_ == nullptr) fail("OpenFileMapping");
  data_ = static_cast<std::byte*>(MapViewOfFile(native_, FILE_MAP_ALL_ACCESS, 0, 0, 0));
  if (data_ == nullptr) fail("MapViewOfFile");
}

SharedBlock::~SharedBlock() {
  UnmapViewOfFile(data_);
  CloseHandle(native_);
}

Gate::Gate(const SharedBlock& block, unsigned number)
    : native_(CreateEventA(nullptr, TRUE, FALSE, (block.handle() + "-gate-" + std::to_string(number)).c_str())) {
  if (native_ == nullptr) fail("CreateEvent");
}
Gate::~Gate() { CloseHandle(native_); }
void Gate::open() { SetEvent(native_); }
void Gate::close() { ResetEvent(native_); }
void Gate::wait() const { WaitForSingleObject(native_, INFINITE); }

struct Process::Native {
  HANDLE process = nullptr;
  DWORD id = 0;
};

Process::Process(std::string_view role, const SharedBlock& block, unsigned index)
    : native_(std::make_unique<Native>()) {
  char self[MAX_PATH];
  GetModuleFileNameA(nullptr, self, sizeof self);
  std::ostringstream words;
  words << '"' << self << "\" --role " << role << " --block " << block.handle() << " --size " << block.size()
        << " --index " << index;
  std::string command = words.str();
  STARTUPINFOA startup{};
  startup.cb = sizeof startup;
  PROCESS_INFORMATION started{};
  // Wine fails so now and then, for no reason of ours.
  const auto create = [&] {
    return CreateProcessA(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started) !=
           0;
  };
  for (int tries = 1; !create(); ++tries) {
    if (GetLastError() != ERROR_INTERNAL_ERROR || tries == 5) fail("CreateProcess");
    Sleep(200);
  }
  AssignProcessToJobObject(family(), started.hProcess);
  CloseHandle(started.hThread);
  native_->process = started.hProcess;
  native_->id = started.dwProcessId;
}

Process::Process(Process&& other) noexcept = default;

Process::~Process() {
  if (!native_) return;
  kill();
  CloseHandle(native_->process);
}

bool Process::finished_within(double limit) {
  return WaitForSingleObject(native_->process, static_cast<DWORD>(limit * 1000)) == WAIT_OBJECT_0;
}

void Process::kill() {
  TerminateProcess(native_->process, 1);
  WaitForSingleObject(native_->process, 5000);
}

unsigned long Process::id() const { return native_->id; }

}  // namespace bench
