#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <string>

#include "system.hpp"
#include "text.hpp"

namespace tool {
namespace {

using Grade = Finding::Grade;

Finding memory() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  if (::GlobalMemoryStatusEx(&status) == 0)
    return {Grade::note, "memory", "the system does not tell", "look at it in the task manager"};
  const std::string found = bytes_text(status.ullAvailPageFile) + " left to commit";
  if (status.ullAvailPageFile < (DWORDLONG{256} << 20))
    return {Grade::problem, "memory", found, "close programs, or make the page file larger"};
  return {Grade::good, "memory", found, ""};
}

Finding cores() {
  DWORD_PTR ours = 0, all = 0;
  ::GetProcessAffinityMask(::GetCurrentProcess(), &ours, &all);
  int usable = 0;
  for (; ours != 0; ours &= ours - 1) ++usable;
  const std::string found = std::to_string(usable) + (usable == 1 ? " core" : " cores") + " for this process";
  if (usable == 1)
    return {Grade::note, "cores", found, "waiting threads sleep at once: a call takes two context switches"};
  return {Grade::good, "cores", found, ""};
}

Finding session() {
  DWORD number = 0;
  ::ProcessIdToSessionId(::GetCurrentProcessId(), &number);
  const std::string found = "session " + std::to_string(number);
  return {Grade::note, "session", found,
          "channels of Scope::session are seen in this session alone; services are in session 0: use Scope::machine"};
}

Finding global_right() {
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
  if (has != FALSE) return {Grade::good, "Global\\", "this user may serve Scope::machine", ""};
  return {Grade::note, "Global\\", "this user may not serve Scope::machine",
          "run such servers as a service or as an administrator (SeCreateGlobalPrivilege)"};
}

}  // namespace

std::vector<Finding> examine_system() { return {memory(), cores(), session(), global_right()}; }

}  // namespace tool
