// Sleeping on many calls at once, and telling a loop that is not ours.
//
// One futex_waitv(2) over the waiter's own word, the server's beacon and the calls' reply words. Nothing is lost on the
// way to sleep: for each word the kernel compares what it holds with what the caller saw, under the lock that a wake-up
// of that word takes, before it sleeps on any of them. Whoever changed a word before that makes the call return at once
// (EAGAIN); whoever changes it later finds the sleeper and wakes it. So doorbell.hpp's S4 holds for ring() (its ticket
// is the word's value), and protocol.hpp's A2 for each reply. A wake-up of one word may swallow that of another:
// whoever comes back from wait() looks at all of them again.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/signal.hpp>

namespace shared_channel::detail::platform {

class WaitSet {
 public:
  /// Signals in one wait; the kernel takes 128 words.
  static constexpr std::size_t capacity = 60;

  struct Entry {
    Signal* signal;
    std::uint32_t seen;
  };
  /// Not a std::span: its iterators cost every file that includes this more than all the rest of it.
  struct Entries {
    const Entry* first = nullptr;
    std::size_t count = 0;
    [[nodiscard]] const Entry* begin() const noexcept { return first; }
    [[nodiscard]] const Entry* end() const noexcept { return first + count; }
  };

  /// `own` is the word that changes before each ring().
  explicit WaitSet(Word& own) noexcept : own_(own) {}
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  /// 0, or why it cannot be used.
  [[nodiscard]] int failure() const noexcept { return 0; }

  void ring() noexcept { linux_futex::wake(own_, 1); }

  /// Sleeps while the own word is `ticket` and all the others are as seen, until `deadline`, and as long as `server` is
  /// there.
  Wake wait(std::uint32_t ticket, Entries entries, Deadline& deadline, const Watch* server) noexcept {
    static std::atomic<bool> has_waitv{true};
    int outcome = 0;
    if (server == nullptr && entries.count == 0) {
      outcome = linux_futex::wait(own_, ticket, deadline);
    } else {
      bool in_slices = !has_waitv.load(std::memory_order_relaxed);
      if (!in_slices) {
        outcome = wait_for_any(ticket, entries, deadline, server);
        in_slices = outcome == ENOSYS || outcome == EPERM || outcome == EINVAL;
        if (in_slices) has_waitv.store(false, std::memory_order_relaxed);
      }
      if (in_slices) outcome = wait_in_slices(ticket, entries, deadline, server);
    }
    if (server != nullptr && server->look() != Peer::alive) {
      // The kernel woke one of the sleepers on the beacon: it wakes the others.
      linux_futex::wake(*server->alive_, INT_MAX);
      return Wake::server_gone;
    }
    return outcome == ETIMEDOUT ? Wake::timed_out : Wake::signalled;
  }

 private:
  static linux_futex::Waiter on(Word& word, std::uint32_t seen) noexcept {
    return {seen, reinterpret_cast<std::uintptr_t>(linux_futex::address(word)), linux_futex::size_u32, 0};
  }

  int wait_for_any(std::uint32_t ticket, Entries entries, Deadline& deadline, const Watch* server) noexcept {
    std::array<linux_futex::Waiter, capacity + 2> waiters;
    unsigned count = 0;
    waiters[count++] = on(own_, ticket);
    if (server != nullptr) waiters[count++] = on(*server->alive_, server->lit_);
    for (const Entry& entry : entries) waiters[count++] = on(*entry.signal->word_, entry.seen);
    linux_futex::Time until{};
    if (!deadline.is_never()) until = linux_futex::time_of(deadline.at());
    linux_futex::Time* const timeout = deadline.is_never() ? nullptr : &until;
    return ::syscall(linux_futex::waitv_call, waiters.data(), count, 0, timeout, CLOCK_MONOTONIC) >= 0 ? 0 : errno;
  }

  /// For kernels and sandboxes without futex_waitv: sleeps on the own word and looks at the others every millisecond.
  int wait_in_slices(std::uint32_t ticket, Entries entries, Deadline& deadline, const Watch* server) noexcept {
    const auto is_changed = [&] {
      for (const Entry& entry : entries) {
        if (entry.signal->word_->load(std::memory_order_seq_cst) != entry.seen) return true;
      }
      return server != nullptr && server->look() != Peer::alive;
    };
    while (!is_changed()) {
      Deadline slice = deadline.within(std::chrono::milliseconds(1));
      const int outcome = linux_futex::wait(own_, ticket, slice);
      if (outcome != ETIMEDOUT || deadline.passed()) return outcome;
    }
    return 0;
  }

  Word& own_;
};

/// Once notified, for good: an eventfd that poll(2) finds readable.
class Notifier : public RefCounted {
 public:
  using Native = int;
  static constexpr Native none = -1;

  Notifier() : event_([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }) {}

  explicit operator bool() const noexcept { return static_cast<bool>(event_); }
  [[nodiscard]] Native native() const noexcept { return event_.get(); }

  void notify() noexcept {
    const std::uint64_t once = 1;
    while (::write(event_.get(), &once, sizeof once) < 0 && errno == EINTR) {
    }
  }

 private:
  Descriptor event_;
};

}  // namespace shared_channel::detail::platform
