// Sleeping and waking on a word that processes share. FUTEX_PRIVATE_FLAG is never set: these futexes are
// found by the page they lie on, not by the address space.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <string_view>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/linux/lease.hpp>
#include <shared_channel/detail/protocol/layout.hpp>

namespace shared_channel::detail::platform {

namespace linux_futex {

/// What the kernel reads on 64-bit systems, and on 32-bit ones through the *_time64 calls.
struct Time {
  std::int64_t seconds;
  std::int64_t nanoseconds;
};

inline Time time_of(Clock::time_point at) noexcept {
  const std::int64_t count = at.time_since_epoch().count();  // steady_clock counts ns of CLOCK_MONOTONIC
  return {count / 1'000'000'000, count % 1'000'000'000};
}

#if defined(SYS_futex_time64)
inline constexpr long futex_call = SYS_futex_time64;
#else
inline constexpr long futex_call = SYS_futex;
#endif

inline std::uint32_t* address(Word& word) noexcept { return reinterpret_cast<std::uint32_t*>(&word); }

/// Sleeps while the word is `seen`. 0, or errno: EAGAIN, EINTR, ETIMEDOUT.
inline int wait(Word& word, std::uint32_t seen, Deadline& deadline) noexcept {
  Time until{};
  Time* timeout = nullptr;
  if (!deadline.is_never()) {
    until = time_of(deadline.at());
    timeout = &until;
  }
  const long answer =
      ::syscall(futex_call, address(word), FUTEX_WAIT_BITSET, seen, timeout, nullptr, FUTEX_BITSET_MATCH_ANY);
  return answer == 0 ? 0 : errno;
}

inline void wake(Word& word, int count) noexcept {
  ::syscall(futex_call, address(word), FUTEX_WAKE, count, nullptr, nullptr, 0);
}

/// One entry of futex_waitv(2), since Linux 5.16.
struct Waiter {
  std::uint64_t value;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
inline constexpr long waitv_call = 449;         // the same number on every architecture
inline constexpr std::uint32_t size_u32 = 0x2;  // FUTEX2_SIZE_U32, shared

/// Sleeps while both words are as seen. 0, or errno; ENOSYS, EPERM or EINVAL where the call is missing or forbidden.
inline int wait_for_either(Word& first, std::uint32_t first_seen, Word& second, std::uint32_t second_seen,
                           Deadline& deadline) noexcept {
  Waiter waiters[2] = {{first_seen, reinterpret_cast<std::uintptr_t>(address(first)), size_u32, 0},
                       {second_seen, reinterpret_cast<std::uintptr_t>(address(second)), size_u32, 0}};
  Time until{};
  Time* timeout = nullptr;
  if (!deadline.is_never()) {
    until = time_of(deadline.at());
    timeout = &until;
  }
  return ::syscall(waitv_call, waiters, 2, 0, timeout, CLOCK_MONOTONIC) >= 0 ? 0 : errno;
}

}  // namespace linux_futex

/// A client's view of the server's beacon; see beacon.hpp for what the word holds.
class Watch {
 public:
  static Result<Watch> open(const Names& names, std::uint64_t, Header& header) {
    const std::uint32_t lit = header.alive.load(std::memory_order_acquire);
    if ((lit & FUTEX_TID_MASK) == 0 || (lit & FUTEX_OWNER_DIED) != 0 || (lit & FUTEX_WAITERS) == 0) {
      return names.error(Errc::no_server, "the server has just gone");
    }
    return Watch(header.alive, lit);
  }

  [[nodiscard]] Peer look() const noexcept {
    const std::uint32_t now = alive_->load(std::memory_order_acquire);
    return now == lit_ ? Peer::alive : now == 0 ? Peer::stopped : Peer::died;
  }

 private:
  friend class Signal;
  friend class WaitSet;
  Watch(Word& alive, std::uint32_t lit) : alive_(&alive), lit_(lit) {}

  Word* alive_;
  std::uint32_t lit_;
};

/// The word itself is the futex; there is nothing to make or to open.
class Signal {
 public:
  static Result<Signal> create(const Names&, std::uint64_t, std::string_view, Word& word, const Access&) {
    return Signal(word);
  }
  static Result<Signal> open(const Names&, std::uint64_t, std::string_view, Word& word) { return Signal(word); }

  /// Wakes one thread. Safe in a signal handler.
  void ring() noexcept { linux_futex::wake(*word_, 1); }

  Wake wait(std::uint32_t seen, Deadline& deadline) noexcept {
    return linux_futex::wait(*word_, seen, deadline) == ETIMEDOUT ? Wake::timed_out : Wake::signalled;
  }

  Wake wait(std::uint32_t seen, Deadline& deadline, const Watch& server) noexcept {
    static std::atomic<bool> has_waitv{true};
    int outcome = 0;
    bool in_slices = !has_waitv.load(std::memory_order_relaxed);
    if (!in_slices) {
      outcome = linux_futex::wait_for_either(*word_, seen, *server.alive_, server.lit_, deadline);
      in_slices = outcome == ENOSYS || outcome == EPERM || outcome == EINVAL;
      if (in_slices) has_waitv.store(false, std::memory_order_relaxed);
    }
    if (in_slices) outcome = wait_in_slices(seen, deadline, server);
    if (server.look() != Peer::alive) {
      // The kernel woke one of the sleepers on the beacon: it wakes the others.
      linux_futex::wake(*server.alive_, INT_MAX);
      return Wake::server_gone;
    }
    return outcome == ETIMEDOUT ? Wake::timed_out : Wake::signalled;
  }

 private:
  friend class WaitSet;
  explicit Signal(Word& word) : word_(&word) {}

  /// For kernels and sandboxes without futex_waitv: sleeps on our word and looks at the beacon every 5 ms.
  int wait_in_slices(std::uint32_t seen, Deadline& deadline, const Watch& server) noexcept {
    for (;;) {
      Deadline slice = deadline.within(std::chrono::milliseconds(5));
      const int outcome = linux_futex::wait(*word_, seen, slice);
      if (outcome != ETIMEDOUT || server.look() != Peer::alive || deadline.passed()) return outcome;
    }
  }

  Word* word_;
};

/// The client mutex: a futex that holds its owner's lease number, so that a dead owner is recognised.
/// Losing a wake-up to a waiter that died with it costs one slice, not the deadline.
class ClientMutex {
 public:
  static Result<ClientMutex> create(const Names&, std::uint64_t, Word& word, const Access&) {
    return ClientMutex(word);
  }
  static Result<ClientMutex> open(const Names&, std::uint64_t, Word& word) { return ClientMutex(word); }

  /// `me` is the caller's lease number, `leases` the view that tells which others still hold theirs.
  Lock lock(std::uint32_t me, const ClientLease& leases, Deadline& deadline, const Watch& server) noexcept {
    std::uint32_t seen = 0;
    if (word_->compare_exchange_strong(seen, me, std::memory_order_acquire)) return Lock::locked;
    for (;;) {
      const std::uint32_t owner = seen & ~contended;
      const bool abandoned = owner != 0 && owner != me && !leases.is_held(owner);
      if (owner == 0 || abandoned) {
        // Once contended always contended: others may sleep behind us.
        if (word_->compare_exchange_strong(seen, me | contended, std::memory_order_acquire)) {
          return abandoned ? Lock::abandoned : Lock::locked;
        }
        continue;
      }
      if (server.look() != Peer::alive) return Lock::server_gone;
      if (deadline.passed()) return Lock::timed_out;
      if ((seen & contended) == 0 && !word_->compare_exchange_strong(seen, seen | contended, std::memory_order_relaxed))
        continue;
      Deadline slice = deadline.within(std::chrono::milliseconds(10));
      linux_futex::wait(*word_, owner | contended, slice);
      seen = word_->load(std::memory_order_relaxed);
    }
  }

  void unlock() noexcept {
    if ((word_->exchange(0, std::memory_order_release) & contended) != 0) linux_futex::wake(*word_, 1);
  }

 private:
  static constexpr std::uint32_t contended = 0x8000'0000;  // lease numbers leave this bit free

  explicit ClientMutex(Word& word) : word_(&word) {}

  Word* word_;
};

}  // namespace shared_channel::detail::platform
