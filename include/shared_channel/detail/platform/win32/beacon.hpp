// The server's sign of life, as the kernel gives it.
//
// A client waits for two things. One is a mutex that a thread of the server holds: the kernel gives it up with the
// thread, to one client, which passes it on: to another client, or to the thread that inherits it (mutex_keeper.hpp).
// The other is the server's process, where the client may open it (not another user's, or a service's): it wakes every
// client at once, but only when the process is done with, and a slow DLL or an error reporter can keep a process
// without its threads for a long time. A graceful end leaves the process running and is told by an event. The page's
// `alive` word is the quick answer to the same question: 1 while lit, 0 after a graceful end. It can make a server look
// stopped, but neither alive nor died.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/win32/mutex_keeper.hpp>
#include <shared_channel/detail/platform/win32/object.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

/// Tests may set an expression that says when a client is refused the server's process.
#ifndef SHARED_CHANNEL_TEST_DENY_OPEN_PROCESS
#define SHARED_CHANNEL_TEST_DENY_OPEN_PROCESS false
#endif

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

class Beacon {
 public:
  /// Lights the page's `alive` word; it goes out with this object or with the process.
  static Result<UniquePtr<Beacon>> light(const Names& names, std::uint64_t generation, ServerPage& page,
                                         const Admission& admission) {
    const win32::ObjectName ended_name(names, names.part(generation, parts::ended));
    auto ended = win32::create_event(names, ended_name, win32::Reset::never, admission, win32::Use::waiting);
    if (!ended) return std::move(ended).error();
    const win32::ObjectName alive_name(names, names.part(generation, parts::alive));
    auto alive = win32::create_mutex(names, alive_name, admission);
    if (!alive) return std::move(alive).error();

    UniquePtr<Beacon> beacon(new Beacon(page.alive, *std::move(ended), *std::move(alive), alive_name));
    if (const DWORD failure = beacon->keeper_.take(0); failure != 0) {
      return names.error(Errc::system_error, no_beacon_thread, static_cast<int>(failure));
    }
    page.alive.store(1, std::memory_order_release);
    beacon->lit_ = true;
    return beacon;
  }

  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;
  ~Beacon() {
    if (!lit_) return;
    alive_.store(0, std::memory_order_seq_cst);
    ::SetEvent(ended_.get());
  }

  /// Lights the word again, where a stray write has put it out.
  void mend() noexcept {
    if (alive_.load(std::memory_order_relaxed) != 1) alive_.store(1, std::memory_order_release);
  }

 private:
  Beacon(Word& alive, Handle ended, Handle mutex, const win32::ObjectName& name)
      : alive_(alive), ended_(std::move(ended)), keeper_(std::move(mutex), name.c_str()) {}

  Word& alive_;
  Handle ended_;
  win32::MutexKeeper keeper_;
  bool lit_ = false;
};

/// A client's view of the server's beacon. look() costs a system call unless the server has ended gracefully.
class Watch {
 public:
  static Result<Watch> open(const Names& names, std::uint64_t generation, const ServerPage& page) {
    if (page.alive.load(std::memory_order_acquire) == 0) return just_gone(names);
    auto ended = win32::open_event(names, win32::ObjectName(names, names.part(generation, parts::ended)),
                                   win32::Use::waiting, win32::Use::waiting);
    if (!ended) return std::move(ended).error();
    const win32::ObjectName alive_name(names, names.part(generation, parts::alive));
    auto mutex = win32::open_mutex(names, alive_name);

    Watch watch(page.alive, *std::move(ended), win32::heir_mark_of(alive_name.c_str()));
    const Found found = watch.open_process(page.identity.server_process, page.identity.server_birth);
    if (found == Found::nobody) return just_gone(names);
    if (found == Found::unknown) {
      watch.process_ = Handle();
      if (!mutex) return std::move(mutex).error();
    }
    if (mutex && found != Found::here) watch.mutex_ = *std::move(mutex);
    if (watch.look() != Peer::alive) return just_gone(names);
    return watch;
  }

  Watch(Watch&& other) noexcept
      : alive_(other.alive_),
        ended_(std::move(other.ended_)),
        process_(std::move(other.process_)),
        mutex_(std::move(other.mutex_)),
        heir_mark_(std::move(other.heir_mark_)),
        waits_for_heir_since_(other.waits_for_heir_since_.load(std::memory_order_relaxed)),
        has_died_(other.has_died_.load(std::memory_order_relaxed)),
        asked_(other.asked_.load(std::memory_order_relaxed)) {}

  [[nodiscard]] Peer look() const noexcept {
    if (alive_->load(std::memory_order_acquire) == 0) return Peer::stopped;
    if (!has_died_.load(std::memory_order_relaxed)) {
      HANDLE handles[handles_at_most];
      const DWORD count = add_to(handles, 0);
      const DWORD outcome = ::WaitForMultipleObjects(count, handles, FALSE, 0);
      if (outcome == WAIT_OBJECT_0) return Peer::stopped;
      if (!is_gone(outcome, 0) && !is_left_behind()) return Peer::alive;
    }
    // A server that ended gracefully may have left its process since the first look.
    return alive_->load(std::memory_order_acquire) == 0 ? Peer::stopped : Peer::died;
  }

  /// Asks the system once in each millisecond at most, for all threads together. It may miss a death of just now, no
  /// wait does: those have the kernel's own objects among their handles, and a thread that spins asks again.
  [[nodiscard]] Peer glance() const noexcept {
    const std::uint32_t tick = tick_ms();
    const bool is_known = asked_.load(std::memory_order_relaxed) == tick && !has_died_.load(std::memory_order_relaxed);
    if (is_known && alive_->load(std::memory_order_acquire) != 0) return Peer::alive;
    const Peer server = look();
    if (server == Peer::alive) asked_.store(tick, std::memory_order_relaxed);
    return server;
  }

 private:
  friend class Signal;
  friend class WaitSet;
  friend class ClientMutex;

  enum class Found { server, here, nobody, unknown };
  enum class Outcome { taken, abandoned, timed_out, server_gone, failed };

  static constexpr DWORD handles_at_most = 3;
  /// A process that takes its time to end may have the heir's mark, and no threads any more.
  static constexpr std::uint32_t patience_with_heir_ms = 3000;

  Watch(const Word& alive, Handle ended, std::wstring heir_mark)
      : alive_(&alive), ended_(std::move(ended)), heir_mark_(std::move(heir_mark)) {}

  /// A server in this very process does not die before us, and its mutex may be the calling thread's, which would get
  /// it for the asking. A process id is only a number: it may be a later process's, or nonsense. And a handle may come
  /// without the right to wait for it, which some security programs take away.
  Found open_process(std::uint32_t id, std::uint64_t birth) noexcept {
    if (id == process_id()) return birth == process_birth() ? Found::here : Found::nobody;
    bool is_denied = SHARED_CHANNEL_TEST_DENY_OPEN_PROCESS;
    if (is_denied) return Found::unknown;
    const win32::AsProcess own;
    process_ = Handle(::OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id)).kept();
    if (!process_) return ::GetLastError() == ERROR_INVALID_PARAMETER ? Found::nobody : Found::unknown;
    const std::uint64_t found = win32::birth_of(process_.get());
    if (found == 0 || poll(process_) == WAIT_FAILED) return Found::unknown;
    return found == birth ? Found::server : Found::nobody;
  }

  /// Waits for `object`, which comes first if several are ready, or for the server's end, or until `called`, if that is
  /// an event.
  Outcome wait(HANDLE object, Deadline& deadline, HANDLE called = nullptr) const noexcept {
    if (is_left_behind()) return Outcome::server_gone;
    HANDLE handles[2 + handles_at_most + 1] = {object, called};
    const DWORD first = called != nullptr ? 2 : 1;
    const DWORD outcome = win32::wait_for_one(handles, add_to(handles, first), deadline);
    if (outcome == WAIT_OBJECT_0) return Outcome::taken;
    if (outcome == WAIT_ABANDONED_0) return Outcome::abandoned;
    if (outcome == WAIT_TIMEOUT) return Outcome::timed_out;
    if (first == 2 && outcome == WAIT_OBJECT_0 + 1) return deadline.passed() ? Outcome::timed_out : Outcome::failed;
    if (is_gone(outcome, first)) return Outcome::server_gone;
    rest(std::chrono::milliseconds(1));  // so that a caller that tries again does not keep a core busy
    return deadline.passed() ? Outcome::timed_out : Outcome::failed;
  }

  /// Whether the server was in this process, which ends: its threads are gone, and ours is the last one.
  bool is_left_behind() const noexcept { return !process_ && !mutex_ && waits_in_vain(); }

  /// Puts what tells the server's end behind the first `count` handles, and answers how many there are then.
  DWORD add_to(HANDLE* handles, DWORD count) const noexcept {
    handles[count++] = ended_.get();
    if (process_) handles[count++] = process_.get();
    if (mutex_) handles[count++] = mutex_.get();
    return count;
  }

  /// Whether a wait for handles of add_to(), from `first` on, ended with one of them. After a wait that failed each is
  /// asked alone, and the word: one bad handle must not make a dead server alive.
  bool is_gone(DWORD outcome, DWORD first) const noexcept {
    if (outcome == WAIT_FAILED) {
      if (alive_->load(std::memory_order_acquire) == 0 || poll(ended_) == WAIT_OBJECT_0) return true;
      const DWORD mutex = poll(mutex_);
      return has_died(poll(process_) == WAIT_OBJECT_0, mutex == WAIT_OBJECT_0 || mutex == WAIT_ABANDONED);
    }
    if (outcome == WAIT_OBJECT_0 + first) return true;
    const DWORD process = first + 1, mutex = process_ ? first + 2 : first + 1;
    return has_died(process_ && outcome == WAIT_OBJECT_0 + process,
                    mutex_ && (outcome == WAIT_OBJECT_0 + mutex || outcome == WAIT_ABANDONED_0 + mutex));
  }

  /// The mutex is given back at once: others wait for it too. So it may be theirs when we look again, and we remember.
  bool has_died(bool process_ended, bool took_mutex) const noexcept {
    if (took_mutex) ::ReleaseMutex(mutex_.get());
    const bool is_dead = process_ended || (took_mutex && !waits_for_heir());
    if (is_dead) has_died_.store(true, std::memory_order_relaxed);
    return is_dead;
  }

  /// Whether a thread of the server's is still to take the mutex. Rests if so: the mutex is free meanwhile, and ends
  /// every wait at once.
  bool waits_for_heir() const noexcept {
    if (!win32::is_heir_due(heir_mark_)) return false;
    const std::uint32_t now = tick_ms() | 1;
    std::uint32_t since = 0;
    if (waits_for_heir_since_.compare_exchange_strong(since, now, std::memory_order_relaxed)) since = now;
    if (now - since > patience_with_heir_ms) return false;
    rest(std::chrono::milliseconds(1));
    return true;
  }

  /// Milliseconds, which begin anew now and then.
  static std::uint32_t tick_ms() noexcept {
    using std::chrono::milliseconds;
    const auto now = std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()).count();
    return static_cast<std::uint32_t>(now);
  }

  static DWORD poll(const Handle& handle) noexcept {
    return handle ? ::WaitForSingleObject(handle.get(), 0) : DWORD{WAIT_FAILED};
  }

  const Word* alive_;
  Handle ended_;
  Handle process_;  // null where the client may not open or wait for it, and where it is our own
  Handle mutex_;    // null likewise, and where an SDDL lets a client see the process and not the mutex
  std::wstring heir_mark_;
  mutable std::atomic<std::uint32_t> waits_for_heir_since_{0};  // in milliseconds, odd; 0: never
  mutable std::atomic<bool> has_died_{false};
  mutable std::atomic<std::uint32_t> asked_{0};  // when the system last said that it lives, in milliseconds
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
