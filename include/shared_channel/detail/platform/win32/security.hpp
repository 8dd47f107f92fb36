// Whose an object is, and who may do what with it: a descriptor for each object, an owner, the process's own user.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/version.hpp>

#include <sddl.h>

#if defined(_MSC_VER)
#pragma comment(lib, "advapi32")
#endif

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32 {

/// Puts aside, for its life, the user that the calling thread impersonates. A channel belongs to the process: its
/// objects are made and opened under one user, at whichever moment of whichever thread that happens.
class AsProcess {
 public:
  AsProcess() noexcept {
    if (!open_token(TRUE) && ::GetLastError() == ERROR_ACCESS_DENIED) open_token(FALSE);
    if (!impersonated_) is_anonymous_ = ::GetLastError() == ERROR_CANT_OPEN_ANONYMOUS && become_anonymous();
    if (impersonated_ || is_anonymous_) ::SetThreadToken(nullptr, nullptr);
  }
  AsProcess(const AsProcess&) = delete;
  AsProcess& operator=(const AsProcess&) = delete;
  /// Leaves GetLastError() alone.
  ~AsProcess() {
    if (!impersonated_ && !is_anonymous_) return;
    const DWORD error = ::GetLastError();
    if (is_anonymous_)
      become_anonymous();
    else
      ::SetThreadToken(nullptr, impersonated_.get());
    ::SetLastError(error);
  }

 private:
  /// A token may let in the process's user or the one that it is for, and not the other.
  bool open_token(BOOL as_process) noexcept {
    HANDLE token = nullptr;
    if (::OpenThreadToken(::GetCurrentThread(), TOKEN_QUERY | TOKEN_IMPERSONATE, as_process, &token) == 0) return false;
    impersonated_ = Handle(token);
    return true;
  }

  /// Nobody may open a token of SecurityAnonymous, to put it back. The anonymous logon's may do as little. Tried before
  /// the first is put aside: without it the thread would end with more rights than it had.
  static bool become_anonymous() noexcept { return ::ImpersonateAnonymousToken(::GetCurrentThread()) != 0; }

  Handle impersonated_;
  bool is_anonymous_ = false;
};

/// A SID out of the token of the process.
template <class Information, TOKEN_INFORMATION_CLASS Class>
class TokenSid {
 public:
  TokenSid() noexcept {
    const AsProcess own;
    HANDLE raw = nullptr;
    if (::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &raw) == 0) {
      error_ = ::GetLastError();
      return;
    }
    const Handle token(raw);
    DWORD length = 0;
    if (::GetTokenInformation(token.get(), Class, &found_, sizeof found_, &length) == 0) error_ = ::GetLastError();
  }

  /// 0, or why there is no SID.
  [[nodiscard]] DWORD error() const noexcept { return error_; }
  [[nodiscard]] const Information& get() const noexcept { return found_.information; }

 private:
  struct Found {
    Information information;  // points to the SID behind it
    std::byte sid[SECURITY_MAX_SID_SIZE];
  };

  DWORD error_ = 0;
  Found found_ = {};
};
using UserSid = TokenSid<TOKEN_USER, TokenUser>;
using OwnerSid = TokenSid<TOKEN_OWNER, TokenOwner>;

/// Asked for once: a server has an object for each slot, and a process has one user.
inline const UserSid& our_user() noexcept {
  static const UserSid user;
  return user;
}

/// At which integrity level the process runs, in words: an object of a higher one refuses it whatever the DACL says,
/// and new objects without a label count as medium.
inline std::string integrity() {
  const TokenSid<TOKEN_MANDATORY_LABEL, TokenIntegrityLevel> label;
  if (label.error() != 0) return "at an integrity level that the system does not tell";
  PSID sid = label.get().Label.Sid;
  const DWORD level = *::GetSidSubAuthority(sid, *::GetSidSubAuthorityCount(sid) - DWORD{1});
  if (level < SECURITY_MANDATORY_MEDIUM_RID) return "at low integrity";
  return level < SECURITY_MANDATORY_HIGH_RID ? "at medium integrity" : "at high integrity";
}

/// Who owns an opened object.
class ObjectOwner {
 public:
  explicit ObjectOwner(HANDLE object) noexcept {
    DWORD length = 0;
    BOOL defaulted = FALSE;
    if (::GetKernelObjectSecurity(object, OWNER_SECURITY_INFORMATION, bytes_, sizeof bytes_, &length) == 0 ||
        ::GetSecurityDescriptorOwner(bytes_, &sid_, &defaulted) == 0) {
      sid_ = nullptr;
    }
  }
  ObjectOwner(const ObjectOwner&) = delete;
  ObjectOwner& operator=(const ObjectOwner&) = delete;

  /// nullptr if the system does not tell.
  [[nodiscard]] PSID sid() const noexcept { return sid_; }

 private:
  alignas(void*) std::byte bytes_[256];
  PSID sid_ = nullptr;
};

/// Whether our user made the object. An elevated process may make objects in the name of the Administrators.
inline bool is_ours(HANDLE object) noexcept {
  const ObjectOwner owner(object);
  if (owner.sid() == nullptr) return false;
  const UserSid& user = our_user();
  if (user.error() == 0 && ::EqualSid(owner.sid(), user.get().User.Sid) != 0) return true;
  const OwnerSid group;
  return group.error() == 0 && ::EqualSid(owner.sid(), group.get().Owner) != 0;
}

class LocalMemory {
 public:
  explicit LocalMemory(void* memory) noexcept : memory_(memory) {}
  LocalMemory(LocalMemory&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
  LocalMemory& operator=(LocalMemory&&) = delete;
  ~LocalMemory() { ::LocalFree(memory_); }
  [[nodiscard]] void* get() const noexcept { return memory_; }

 private:
  void* memory_;
};

/// What a client does with an object, as access rights: those of other users get no more. Each may read who owns it,
/// none may change who may use it, or take ownership: the next server would be refused its own name.
enum class Use : DWORD {
  memory = READ_CONTROL | SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_WRITE,
  reading = READ_CONTROL | SECTION_QUERY | SECTION_MAP_READ,
  waiting = READ_CONTROL | SYNCHRONIZE,
  ringing = READ_CONTROL | EVENT_MODIFY_STATE,
  waiting_and_ringing = READ_CONTROL | SYNCHRONIZE | EVENT_MODIFY_STATE,
};
constexpr std::size_t uses = 5;

inline Use use_of(ForClients clients) noexcept { return clients == ForClients::write ? Use::memory : Use::reading; }

/// Who may do what with a new object.
class SecurityAttributes {
 public:
  static Result<SecurityAttributes> make(const Names& names, const Access& access, Use use) {
    switch (access.kind()) {
      case Access::Kind::current_user:
        return grant(names, {});
      case Access::Kind::everyone:
        return grant(names, L"(A;;" + std::to_wstring(static_cast<DWORD>(use)) + L";;;WD)");
      case Access::Kind::sddl:
        return given(names, access.sddl(), use);
      case Access::Kind::mode:
        break;
    }
    return names.error(Errc::invalid_argument, "Access::mode is for Linux; use Access::sddl on Win32");
  }

  /// For what only the server's own user touches.
  static Result<SecurityAttributes> for_us(const Names& names) { return grant(names, {}); }

  [[nodiscard]] SECURITY_ATTRIBUTES* get() noexcept { return &attributes_; }
  [[nodiscard]] PSECURITY_DESCRIPTOR descriptor() const noexcept { return descriptor_.get(); }

 private:
  explicit SecurityAttributes(PSECURITY_DESCRIPTOR descriptor) noexcept
      : descriptor_(descriptor), attributes_{sizeof attributes_, descriptor, FALSE} {}

  /// Everything for our user, by SID: Wine does not know OWNER RIGHTS. And the owner by name: with the
  /// default, a server that runs elevated would leave objects that are not its user's.
  static Result<SecurityAttributes> grant(const Names& names, const std::wstring& more) {
    auto sid = our_sid(names);
    if (!sid) return std::move(sid).error();
    return convert(names, L"O:" + *sid + L"D:P(A;;GA;;;" + *sid + L")" + more);
  }

  static Result<std::wstring> our_sid(const Names& names) {
    const UserSid& user = our_user();
    return text_of(names, user.error(), user.get().User.Sid);
  }

  static Result<std::wstring> text_of(const Names& names, DWORD error, PSID sid) {
    wchar_t* raw = nullptr;
    if (error == 0 && ::ConvertSidToStringSidW(sid, &raw) == 0) error = ::GetLastError();
    if (error != 0) {
      return names.error(Errc::system_error, "the user of this process could not be determined",
                         static_cast<int>(error));
    }
    const LocalMemory freed(raw);
    return std::wstring(raw);
  }

  /// What an SDDL grants to other users is cut down to their `use` of the object: it speaks of the channel, and no
  /// client of the channel has to set `ended`.
  static Result<SecurityAttributes> given(const Names& names, const std::string& sddl, Use use) {
    std::wstring wide;
    for (const char c : sddl) wide += static_cast<wchar_t>(static_cast<unsigned char>(c));  // SDDL is ASCII
    if (use == Use::reading) {
      const OwnerSid owner;
      auto sid = text_of(names, owner.error(), owner.get().Owner);
      if (!sid) return std::move(sid).error();
      wide = with_owner(std::move(wide), *sid);
    }
    auto attributes = convert_owned(names, wide);
    if (!attributes) return attributes;
    BOOL has_dacl = FALSE, defaulted = FALSE;
    PACL dacl = nullptr;
    if (wide.find(L"NO_ACCESS_CONTROL") != std::wstring::npos ||  // Wine takes it for an empty list
        ::GetSecurityDescriptorDacl(attributes->descriptor(), &has_dacl, &dacl, &defaulted) == 0 || has_dacl == FALSE ||
        dacl == nullptr) {
      return names.error(
          Errc::invalid_argument,
          "Access::sddl holds no DACL, such as D:P(A;;GA;;;BA), and so does not say who may use the channel");
    }
    if (!is_known(*dacl)) {
      return names.error(Errc::invalid_argument,
                         "Access::sddl has entries that are for objects of a directory; use A, XA and D");
    }
    if (use == Use::reading)
      leave_only_reading(*dacl);
    else
      cut_down(*dacl, use);
    return attributes;
  }

  /// With an entry before the others for who owns what our process makes: the next server opens the record of this one,
  /// for as long as a client has it, and an SDDL may name our groups alone, whose rights are cut down. Of an elevated
  /// process that is the Administrators, and not its user, who may run programs that are not elevated.
  static std::wstring with_owner(std::wstring sddl, const std::wstring& sid) {
    int depth = 0;
    for (std::size_t at = 0; at < sddl.size(); ++at) {
      depth += sddl[at] == L'(' ? 1 : sddl[at] == L')' ? -1 : 0;
      if (depth != 0 || sddl.compare(at, 2, L"D:") != 0) continue;
      for (at += 2; at < sddl.size() && sddl[at] != L'(' && sddl.compare(at, 2, L"S:") != 0;) ++at;  // past its flags
      return sddl.insert(at, L"(A;;GA;;;" + sid + L")");
    }
    return sddl;
  }

  static bool is_allowing(const ACE_HEADER& entry) noexcept {
    return entry.AceType == ACCESS_ALLOWED_ACE_TYPE || entry.AceType == ACCESS_ALLOWED_CALLBACK_ACE_TYPE;
  }

  /// Whether all that it allows is in entries whose masks we find.
  static bool is_known(ACL& dacl) noexcept {
    for (DWORD i = 0; i < dacl.AceCount; ++i) {
      void* entry = nullptr;
      if (::GetAce(&dacl, i, &entry) == 0) return false;
      const auto& header = *static_cast<const ACE_HEADER*>(entry);
      const bool is_denying =
          header.AceType == ACCESS_DENIED_ACE_TYPE || header.AceType == ACCESS_DENIED_CALLBACK_ACE_TYPE;
      if (!is_allowing(header) && !is_denying) return false;
    }
    return true;
  }

  static void cut_down(ACL& dacl, Use use) noexcept {
    const UserSid& user = our_user();
    for (DWORD i = 0; user.error() == 0 && i < dacl.AceCount; ++i) {
      void* entry = nullptr;
      if (::GetAce(&dacl, i, &entry) == 0) return;
      ACCESS_ALLOWED_ACE& allowed = *static_cast<ACCESS_ALLOWED_ACE*>(entry);
      if (!is_allowing(allowed.Header)) continue;
      constexpr DWORD both = GENERIC_READ | GENERIC_WRITE;
      const bool is_client = (allowed.Mask & GENERIC_ALL) != 0 || (allowed.Mask & both) == both;
      if (is_client && ::EqualSid(&allowed.SidStart, user.get().User.Sid) == 0) allowed.Mask = static_cast<DWORD>(use);
    }
  }

  /// Takes from everybody but us what would let them change an object or who may. Changes the masks where they lie.
  static void leave_only_reading(ACL& dacl) noexcept {
    const UserSid user;
    const OwnerSid owner;
    constexpr DWORD changing = GENERIC_ALL | GENERIC_WRITE | GENERIC_EXECUTE | SECTION_MAP_WRITE | SECTION_EXTEND_SIZE |
                               WRITE_DAC | WRITE_OWNER | DELETE;
    for (DWORD i = 0; i < dacl.AceCount; ++i) {
      void* entry = nullptr;
      if (::GetAce(&dacl, i, &entry) == 0) continue;
      auto& allowed = *static_cast<ACCESS_ALLOWED_ACE*>(entry);
      if (!is_allowing(allowed.Header)) continue;
      PSID sid = &allowed.SidStart;
      const bool is_ours = (user.error() == 0 && ::EqualSid(sid, user.get().User.Sid) != 0) ||
                           (owner.error() == 0 && ::EqualSid(sid, owner.get().Owner) != 0);
      if (is_ours) continue;
      if ((allowed.Mask & (GENERIC_ALL | SECTION_MAP_WRITE)) != 0) allowed.Mask |= GENERIC_READ;
      allowed.Mask &= ~changing;
    }
  }

  /// Clients ask whose an object is: one whose SDDL does not say so is our user's.
  static Result<SecurityAttributes> convert_owned(const Names& names, const std::wstring& sddl) {
    auto attributes = convert(names, sddl);
    if (!attributes) return attributes;
    PSID owner = nullptr;
    BOOL defaulted = FALSE;
    if (::GetSecurityDescriptorOwner(attributes->descriptor(), &owner, &defaulted) != 0 && owner != nullptr) {
      return attributes;
    }
    auto sid = our_sid(names);
    if (!sid) return std::move(sid).error();
    return convert(names, L"O:" + *sid + sddl);
  }

  static Result<SecurityAttributes> convert(const Names& names, const std::wstring& sddl) {
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    if (!::ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl.c_str(), SDDL_REVISION_1, &descriptor, nullptr)) {
      return names.error(Errc::invalid_argument, "the security descriptor is not valid SDDL",
                         static_cast<int>(::GetLastError()));
    }
    return SecurityAttributes(descriptor);
  }

  LocalMemory descriptor_;
  SECURITY_ATTRIBUTES attributes_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Makes one descriptor for each use of an object, not for each object. Belongs to one thread.
class Admission {
 public:
  Admission(const Access& access) : access_(access) {}

  Result<win32::SecurityAttributes*> to(const Names& names, win32::Use use) const {
    for (std::optional<Made>& made : made_) {
      if (!made) {
        auto attributes = win32::SecurityAttributes::make(names, access_, use);
        if (!attributes) return std::move(attributes).error();
        made.emplace(Made{use, *std::move(attributes)});
      }
      if (made->use == use) return &made->attributes;
    }
    return names.error(Errc::system_error, "an object has a use of which the library knows nothing");
  }

 private:
  struct Made {
    win32::Use use;
    win32::SecurityAttributes attributes;
  };

  Access access_;
  mutable std::optional<Made> made_[win32::uses];
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
