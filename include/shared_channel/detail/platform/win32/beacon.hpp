// The server's sign of life, as the kernel gives it.
//
// A client waits for the server's process itself: one wait, and the kernel wakes every client at once. Where it may
// not open the process (another user's, or a service's), it waits for a mutex that a thread of the server
// holds: the kernel gives that up with the thread, to one client, who passes it on. An orderly end leaves the process
// running and is told by an event. The page's `alive` word is the quick answer to the same question: 1 while
// lit, 0 after an orderly end. It can make a server look stopped, but neither alive nor died.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/win32/server_lease.hpp>
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
                                         const Access& access) {
    const win32::ObjectName ended_name(names, names.part(generation, "ended"));
    auto ended = win32::create_event(names, ended_name, win32::Reset::never, access);
    if (!ended) return std::move(ended).error();
    const win32::ObjectName alive_name(names, names.part(generation, "alive"));
    auto alive = win32::create_mutex(names, alive_name, access);
    if (!alive) return std::move(alive).error();

    UniquePtr<Beacon> beacon(new Beacon(page.alive, *std::move(ended), *std::move(alive)));
    if (const DWORD failure = beacon->keeper_.take(0); failure != 0) {
      return names.error(Errc::system_error, "the thread that marks the server as alive could not start",
                         static_cast<int>(failure));
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

 private:
  Beacon(Word& alive, Handle ended, Handle mutex) noexcept
      : alive_(alive), ended_(std::move(ended)), keeper_(std::move(mutex)) {}

  Word& alive_;
  Handle ended_;
  win32::MutexKeeper keeper_;
  bool lit_ = false;
};

/// A client's view of the server's beacon. look() costs a system call unless the server has ended in good order.
class Watch {
 public:
  static Result<Watch> open(const Names& names, std::uint64_t generation, const ServerPage& page) {
    if (page.alive.load(std::memory_order_acquire) == 0) return gone(names);
    const win32::ObjectName ended_name(names, names.part(generation, "ended"));
    Handle ended(::OpenEventW(SYNCHRONIZE, FALSE, ended_name.c_str()));
    if (!ended) return win32::not_opened(names, "OpenEvent", ended_name, ::GetLastError());

    Watch watch(page.alive, std::move(ended));
    switch (watch.open_process(page.identity.server_process, page.identity.server_birth)) {
      case Found::server:
        break;
      case Found::nobody:
        return gone(names);
      case Found::unknown: {
        const win32::ObjectName alive_name(names, names.part(generation, "alive"));
        watch.server_ = Handle(::OpenMutexW(SYNCHRONIZE, FALSE, alive_name.c_str()));
        if (!watch.server_) return win32::not_opened(names, "OpenMutex", alive_name, ::GetLastError());
        watch.is_mutex_ = true;
      }
    }
    if (watch.look() != Peer::alive) return gone(names);
    return watch;
  }

  Watch(Watch&& other) noexcept
      : alive_(other.alive_),
        ended_(std::move(other.ended_)),
        server_(std::move(other.server_)),
        is_mutex_(other.is_mutex_),
        has_died_(other.has_died_.load(std::memory_order_relaxed)) {}

  [[nodiscard]] Peer look() const noexcept {
    if (alive_->load(std::memory_order_acquire) == 0) return Peer::stopped;
    if (!has_died_.load(std::memory_order_relaxed)) {
      const HANDLE handles[] = {ended_.get(), server_.get()};
      const DWORD outcome = ::WaitForMultipleObjects(2, handles, FALSE, 0);
      if (outcome == WAIT_OBJECT_0) return Peer::stopped;
      if (!is_server(outcome, 1)) return Peer::alive;
    }
    // A server that ended in good order may have left its process since the first look.
    return alive_->load(std::memory_order_acquire) == 0 ? Peer::stopped : Peer::died;
  }

 private:
  friend class Signal;
  friend class WaitSet;
  friend class ClientMutex;

  enum class Found { server, nobody, unknown };
  enum class Outcome { taken, abandoned, timed_out, server_gone };

  Watch(const Word& alive, Handle ended) noexcept : alive_(&alive), ended_(std::move(ended)) {}

  static Error gone(const Names& names) { return names.error(Errc::no_server, "the server has just gone"); }

  /// A process id is only a number: it may be a later process's, or nonsense.
  Found open_process(std::uint32_t id, std::uint64_t birth) noexcept {
    const bool is_denied = SHARED_CHANNEL_TEST_DENY_OPEN_PROCESS;
    if (is_denied) return Found::unknown;
    server_ = Handle(::OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id));
    if (!server_) return ::GetLastError() == ERROR_INVALID_PARAMETER ? Found::nobody : Found::unknown;
    const std::uint64_t found = win32::birth_of(server_.get());
    return found == 0 ? Found::unknown : found == birth ? Found::server : Found::nobody;
  }

  /// Waits for `object`, which comes first if several are ready, or for the server's end.
  Outcome wait(HANDLE object, Deadline& deadline) const noexcept {
    const HANDLE handles[] = {object, ended_.get(), server_.get()};
    for (;;) {
      const DWORD outcome = ::WaitForMultipleObjects(3, handles, FALSE, win32::milliseconds_left(deadline));
      if (outcome == WAIT_OBJECT_0) return Outcome::taken;
      if (outcome == WAIT_ABANDONED_0) return Outcome::abandoned;
      if (outcome == WAIT_OBJECT_0 + 1 || is_server(outcome, 2)) return Outcome::server_gone;
      if (outcome == WAIT_FAILED) rest(std::chrono::milliseconds(1));
      if (deadline.passed()) return Outcome::timed_out;
    }
  }

  /// Whether a wait ended with handle `index`, the server. Its mutex is given back at once: others wait for it too. So
  /// it may be theirs when we look again, and we remember.
  bool is_server(DWORD outcome, DWORD index) const noexcept {
    if (outcome != WAIT_OBJECT_0 + index && outcome != WAIT_ABANDONED_0 + index) return false;
    has_died_.store(true, std::memory_order_relaxed);
    if (is_mutex_) ::ReleaseMutex(server_.get());
    return true;
  }

  const Word* alive_;
  Handle ended_;
  Handle server_;  // the process, or the mutex that it holds
  bool is_mutex_ = false;
  mutable std::atomic<bool> has_died_{false};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
