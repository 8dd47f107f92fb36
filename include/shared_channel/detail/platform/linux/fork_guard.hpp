// What a process must keep for itself: descriptors and mappings that no fork()ed child may have, and that are ours only
// as long as nobody else closes them.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/platform/linux/file_identity.hpp>
#include <shared_channel/detail/platform/linux/guards.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// What a fork()ed child must not keep: descriptors whose locks stand for the parent's life, and the mappings that hold
/// the same open file descriptions. An inherited lock would outlive the parent and make it look alive. The child gets
/// zeros of its own in place of a mapping, so that what it still does there (in a handler that forked, say) harms
/// nobody; or, where the system gives it none, nothing.
class ForkGuard {
 public:
  static ForkGuard& instance() {
    // Never destroyed: static channels may outlive every static. Not on the heap, for a library that is unloaded.
    alignas(ForkGuard) static std::byte memory[sizeof(ForkGuard)];
    static ForkGuard& guard = *::new (static_cast<void*>(memory)) ForkGuard;
    return guard;
  }

  /// A descriptor or a mapping that no child may keep.
  struct Held {
    int descriptor = -1;
    bool was_opened = false;  // also if it could then not be kept
    FileIdentity file;
    void* data = MAP_FAILED;
    std::size_t size = 0;
    bool is_inherited = false;  // its place taken already

    /// Not if the program has closed it, whatever has its number now.
    [[nodiscard]] bool is_ours() const noexcept {
      return descriptor >= 0 && (!file.is_known() || file.is_still(descriptor));
    }
  };

  /// Keeps what `take` puts into a Held until it is released. No fork() can come between the taking and the keeping.
  template <class Take>
  const Held& hold(Take&& take) {
    auto element = List::make();
    const Undisturbed whole(*this);
    Held& held = held_.put(std::move(element));
    take(held);
    keep(held);
    return held;
  }
  /// The same for two descriptors that the system makes together.
  template <class Take>
  std::pair<const Held*, const Held*> hold_two(Take&& take) {
    auto first = List::make(), second = List::make();
    const Undisturbed whole(*this);
    Held& one = held_.put(std::move(first));
    Held& other = held_.put(std::move(second));
    take(one, other);
    keep(one);
    keep(other);
    return {&one, &other};
  }

  /// Keeps errno: the caller may read the errno of a failed open after its Held has gone.
  void release(const Held& held) noexcept {
    const int error = errno;
    {
      List::Loose released;  // deleted without the mutex
      const Undisturbed whole(*this);
      if (held.is_ours()) ::close(held.descriptor);
      if (held.data != MAP_FAILED) ::munmap(held.data, held.size);
      released = held_.take_out(held);
    }
    errno = error;
  }

  /// Differs between a child and its parent: none_yet until the child is told, or makes something of its own. A child
  /// in which fork()'s handlers did not run (clone(2), _Fork(3)) is told as well.
  [[nodiscard]] static std::uint32_t epoch() noexcept { return epoch_->load(std::memory_order_relaxed); }

  /// The same, for what this process makes.
  std::uint32_t own_epoch() {
    if (epoch() == none_yet) const Undisturbed told(*this);
    return epoch();
  }

  /// Where a thread in fork() paused.
  using Pause = unsigned;

  /// Lets the other threads have the mutex, if the calling thread is in fork() and has it. What resume() needs then.
  std::optional<Pause> pause() noexcept {
    if (!has_mutex()) return std::nullopt;
    const NoSignals unsignalled;
    const Pause before = std::exchange(paused_at_, forks_);
    mutex_.unlock();
    return before;
  }
  void resume(Pause before) noexcept {
    const NoSignals unsignalled;
    mutex_.lock();
    paused_at_ = before;
  }

 private:
  using List = ForwardList<Held>;

  /// Has the mutex. A thread that is in fork() has it already: handlers of the program's own that were registered
  /// before ours run then too, and make and destroy what they like. A signal handler may fork too, though it should
  /// not, and would wait for the mutex in its own thread. Whoever has it takes no other one, not the allocator's
  /// either: a handler of the program's may have taken that before ours takes this.
  class Undisturbed {
   public:
    explicit Undisturbed(ForkGuard& guard) noexcept : lock_(guard.mutex_, std::defer_lock) {
      if (!guard.has_mutex()) lock_.lock();
      if (epoch() == none_yet) guard.become_child();
    }

   private:
    const NoCancellation uncancelled_;
    const NoSignals unsignalled_;
    std::unique_lock<std::mutex> lock_;
  };

  static void keep(Held& held) noexcept {
    held.was_opened = held.descriptor >= 0;
    if (!held.was_opened) return;
    held.descriptor = above_standard(held.descriptor);
    held.file = FileIdentity::mark(held.descriptor, held);
  }

  /// A program that was started without its standard descriptors takes the lowest numbers for its own output.
  static int above_standard(int descriptor) noexcept {
    constexpr int first = 3;
    if (descriptor >= first) return descriptor;
    const int higher = ::fcntl(descriptor, F_DUPFD_CLOEXEC, first);
    const int error = errno == EINVAL ? EMFILE : errno;  // the system's word where the limit is at most `first`
    ::close(descriptor);
    errno = error;
    return higher;
  }

  ForkGuard() {
    move_epoch();
    ::pthread_atfork([] { instance().before_fork(); }, [] { instance().in_parent(); }, [] { instance().in_child(); });
  }
  ~ForkGuard() = default;

  /// To memory that the kernel clears in children, before anybody could tell them. Where it does not (before
  /// Linux 4.14, or in an emulator), fork()'s handler tells.
  static void move_epoch() noexcept {
    constexpr int wipe_on_fork = 18;  // MADV_WIPEONFORK, which older headers do not have
    constexpr std::size_t size = sizeof(std::atomic<std::uint32_t>);
    void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    if (::madvise(page, size, wipe_on_fork) == 0)
      epoch_ = ::new (page) std::atomic<std::uint32_t>(epoch());
    else
      ::munmap(page, size);
  }

  // One thread at a time has the turn to fork, also while it pauses: the program's handlers that run meanwhile do not
  // meet those of another fork(). A signal handler that calls exit() in between would not know that its own thread has
  // the mutex. One that interrupts fork() itself may fork too, while that pauses as well.
  void before_fork() noexcept {
    const NoSignals unsignalled;
    own_epoch();  // in a child that no handler has told, another thread of the parent's may seem to have the turn
    if (!has_turn()) {
      turn_.lock();
      forking_.store(::pthread_self(), std::memory_order_relaxed);
    }
    if (!has_mutex()) mutex_.lock();
    ++forks_;
  }
  void in_parent() noexcept {
    const NoSignals unsignalled;
    after_fork();
  }
  void in_child() noexcept {
    const NoSignals unsignalled;
    if (epoch() == none_yet || told_ != ::getpid()) become_child();
    after_fork();
  }
  void after_fork() noexcept {
    if (--forks_ != paused_at_) return;
    mutex_.unlock();
    if (forks_ != 0) return;
    forking_.store(pthread_t{}, std::memory_order_relaxed);
    turn_.unlock();
  }

  /// Whether the calling thread is in fork(), in the parent or in the child. Not a thread_local, which a plug-in may
  /// get from the allocator. Each thread sees its own last word or another's later one, so it finds itself only if it
  /// is.
  [[nodiscard]] bool has_turn() const noexcept {
    return ::pthread_equal(forking_.load(std::memory_order_relaxed), ::pthread_self()) != 0;
  }
  /// Whether it has the mutex therefore. What else is asked here, only the thread that has the turn writes.
  [[nodiscard]] bool has_mutex() const noexcept { return has_turn() && forks_ != paused_at_; }

  /// Once in a child, before that makes anything of its own. Allocates and frees nothing: a thread that did so in the
  /// parent at that moment does not exist here.
  void become_child() noexcept {
    const NoCancellation whole;
    for (Held& held : held_) {
      if (held.is_ours()) ::close(held.descriptor);
      held.descriptor = -1;
      if (held.data == MAP_FAILED || std::exchange(held.is_inherited, true)) continue;
      void* const zeros = ::mmap(held.data, held.size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
      if (zeros != MAP_FAILED) continue;
      ::munmap(held.data, held.size);  // RLIMIT_AS, say, has been lowered: what the child does there ends the child
      held.data = MAP_FAILED;
    }
    if (!has_turn()) give_turn_anew();
    told_ = ::getpid();
    epoch_->store(++last_epoch_, std::memory_order_relaxed);
  }

  /// Whoever had it in the parent does not exist here.
  void give_turn_anew() noexcept {
    ::new (&turn_) std::mutex;
    forking_.store(pthread_t{}, std::memory_order_relaxed);
    forks_ = 0;
    paused_at_ = 0;
  }

  static constexpr std::uint32_t none_yet = 0;
  static constexpr std::uint32_t of_first_process = 1;

  std::mutex turn_;  // to fork; taken before the other one
  std::mutex mutex_;
  List held_;
  std::atomic<pthread_t> forking_{};             // the thread that has the turn
  unsigned forks_ = 0;                           // how many it is in, one in another's signal handler
  Pause paused_at_ = 0;                          // which of them pauses; 0: none
  pid_t told_ = ::getpid();                      // the process whose epoch it is, where the kernel does not clear that
  std::uint32_t last_epoch_ = of_first_process;  // the same, where the kernel does not clear it
  // Static, since every call asks for it.
  static inline std::atomic<std::uint32_t> unmoved_epoch_{of_first_process};
  static inline std::atomic<std::uint32_t>* epoch_ = &unmoved_epoch_;
};

/// Stands around a wait for other threads. In fork() those might wait for us: a handler of the program's own that was
/// registered before ours runs while this thread has the guard's mutex, and may end a client whose thread is about to
/// open or to close a descriptor. The wait returns once this thread has the mutex again, which others have for a few
/// system calls at a time.
class ForkPause {
 public:
  ForkPause() noexcept : pause_(ForkGuard::instance().pause()) {}
  ~ForkPause() {
    if (pause_) ForkGuard::instance().resume(*pause_);
  }
  ForkPause(const ForkPause&) = delete;
  ForkPause& operator=(const ForkPause&) = delete;

 private:
  const std::optional<ForkGuard::Pause> pause_;
};

/// The guard of a program, or a plug-in, that has clients or servers. Its handlers are registered when that is loaded:
/// those that it registers later, and that take a mutex under which it makes and destroys clients, take theirs first
/// (fork() calls the latest first), as the threads do that have it.
template <class Guard>
class EarlyGuard {
 public:
  /// Also while other statics are being made.
  static Guard& instance() { return registered_ != nullptr ? *registered_ : Guard::instance(); }

 private:
  static inline Guard* const registered_ = &Guard::instance();
};

/// Remembers the process that it was made in.
class ForkMark {
 public:
  /// A template, so that a program without clients and servers registers nothing.
  template <class Guard = ForkGuard>
  ForkMark() : epoch_(EarlyGuard<Guard>::instance().own_epoch()) {}  // the instance: it counts from here on

  [[nodiscard]] bool in_child() const noexcept { return ForkGuard::epoch() != epoch_; }

 private:
  std::uint32_t epoch_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
