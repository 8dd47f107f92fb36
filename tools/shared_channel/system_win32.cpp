#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <shellapi.h>

#include <cstdint>
#include <optional>
#include <string>

#include "system.hpp"

namespace tool {
namespace {

std::optional<std::uint64_t> find_memory() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  if (::GlobalMemoryStatusEx(&status) == 0) return std::nullopt;
  return status.ullAvailPageFile;
}

int find_cores() {
  DWORD_PTR ours = 0, all = 0;
  ::GetProcessAffinityMask(::GetCurrentProcess(), &ours, &all);
  int usable = 0;
  for (; ours != 0; ours &= ours - 1) ++usable;
  return usable;
}

unsigned find_session() {
  DWORD number = 0;
  ::ProcessIdToSessionId(::GetCurrentProcessId(), &number);
  return number;
}

bool has_global_right() {
  HANDLE token = nullptr;
  LUID right{};
  BOOL has = FALSE;
  if (::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token) != 0) {
    if (::LookupPrivilegeValueA(nullptr, "SeCreateGlobalPrivilege", &right) != 0) {
      PRIVILEGE_SET wanted{};
      wanted.PrivilegeCount = 1;
      wanted.Control = PRIVILEGE_SET_ALL_NECESSARY;
      wanted.Privilege[0].Luid = right;
      ::PrivilegeCheck(token, &wanted, &has);
    }
    ::CloseHandle(token);
  }
  return has != FALSE;
}

std::string utf8(const wchar_t* text) {
  const int size = ::WideCharToMultiByte(CP_UTF8, 0, text, -1, nullptr, 0, nullptr, nullptr);
  if (size <= 1) return "";
  std::string bytes(static_cast<std::size_t>(size), '\0');
  ::WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes.data(), size, nullptr, nullptr);
  bytes.pop_back();  // the zero at its end
  return bytes;
}

}  // namespace

std::vector<Finding> examine_system() {
  Win32Facts facts;
  facts.memory_left = find_memory();
  facts.cores = find_cores();
  facts.session = find_session();
  facts.may_serve_machine = has_global_right();
  return findings_of(facts);
}

/// What main() is given is in the code page of the system, which has not every character.
std::vector<std::string> arguments_of(int argc, char** argv) {
  int count = 0;
  wchar_t** const wide = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  if (wide == nullptr) return {argv + (argc > 0 ? 1 : 0), argv + argc};
  std::vector<std::string> words;
  for (int i = 1; i < count; ++i) words.push_back(utf8(wide[i]));
  ::LocalFree(wide);
  return words;
}

}  // namespace tool
