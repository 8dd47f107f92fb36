#include "resources.hpp"

#ifdef _WIN32
#include "windows.hpp"

#include <tlhelp32.h>
#else
#include <filesystem>
#endif

namespace test_support {

#ifdef _WIN32

std::size_t open_descriptors() {
  DWORD count = 0;
  GetProcessHandleCount(GetCurrentProcess(), &count);
  return count;
}

std::size_t thread_count() {
  std::size_t count = 0;
  const HANDLE threads = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  THREADENTRY32 entry{};
  entry.dwSize = sizeof entry;
  for (BOOL more = Thread32First(threads, &entry); more; more = Thread32Next(threads, &entry)) {
    if (entry.th32OwnerProcessID == GetCurrentProcessId()) ++count;
  }
  CloseHandle(threads);
  return count;
}

std::vector<std::string> shm_entries(std::string_view) { return {}; }

#else

namespace {

std::vector<std::string> names_in(const char* directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename());
  return names;
}

}  // namespace

std::size_t open_descriptors() { return names_in("/proc/self/fd").size() - 1; }  // less the one that reads them

std::size_t thread_count() { return names_in("/proc/self/task").size(); }

std::vector<std::string> shm_entries(std::string_view prefix) {
  auto names = names_in("/dev/shm");
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(prefix); });
  return names;
}

#endif

}  // namespace test_support
