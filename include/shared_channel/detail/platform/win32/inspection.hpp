// Looking at channels from outside: named kernel objects. Their names are listed by the system's own directory of
// objects, which Microsoft documents with the remark that it may change.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/text.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/hold.hpp>
#include <shared_channel/detail/platform/win32/lease.hpp>
#include <shared_channel/detail/platform/win32/memory.hpp>
#include <shared_channel/detail/platform/win32/object.hpp>
#include <shared_channel/detail/platform/win32/owner.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace win32 {

/// The declarations that <winternl.h> has, which programs may include before us, after us or not at all.
struct NtString {
  USHORT bytes;
  USHORT capacity;
  wchar_t* text;
};
struct NtObjectAttributes {
  ULONG length;
  HANDLE root;
  NtString* name;
  ULONG attributes;
  void* security;
  void* quality;
};
struct NtDirectoryEntry {
  NtString name;
  NtString type;
};
using NtOpenDirectory = LONG NTAPI(HANDLE*, ACCESS_MASK, NtObjectAttributes*);
using NtQueryDirectory = LONG NTAPI(HANDLE, void*, ULONG, BOOLEAN, BOOLEAN, ULONG*, ULONG*);

/// Where the system keeps the objects of a scope. Session 0's own are the machine's.
inline std::wstring directory_of(Scope scope) {
  DWORD session = 0;
  if (scope == Scope::session) ::ProcessIdToSessionId(::GetCurrentProcessId(), &session);
  std::wstring path;
  if (session != 0) path = L"\\Sessions\\" + std::to_wstring(session);
  return path + L"\\BaseNamedObjects";
}

inline Error not_listed(const char* call, LONG status) {
  constexpr LONG access_denied = static_cast<LONG>(0xC0000022);
  return Error(status == access_denied ? Errc::access_denied : Errc::system_error, "",
               std::string(call) + " does not list the system's named objects (status " + std::to_string(status) +
                   "); look at channels by their names");
}

/// The name, if it is one of ours: those are ASCII.
inline void add_name(std::vector<std::string>& found, const NtString& name) {
  std::string text;
  for (std::size_t i = 0; name.text != nullptr && i < name.bytes / sizeof(wchar_t); ++i) {
    if (name.text[i] < L' ' || name.text[i] > L'~') return;
    text += static_cast<char>(name.text[i]);
  }
  if (text.starts_with(object_prefix)) found.push_back(std::move(text));
}

}  // namespace win32

inline Result<std::vector<std::string>> object_names(Scope scope) {
  const auto open = win32::system_function<win32::NtOpenDirectory>(L"ntdll.dll", "NtOpenDirectoryObject");
  const auto query = win32::system_function<win32::NtQueryDirectory>(L"ntdll.dll", "NtQueryDirectoryObject");
  if (open == nullptr || query == nullptr) return win32::not_listed("NtQueryDirectoryObject", 0);
  const win32::AsProcess own;
  std::wstring path = win32::directory_of(scope);
  const auto bytes = static_cast<USHORT>(path.size() * sizeof(wchar_t));
  win32::NtString name{bytes, bytes, path.data()};
  win32::NtObjectAttributes attributes{sizeof attributes, nullptr, &name, 0, nullptr, nullptr};
  constexpr ACCESS_MASK directory_query = 1;
  HANDLE raw = nullptr;
  if (const LONG status = open(&raw, directory_query, &attributes); status < 0)
    return win32::not_listed("NtOpenDirectoryObject", status);
  const Handle directory(raw);
  std::vector<std::string> found;
  alignas(win32::NtDirectoryEntry) std::byte buffer[2048];  // one entry: Wine before 9 gives no more at once
  ULONG context = 0;
  for (BOOLEAN restart = TRUE;; restart = FALSE) {
    const LONG status = query(directory.get(), buffer, sizeof buffer, TRUE, restart, &context, nullptr);
    constexpr LONG no_more_entries = static_cast<LONG>(0x8000001A);
    constexpr LONG too_small = static_cast<LONG>(0xC0000023);  // a name that long is none of ours
    if (status == no_more_entries) return found;
    if (status == too_small) {
      ++context;
      continue;
    }
    if (status < 0) return win32::not_listed("NtQueryDirectoryObject", status);
    win32::add_name(found, reinterpret_cast<const win32::NtDirectoryEntry*>(buffer)->name);
  }
}

/// The system lets nobody make a section smaller, so a view of it can be read for as long as it is there.
class ObjectReader {
 public:
  static Result<ObjectReader> open(const Names& names, const std::string& object) {
    auto mapping = Mapping::open(names, object, ForClients::read);
    if (!mapping) return std::move(mapping).error();
    return ObjectReader(*std::move(mapping));
  }

  [[nodiscard]] bool read(std::uint64_t offset, void* to, std::size_t bytes) const noexcept {
    if (offset > mapping_.size() || bytes > mapping_.size() - offset) return false;
    std::memcpy(to, mapping_.data() + offset, bytes);
    return true;
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return mapping_.size(); }
  [[nodiscard]] std::string owner() const { return win32::owner_of(mapping_.section()); }

  /// The DACL in SDDL; empty if this user may not read it.
  [[nodiscard]] std::string access() const {
    DWORD length = 0;
    alignas(void*) std::byte bytes[4096];
    char* text = nullptr;
    if (::GetKernelObjectSecurity(mapping_.section(), DACL_SECURITY_INFORMATION, bytes, sizeof bytes, &length) == 0 ||
        ::ConvertSecurityDescriptorToStringSecurityDescriptorA(bytes, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &text,
                                                               nullptr) == 0)
      return {};
    const win32::LocalMemory freed(text);
    return text;
  }

  /// The system does not say.
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> made() const { return std::nullopt; }

 private:
  explicit ObjectReader(Mapping mapping) noexcept : mapping_(std::move(mapping)) {}

  Mapping mapping_;
};

/// To wait for the mutex would be to take it. Only a server has it open, so that it is there tells enough.
inline Hold hold_on(const Names& names) {
  const win32::AsProcess own;
  const win32::ObjectName name(names, names.server_lock());
  const Handle mutex(::OpenMutexW(SYNCHRONIZE, FALSE, name.c_str()));
  return mutex || ::GetLastError() != ERROR_FILE_NOT_FOUND ? Hold::held : Hold::none;
}

/// Asks for the process. Where that is refused, the server's objects tell: the system takes them away with it, unless
/// clients have them open as well.
inline bool is_server_alive(const Names& names, std::uint64_t generation, std::uint32_t alive, const Identity& identity,
                            Hold hold) {
  if (alive == 0 || hold == Hold::none) return false;
  const win32::AsProcess own;
  const Handle process(::OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, identity.server_process));
  if (process) {
    return win32::birth_of(process.get()) == identity.server_birth &&
           ::WaitForSingleObject(process.get(), 0) != WAIT_OBJECT_0;
  }
  if (::GetLastError() == ERROR_INVALID_PARAMETER) return false;
  const win32::ObjectName ended(names, names.part(generation, parts::ended));
  const Handle event(::OpenEventW(SYNCHRONIZE, FALSE, ended.c_str()));
  return event || ::GetLastError() != ERROR_FILE_NOT_FOUND;
}

inline bool is_client_there(const Names& names, std::uint64_t generation, const ObjectReader&, std::uint32_t number) {
  if (number == 0 || number > ClientLease::last) return false;
  const win32::AsProcess own;
  const win32::ObjectName lease(names, names.part(generation, parts::numbered(parts::client, number)));
  const Handle event(::OpenEventW(SYNCHRONIZE, FALSE, lease.c_str()));
  return event || ::GetLastError() != ERROR_FILE_NOT_FOUND;
}

/// While another object comes or goes, a list of the objects' names may leave one out. So each lease is asked for,
/// unless there have been too many.
inline unsigned client_count(const Names& names, std::uint64_t generation, const ObjectReader& segment,
                             std::uint32_t clients_so_far) {
  constexpr std::uint32_t most_questions = 1000;
  if (clients_so_far <= most_questions) {
    unsigned count = 0;
    for (std::uint32_t number = 1; number <= clients_so_far; ++number) {
      if (is_client_there(names, generation, segment, number)) ++count;
    }
    return count;
  }
  const auto objects = object_names(names.scope());
  if (!objects) return 0;
  const std::string lease = names.part(generation, parts::client) + '.';
  return static_cast<unsigned>(std::count_if(objects->begin(), objects->end(),
                                             [&](const std::string& object) { return object.starts_with(lease); }));
}

/// The name of the program's file.
inline std::string program_of(std::uint32_t process) {
  const win32::AsProcess own;
  const Handle opened(::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process));
  wchar_t path[1024];
  DWORD length = 1024;
  if (!opened || ::QueryFullProcessImageNameW(opened.get(), 0, path, &length) == 0) return {};
  std::string program;
  for (DWORD i = 0; i < length; ++i) {
    if (path[i] == L'\\')
      program.clear();
    else
      program += path[i] < L'\x80' ? static_cast<char>(path[i]) : '?';
  }
  return printable(std::move(program));
}

inline std::optional<std::chrono::system_clock::time_point> birth_time(std::uint64_t birth) {
  using std::chrono::system_clock;
  constexpr std::uint64_t unix_epoch = 116'444'736'000'000'000;  // in FILETIME: 100 ns since 1601
  constexpr std::uint64_t latest = unix_epoch + 90'000'000'000'000'000;
  if (birth < unix_epoch || birth > latest) return std::nullopt;
  const std::chrono::nanoseconds since(static_cast<std::int64_t>(birth - unix_epoch) * 100);
  return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(since));
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
