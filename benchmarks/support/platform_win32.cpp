#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <cstdlib>
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

}  // namespace

Usage own_usage() {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return {};
  return {seconds(kernel) + seconds(user), 0};
}

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

Process start(std::string_view role, const SharedBlock& block, unsigned index) {
  using test_support::Stream;
  return {test_support::this_program(),
          {"--role", std::string(role), "--block", block.handle(), "--size", std::to_string(block.size()), "--index",
           std::to_string(index)},
          {Stream::inherited(), Stream::inherited(), Stream::inherited()}};
}

}  // namespace bench
