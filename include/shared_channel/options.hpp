// What a user can choose, with its meaning, unit and default.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// How long a call waits for its answer unless told otherwise.
inline constexpr std::chrono::nanoseconds default_timeout = std::chrono::milliseconds(250);

/// How a waiting thread spends its time: first spinning, then asleep in the kernel.
///
/// Spinning answers within a cache-line transfer and occupies a core; a wake-up from sleep costs
/// two context switches and nothing while it lasts. The default spins for no longer than the sleep that it may save
/// would take, and stops spinning where that does not pay, or where other programs want the core (docs/performance.md).
struct WaitPolicy {
  /// Longest time to spin before sleeping; up to five times as long in a call that had to wake its server, which saves
  /// the caller's own sleep. 0 sleeps at once; max() never sleeps.
  std::chrono::nanoseconds spin = std::chrono::microseconds(50);

  /// Never spin: the choice for many more threads than cores, and for battery.
  static constexpr WaitPolicy sleep() noexcept { return {std::chrono::nanoseconds::zero()}; }
  /// Never sleep: the lowest latency, at the price of a whole core on each side.
  static constexpr WaitPolicy spin_only() noexcept { return {(std::chrono::nanoseconds::max)()}; }

  friend bool operator==(const WaitPolicy&, const WaitPolicy&) = default;
};

/// A question that a thread asks while it waits in a call: whether it is to give up. For programs that must look after
/// something else meanwhile, such as an interpreter after its signals. Raw calls alone take one (CallOptions); others
/// have std::stop_token.
struct Interrupt {
  /// Asked every 50 ms, first after 50 ms.
  static constexpr std::chrono::milliseconds interval{50};

  /// Called with `context` by the thread that waits. If it answers true, the call ends as one that was cancelled. It
  /// must be short, because the thread may stand at the head of the queue for a slot meanwhile, and must not throw, use
  /// the channel, or destroy the client.
  bool (*is_wanted)(void* context) = nullptr;
  void* context = nullptr;

  explicit operator bool() const noexcept { return is_wanted != nullptr; }
};

/// Which of the machine's sessions see the channel.
enum class Scope {
  session,  ///< Win32: `Local\`, the user's own log-on session. Linux: the machine, which has no such sessions.
  machine,  ///< Win32: `Global\`; creating needs SeCreateGlobalPrivilege (services have it). Linux: the machine.
};

/// Who may open the channel. Set by the server, enforced by the operating system.
class Access {
 public:
  enum class Kind { current_user, everyone, sddl, mode };

  /// Only the user that the server runs as (Linux: mode 0600; Win32: a DACL with that user's SID).
  static Access current_user() { return Access(Kind::current_user); }
  /// Every user of the machine. Each of them can then disturb the channel: prefer a group.
  static Access everyone() { return Access(Kind::everyone); }
  /// Win32 only: a security descriptor in SDDL. On Linux creating the server is an invalid_argument.
  static Access sddl(std::string descriptor) {
    Access access(Kind::sddl);
    access.sddl_ = std::move(descriptor);
    return access;
  }
  /// Linux only: file mode bits (the owner needs 0600) and, optionally, the group that owns the objects.
  /// On Win32 creating the server is an invalid_argument.
  static Access mode(unsigned bits, std::int64_t group = keep_group) {
    Access access(Kind::mode);
    access.mode_ = bits;
    access.group_ = group;
    return access;
  }

  /// Value of group() that leaves the group as the system sets it.
  static constexpr std::int64_t keep_group = -1;

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& sddl() const noexcept { return sddl_; }
  [[nodiscard]] unsigned mode() const noexcept { return mode_; }
  [[nodiscard]] std::int64_t group() const noexcept { return group_; }

 private:
  explicit Access(Kind kind) : kind_(kind) {}

  Kind kind_;
  unsigned mode_ = 0600;
  std::int64_t group_ = keep_group;
  std::string sddl_;
};

/// Upper bounds that Server checks before it makes anything.
inline constexpr unsigned max_slots = 4096;
inline constexpr unsigned max_threads = 256;
inline constexpr std::size_t max_message_bytes = std::size_t{1} << 30;

/// What a server is made with. create() answers invalid_argument to what is out of bounds.
struct ServerOptions {
  /// Calls in flight at once: the channel's slots, 1 to max_slots; further callers queue. Clients are not limited.
  unsigned max_calls = 16;
  /// Handlers that run at once, 1 to max_threads. Above 1 the handler is called concurrently.
  unsigned threads = 1;
  /// Which users may call.
  Access access = Access::current_user();
  /// Must be the clients'.
  Scope scope = Scope::session;
  /// How an idle thread waits for the next call.
  WaitPolicy wait = {};
  /// Largest message of a channel whose messages vary in length, 1 to max_message_bytes; each slot reserves as much.
  /// Only the bytes used travel. Without meaning for messages of fixed size, but checked all the same.
  std::size_t max_request_bytes = 64 * 1024;
  std::size_t max_reply_bytes = 64 * 1024;
};

/// Whom a client lets serve it. Anybody of the machine may make objects under a channel's name while no server is
/// there.
class ServerUser {
 public:
  enum class Kind { mine_or_system, any, uid, sid };

  /// Linux: this process's effective user, or root. Win32: this process's user, LocalSystem, LocalService,
  /// NetworkService or the Administrators.
  static ServerUser mine_or_system() { return ServerUser(Kind::mine_or_system); }
  /// Every user, also one who was only quicker than the service.
  static ServerUser any() { return ServerUser(Kind::any); }
  /// Linux only: the user of this number and no other. On Win32 creating the client is an invalid_argument.
  static ServerUser uid(std::uint32_t id) {
    ServerUser user(Kind::uid);
    user.uid_ = id;
    return user;
  }
  /// Win32 only: the user of this SID (S-1-5-...) and no other. On Linux creating the client is an invalid_argument.
  static ServerUser sid(std::string text) {
    ServerUser user(Kind::sid);
    user.sid_ = std::move(text);
    return user;
  }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] std::uint32_t uid() const noexcept { return uid_; }
  [[nodiscard]] const std::string& sid() const noexcept { return sid_; }

 private:
  explicit ServerUser(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::uint32_t uid_ = 0;
  std::string sid_;
};

/// What a client is made with.
struct ClientOptions {
  /// Must be the server's.
  Scope scope = Scope::session;
  /// How a thread waits for the reply to its call.
  WaitPolicy wait = {};
  /// Whether a call waits, inside its deadline, for a server to appear instead of failing with no_server.
  bool wait_for_server = false;
  /// Who may serve this client; calls of another user's server fail with not_owner.
  ServerUser server = ServerUser::mine_or_system();
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
