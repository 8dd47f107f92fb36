// The server's sign of life: a word that the kernel itself changes when the process ends.
//
// A thread of ours puts the word on its robust list and writes its thread id there with FUTEX_WAITERS set.
// However the process ends (kill, exit, exec, abort), the kernel walks that list before it tears
// the address space down, sets FUTEX_OWNER_DIED in the word and wakes one sleeper, which wakes the rest.
// A forked child does not inherit it, a zombie does not keep it. Only our own thread's list is
// replaced: the user's threads keep the one that libc needs for its robust mutexes. The list itself lies in a shared
// page: private memory may be gone before the kernel walks it, taken by the out-of-memory killer's reaper or by
// process_mrelease(2), and then nobody would mark the word.
// (Source: futex(2), get_robust_list(2), and Documentation/locking/robust-futex-ABI.rst.)
#pragma once

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/integer_cast.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>
#include <shared_channel/detail/platform/linux/admission.hpp>
#include <shared_channel/detail/platform/linux/fork_guard.hpp>
#include <shared_channel/detail/platform/linux/futex.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace linux_beacon {

/// Whether the word names a thread, and the kernel has not marked it dead.
constexpr bool is_lit(std::uint32_t word) noexcept {
  return (word & FUTEX_TID_MASK) != 0 && (word & FUTEX_OWNER_DIED) == 0;
}

}  // namespace linux_beacon

class Beacon {
 public:
  /// Lights the page's `alive` word; it goes out with this object or with the process.
  static Result<UniquePtr<Beacon>> light(const Names& names, std::uint64_t, ServerPage& page, const Admission&) {
    UniquePtr<Beacon> beacon(new Beacon(page.alive));
    if (const int error = beacon->start(); error != 0) {
      return names.error(error == ENOMEM ? Errc::out_of_memory : Errc::system_error,
                         std::string(no_beacon_thread) + ": " + beacon->call_ + " failed", error);
    }
    return beacon;
  }

  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;
  ~Beacon() {
    if (running_) {
      command_.store(leave, std::memory_order_release);
      linux_futex::wake(command_, 1);
      const NoCancellation whole;
      ::pthread_join(thread_, nullptr);
    }
    ForkGuard::instance().release(page_);
  }

  /// Lights the word again, where a stray write has put it out.
  void mend() noexcept {
    if (alive_.load(std::memory_order_relaxed) != lit_word_) alive_.store(lit_word_, std::memory_order_release);
  }

 private:
  static constexpr std::uint32_t starting = 0;
  static constexpr std::uint32_t lit = 1;
  static constexpr std::uint32_t leave = 2;
  static constexpr std::uint32_t failed = 3;

  /// What the kernel walks when the thread ends, in memory that nothing takes from it before.
  struct RobustList {
    robust_list node;
    robust_list_head head;
  };

  explicit Beacon(Word& alive)
      : alive_(alive), page_(ForkGuard::instance().hold([](ForkGuard::Held& page) {
          page.size = sizeof(RobustList);
          page.data = ::mmap(nullptr, page.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        })) {}

  int start() {
    if (page_.data == MAP_FAILED) {
      call_ = "mmap";
      return errno;
    }
    list_ = ::new (page_.data) RobustList{};
    // The user's signal handlers must not run on a thread that they cannot know of.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = ::pthread_create(
        &thread_, nullptr,
        [](void* self) -> void* {
          static_cast<Beacon*>(self)->keep();
          return nullptr;
        },
        this);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) return error;
    Deadline never = Deadline::never();
    while (command_.load(std::memory_order_acquire) == starting) linux_futex::wait(command_, starting, never);
    if (command_.load(std::memory_order_acquire) == failed) {
      ::pthread_join(thread_, nullptr);
      return failure_;
    }
    running_ = true;
    return 0;
  }

  /// The life of the beacon's thread.
  void keep() noexcept {
    const long me = ::syscall(SYS_gettid);
    if (me <= 0) return fail("gettid", errno);
    robust_list_head* previous = nullptr;
    std::size_t previous_size = 0;
    if (::syscall(SYS_get_robust_list, 0, &previous, &previous_size) != 0) return fail("get_robust_list", errno);

    robust_list& node = list_->node;
    robust_list_head& head = list_->head;
    head.list.next = &node;
    node.next = &head.list;
    head.futex_offset = integer_cast<long>(reinterpret_cast<char*>(&alive_) - reinterpret_cast<char*>(&node));
    if (::syscall(SYS_set_robust_list, &head, sizeof head) != 0) return fail("set_robust_list", errno);
    // An emulator may say yes and do nothing. No client would ever learn of this process's death.
    robust_list_head* kept = nullptr;
    std::size_t kept_size = 0;
    if (::syscall(SYS_get_robust_list, 0, &kept, &kept_size) != 0 || kept != &head)
      return fail("set_robust_list had no effect;", ENOSYS);
    SHARED_CHANNEL_TEST_POINT(server_beacon_listed);
    // The list first, the word second: a death in between finds a word that is not ours and leaves it.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    lit_word_ = static_cast<std::uint32_t>(me) | FUTEX_WAITERS;
    alive_.store(lit_word_, std::memory_order_release);
    tell(lit);

    Deadline never = Deadline::never();
    while (command_.load(std::memory_order_acquire) == lit) linux_futex::wait(command_, lit, never);

    // The word first, the list second: a death in between finds a word that nobody owns any more.
    alive_.store(0, std::memory_order_seq_cst);
    SHARED_CHANNEL_TEST_POINT(server_beacon_cleared);
    linux_futex::wake(alive_, INT_MAX);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ::syscall(SYS_set_robust_list, previous, previous_size);
  }

  void fail(const char* call, int error) noexcept {
    call_ = call;
    failure_ = error;
    tell(failed);
  }

  void tell(std::uint32_t status) noexcept {
    command_.store(status, std::memory_order_release);
    linux_futex::wake(command_, 1);
  }

  Word& alive_;
  const ForkGuard::Held& page_;
  RobustList* list_ = nullptr;
  Word command_{starting};
  std::uint32_t lit_word_ = 0;  // what the kernel must find to mark our death
  pthread_t thread_{};
  const char* call_ = "pthread_create";  // that failed, if one did
  int failure_ = 0;
  bool running_ = false;
};

/// A client's view of the server's beacon; the word holds what the beacon's thread wrote there.
class Watch {
 public:
  static Result<Watch> open(const Names& names, std::uint64_t, const ServerPage& page) {
    const std::uint32_t lit = page.alive.load(std::memory_order_acquire);
    if (!linux_beacon::is_lit(lit) || (lit & FUTEX_WAITERS) == 0) return just_gone(names);
    return Watch(page.alive, lit);
  }

  [[nodiscard]] Peer look() const noexcept {
    const std::uint32_t now = alive_->load(std::memory_order_acquire);
    return now == lit_ ? Peer::alive : now == 0 ? Peer::stopped : Peer::died;
  }
  [[nodiscard]] Peer glance() const noexcept { return look(); }

  /// The word as a wait watches it.
  [[nodiscard]] linux_futex::Watched watched() const noexcept { return {alive_, lit_}; }

  /// How a wait that watched the word ended. The kernel wakes one of the sleepers on the beacon: it wakes the others.
  [[nodiscard]] Wake outcome(Wake outcome) const noexcept {
    if (look() == Peer::alive) return outcome;
    linux_futex::wake(*alive_, INT_MAX);
    return Wake::server_gone;
  }

 private:
  Watch(const Word& alive, std::uint32_t lit) : alive_(&alive), lit_(lit) {}

  const Word* alive_;
  std::uint32_t lit_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
