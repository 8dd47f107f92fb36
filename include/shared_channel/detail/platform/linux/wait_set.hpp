// Sleeping on many calls at once, and telling a loop that is not ours.
//
// One futex_waitv(2) over the waiter's own word, the server's beacon and the calls' reply words. Nothing is lost on the
// way to sleep: for each word the kernel compares what it holds with what the caller saw, under the lock that a wake-up
// of that word takes, before it sleeps on any of them. A change before that makes the call return at once (EAGAIN); a
// later one finds the sleeper and wakes it. So doorbell.hpp's S4 holds for ring() (its ticket is the word's value), and
// slot_protocol.hpp's A2 for each reply. A wake-up of one word may swallow that of another: after a wait() all of them
// are looked at again.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/linux/descriptor.hpp>
#include <shared_channel/detail/platform/linux/file_identity.hpp>
#include <shared_channel/detail/platform/linux/futex.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/signal.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

class WaitSet {
 public:
  /// Signals in one wait; the kernel takes 128 words.
  static constexpr std::size_t capacity = 60;
  static_assert(capacity + 2 <= linux_futex::most_words);

  using Entry = WaitEntry<Signal>;
  using Entries = WaitEntries<Signal>;

  /// `own` is the word that changes before each ring().
  explicit WaitSet(Word& own) noexcept : own_(own) {}
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  /// 0, or why it cannot be used.
  [[nodiscard]] int failure() const noexcept { return 0; }

  void ring() noexcept { linux_futex::wake(own_, 1); }

  /// What ClientMutex::lock() is called by: a ring() since `ticket`.
  [[nodiscard]] linux_futex::Watched called(std::uint32_t ticket) const noexcept { return {&own_, ticket}; }

  /// Sleeps while the own word is `ticket` and all the others are as seen, until `deadline`, and as long as `server` is
  /// there.
  Wake wait(std::uint32_t ticket, Entries entries, Deadline& deadline, const Watch* server) noexcept {
    linux_futex::Watched words[capacity + 2];
    std::size_t count = 0;
    words[count++] = {&own_, ticket};
    if (server != nullptr) words[count++] = server->watched();
    for (const Entry& entry : entries) words[count++] = entry.signal->watched(entry.seen);
    const Wake outcome = count == 1 ? linux_futex::wait(own_, ticket, deadline)
                                    : linux_futex::wait_any(words, count, deadline, std::chrono::milliseconds(1));
    return server != nullptr ? server->outcome(outcome) : outcome;
  }

 private:
  Word& own_;
};

/// Once notified, a socket that poll(2) finds readable. Not an eventfd: all of those are one file to fstat(2), so that
/// one of the program's under the number of ours, which it has closed, would pass for ours (FileIdentity). And recv()
/// cannot be made to wait, as read() can, by a file that is not ours after all.
class Notifier : public RefCounted {
 public:
  using Native = int;
  static constexpr Native none = -1;

  Notifier() : Notifier(Descriptor::two(&Notifier::make)) {}

  explicit operator bool() const noexcept { return readable_ && writable_; }
  [[nodiscard]] Native native() const noexcept { return readable_.get(); }

  void notify() noexcept {
    if (!writable_.is_ours()) return;
    const NoCancellation whole;
    const char once = 1;  // if there is no room for it, others wait to be read
    static_cast<void>(::send(writable_.get(), &once, sizeof once, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  void clear() noexcept {
    if (!readable_.is_ours()) return;
    const NoCancellation whole;
    char heard[64];
    while (::recv(readable_.get(), heard, sizeof heard, MSG_DONTWAIT) > 0) {
    }
  }

 private:
  explicit Notifier(std::pair<Descriptor, Descriptor> ends) noexcept
      : readable_(std::move(ends.first)), writable_(std::move(ends.second)) {}

  static void make(int& readable, int& writable) noexcept {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return;
    readable = ends[0];
    writable = ends[1];
  }

  Descriptor readable_, writable_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
