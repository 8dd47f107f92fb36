// Sleeping and waking between processes: signals and the client mutex, both of them futexes.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>
#include <string_view>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/linux/admission.hpp>
#include <shared_channel/detail/platform/linux/beacon.hpp>
#include <shared_channel/detail/platform/linux/futex.hpp>
#include <shared_channel/detail/platform/linux/lease.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// The word itself is the futex; there is nothing to make or to open.
class Signal {
 public:
  static Result<Signal> create(const Names&, std::uint64_t, std::string_view, Word& word, const Admission&) {
    return Signal(word);
  }
  static Result<Signal> open(const Names&, std::uint64_t, std::string_view, Word& word) { return Signal(word); }

  /// Wakes one thread. Safe in a signal handler.
  void ring() noexcept { linux_futex::wake(*word_, 1); }
  /// Wakes every thread that sleeps on the word, whosever it is.
  void ring_all() noexcept { linux_futex::wake(*word_, INT_MAX); }

  Wake wait(std::uint32_t seen, Deadline& deadline) noexcept { return linux_futex::wait(*word_, seen, deadline); }

  Wake wait(std::uint32_t seen, Deadline& deadline, const Watch& server) noexcept {
    const linux_futex::Watched words[] = {watched(seen), server.watched()};
    return server.outcome(linux_futex::wait_any(words, 2, deadline, std::chrono::milliseconds(5)));
  }

  /// The word as a wait watches it.
  [[nodiscard]] linux_futex::Watched watched(std::uint32_t seen) const noexcept { return {word_, seen}; }

 private:
  explicit Signal(Word& word) : word_(&word) {}

  Word* word_;
};

/// The client mutex: a futex that holds its owner's lease number, so that a dead owner is recognised.
/// Losing a wake-up to a waiter that died with it costs one slice, not the deadline.
class ClientMutex {
 public:
  static Result<ClientMutex> create(const Names&, std::uint64_t, Word& word, const Admission&) {
    return ClientMutex(word);
  }
  static Result<ClientMutex> open(const Names&, std::uint64_t, Word& word) { return ClientMutex(word); }

  /// `me` is the caller's lease number, `leases` the view that tells which others still hold theirs. A wait ends early
  /// if the caller is `called`, and then asks whether the deadline has passed.
  Lock lock(std::uint32_t me, const ClientLease& leases, Deadline& deadline, const Watch& server,
            linux_futex::Watched called = {}) noexcept {
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
      }
      // In every iteration: a peer that changes the word all the time must not hold us.
      if (server.look() != Peer::alive) return Lock::server_gone;
      if (deadline.passed()) return Lock::timed_out;
      if (owner == 0 || abandoned) continue;
      if ((seen & contended) == 0 && !word_->compare_exchange_strong(seen, seen | contended, std::memory_order_relaxed))
        continue;
      Deadline slice = deadline.within(std::chrono::milliseconds(10));
      const linux_futex::Watched words[] = {{word_, owner | contended}, called};
      if (called.word == nullptr)
        linux_futex::wait(*word_, owner | contended, slice);
      else
        linux_futex::wait_any(words, 2, slice, std::chrono::milliseconds(1));
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

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
