// Sleeping and waking on words that processes share, by futex(2) and futex_waitv(2). FUTEX_PRIVATE_FLAG is never set:
// these futexes are found by the page they lie on, not by the address space.
//
// A wait never takes a refusal for a wake-up. Where a kernel or a sandbox lacks a call, whichever errno says so, the
// next best one is taken: futex_waitv, else slices of a plain wait; the 64-bit time, else the 32-bit one; a futex, else
// short sleeps. Each of them ends at the deadline.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/integer_cast.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/linux/fork_guard.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::linux_futex {

/// What the kernel reads on 64-bit systems, and on 32-bit ones through the *_time64 calls.
struct Time {
  std::int64_t seconds;
  std::int64_t nanoseconds;
};

inline Time time_of(Clock::time_point at) noexcept {
  const std::int64_t count = at.time_since_epoch().count();  // steady_clock counts ns of CLOCK_MONOTONIC
  return {count / 1'000'000'000, count % 1'000'000'000};
}

/// The kernel only reads the words that it is told to watch: they may lie on a read-only page.
inline const std::uint32_t* address(const Word& word) noexcept { return reinterpret_cast<const std::uint32_t*>(&word); }

/// Whether the kernel has done what it was asked: the other errnos are refusals.
inline bool is_answer(int error) noexcept {
  return error == 0 || error == EAGAIN || error == EINTR || error == ETIMEDOUT;
}

template <class TimeSpec>
int invoke(long call, const Word& word, int operation, std::uint32_t value, const TimeSpec* until) noexcept {
  const long answer = ::syscall(call, address(word), operation, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return answer >= 0 ? 0 : errno;
}

#if defined(SYS_futex_time64)
#if defined(SYS_futex)
/// What a 32-bit kernel before 5.1 reads.
struct OldTime {
  std::int32_t seconds;
  std::int32_t nanoseconds;
};

inline int futex_of_old(const Word& word, int operation, std::uint32_t value, const Time* until) noexcept {
  OldTime old{};
  if (until != nullptr) {
    const bool fits = until->seconds <= INT32_MAX;
    old = {fits ? static_cast<std::int32_t>(until->seconds) : INT32_MAX, static_cast<std::int32_t>(until->nanoseconds)};
  }
  return invoke(SYS_futex, word, operation, value, until != nullptr ? &old : nullptr);
}
#else
inline int futex_of_old(const Word&, int, std::uint32_t, const Time*) noexcept { return ENOSYS; }
#endif

/// 0, or errno.
inline int futex(const Word& word, int operation, std::uint32_t value, const Time* until) noexcept {
  static std::atomic<bool> is_old{false};
  if (!is_old.load(std::memory_order_relaxed)) {
    const int error = invoke(SYS_futex_time64, word, operation, value, until);
    if (is_answer(error)) return error;
  }
  const int error = futex_of_old(word, operation, value, until);
  if (is_answer(error)) is_old.store(true, std::memory_order_relaxed);
  return error;
}
#else
/// 0, or errno.
inline int futex(const Word& word, int operation, std::uint32_t value, const Time* until) noexcept {
  return invoke(SYS_futex, word, operation, value, until);
}
#endif

inline void wake(const Word& word, int count) noexcept {
  futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(count), nullptr);
}

/// What a kernel's answer to a wait means. A wake-up that was meant for us is never reported as the deadline. A changed
/// word or a signal is, once the deadline has passed: a peer that keeps changing words must not hold us.
inline Wake meaning_of(int error, Deadline& deadline) noexcept {
  return error != 0 && deadline.passed() ? Wake::timed_out : Wake::signalled;
}

/// Whether the answer to a wait whose words have not changed is a refusal. A sandbox may refuse by any errno: the words
/// are said to have changed, or the deadline to have passed, and are not so, or waits are interrupted all the time.
inline bool is_refusal(int error, Deadline& deadline) noexcept {
  static std::atomic<unsigned> interrupted{0};  // in a row, about
  constexpr unsigned too_often = 64;
  if (error == EINTR) return interrupted.fetch_add(1, std::memory_order_relaxed) >= too_often;
  if (interrupted.load(std::memory_order_relaxed) != 0) interrupted.store(0, std::memory_order_relaxed);
  if (error == ETIMEDOUT) return !deadline.passed();
  return error != 0;
}

/// Sleeps while the word is `seen`.
inline Wake wait(const Word& word, std::uint32_t seen, Deadline& deadline) noexcept {
  const ForkPause others_go_on;
  Time until{};
  if (!deadline.is_never()) until = time_of(deadline.at());
  const int error = futex(word, FUTEX_WAIT_BITSET, seen, deadline.is_never() ? nullptr : &until);
  if (is_refusal(error, deadline) && word.load(std::memory_order_seq_cst) == seen) {
    const nanoseconds left = deadline.remaining();
    constexpr nanoseconds nap = std::chrono::milliseconds(1);
    rest(left < nap ? left : nap);
  }
  return meaning_of(error, deadline);
}

/// A word and what its reader has seen in it.
struct Watched {
  const Word* word = nullptr;
  std::uint32_t seen = 0;
};

/// Words in one wait; the kernel takes 128.
inline constexpr std::size_t most_words = 62;

/// One entry of futex_waitv(2), since Linux 5.16.
struct Waiter {
  std::uint64_t value;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
inline constexpr long waitv_call = 449;         // the same number on every architecture
inline constexpr std::uint32_t size_u32 = 0x2;  // FUTEX2_SIZE_U32, shared

/// 0, or errno.
inline int futex_waitv(const Watched* words, std::size_t count, Deadline& deadline) noexcept {
  Waiter waiters[most_words];
  for (std::size_t i = 0; i < count; ++i)
    waiters[i] = {words[i].seen, reinterpret_cast<std::uintptr_t>(address(*words[i].word)), size_u32, 0};
  Time until{};
  if (!deadline.is_never()) until = time_of(deadline.at());
  const Time* const timeout = deadline.is_never() ? nullptr : &until;
  return ::syscall(waitv_call, waiters, integer_cast<unsigned>(count), 0, timeout, CLOCK_MONOTONIC) >= 0 ? 0 : errno;
}

inline bool have_changed(const Watched* words, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if (words[i].word->load(std::memory_order_seq_cst) != words[i].seen) return true;
  }
  return false;
}

/// Sleeps while all of the words are as seen. Where there is no futex_waitv: on the first one, with a look at the
/// others after each `slice`.
inline Wake wait_any(const Watched* words, std::size_t count, Deadline& deadline, nanoseconds slice) noexcept {
  static std::atomic<bool> has_waitv{true};
  if (has_waitv.load(std::memory_order_relaxed)) {
    const ForkPause others_go_on;
    const int error = futex_waitv(words, count, deadline);
    if (!is_refusal(error, deadline) || have_changed(words, count)) return meaning_of(error, deadline);
    if (error != ENOMEM && !is_answer(error)) has_waitv.store(false, std::memory_order_relaxed);
  }
  for (;;) {
    if (have_changed(words + 1, count - 1)) return meaning_of(EAGAIN, deadline);
    Deadline end_of_slice = deadline.within(slice);
    if (wait(*words[0].word, words[0].seen, end_of_slice) == Wake::signalled) return Wake::signalled;
    if (deadline.passed()) return Wake::timed_out;
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::linux_futex
