// Owning a mutex beyond the life of the thread that asked for it: the server's name, and its sign of life. A mutex
// belongs to the thread that waited for it, and the user's thread that made the server may end before the server does.
// So one thread of ours owns those of all servers; each DLL with this code has its own.
//
// A thread that owns a mutex gets it again for the asking. So of two servers that want one name, the second must not
// ask for the mutex as long as the thread has it for the first: it waits for that one to let go, and gives up in time.
//
// A static server in a DLL is made and destroyed in DllMain. No thread starts or ends before that returns, so our
// thread is not waited for there: the thread in DllMain takes the mutex, and one of ours, the heir, waits behind it for
// the day that this one ends. The heir begins only after DllMain, and others may wait before it: to clients the mutex
// says that the server has died, to another server that the name is free. So a named event marks the mutex as long as
// its heir is to come, and whoever takes a mutex with a mark gives it back. And since the thread in DllMain may be
// asked to load another DLL with a server of that name, it leaves a mark that it has the mutex already.
#pragma once

#include <atomic>
#include <string>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/platform/win32/kept_mutex.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32 {

class KeeperThread;

/// Which thread that is.
struct CurrentKeeper {
  SRWLOCK lock = SRWLOCK_INIT;
  KeeperThread* thread = nullptr;
};

/// The thread, as long as there is a mutex for it to own.
class KeeperThread : public RefCounted {
 public:
  /// The running one, or a new one; leave() must follow.
  static RefPtr<KeeperThread> join() {
    const Lock lock;
    if (current_.thread == nullptr || !current_.thread->is_running()) {
      if (current_.thread != nullptr) current_.thread->itself_ = nullptr;
      RefPtr<KeeperThread> fresh(new KeeperThread);
      fresh->itself_ = fresh;
      current_.thread = fresh.get();
    }
    ++current_.thread->users_;
    return RefPtr<KeeperThread>(current_.thread);
  }

  /// The running one if it is past its start, or null: in DllMain no other can be waited for.
  static RefPtr<KeeperThread> join_begun() {
    const Lock lock;
    if (current_.thread == nullptr || !current_.thread->is_running() || !current_.thread->has_begun()) return {};
    ++current_.thread->users_;
    return RefPtr<KeeperThread>(current_.thread);
  }

  /// A new one for one mutex alone; leave() must follow.
  static RefPtr<KeeperThread> alone() {
    RefPtr<KeeperThread> fresh(new KeeperThread);
    fresh->itself_ = fresh;
    fresh->users_ = 1;
    return fresh;
  }

  /// After the last one the thread ends; its code may be unloaded next.
  static void leave(const RefPtr<KeeperThread>& thread) noexcept {
    RefPtr<KeeperThread> last;
    {
      const Lock lock;
      if (--thread->users_ > 0) return;
      if (current_.thread == thread.get()) current_.thread = nullptr;
      last = std::exchange(thread->itself_, nullptr);
    }
    thread->end();
  }

  /// 0, or why there is no thread.
  [[nodiscard]] DWORD failure() const noexcept { return failure_; }
  [[nodiscard]] HANDLE handle() const noexcept { return thread_.get(); }
  /// False while it waits for a DllMain to return, which is perhaps the caller's.
  [[nodiscard]] bool has_begun() const noexcept { return has_begun_.load(); }

  void add(RefPtr<KeptMutex> kept) noexcept {
    {
      const Lock lock;
      kept->next = std::move(arrived_);
      arrived_ = std::move(kept);
    }
    look();
  }
  void look() noexcept { ::SetEvent(news_.get()); }

 private:
  /// Held for a few instructions. At the process's end a thread that held it may be gone; then there is no other.
  class Lock {
   public:
    Lock() noexcept {
      for (;; ::SwitchToThread()) {
        is_held_ = ::TryAcquireSRWLockExclusive(&current_.lock) != 0;
        if (is_held_ || is_shutting_down()) return;
      }
    }
    ~Lock() {
      if (is_held_) ::ReleaseSRWLockExclusive(&current_.lock);
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    bool is_held_ = false;
  };

  static constexpr DWORD last_steps_ms = 20;
  static constexpr DWORD termination_ms = 1000;  // far more than the system takes

  KeeperThread() noexcept
      : news_(Handle(::CreateEventW(nullptr, FALSE, FALSE, nullptr)).kept()),
        ended_(Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept()) {
    if (news_ && ended_) thread_ = Handle(::CreateThread(nullptr, 0, &KeeperThread::run, this, 0, nullptr)).kept();
    if (!thread_) failure_ = ::GetLastError();
  }
  friend class RefPtr<KeeperThread>;
  ~KeeperThread() = default;

  [[nodiscard]] bool is_running() const noexcept {
    return thread_ && ::WaitForSingleObject(thread_.get(), 0) == WAIT_TIMEOUT;
  }

  void end() noexcept {
    if (!thread_) return;
    closing_.store(true);
    look();
    if (is_in_dll_main() && !has_begun()) {
      ::TerminateThread(thread_.get(), 0);                   // before its first instruction, so it holds nothing
      ::WaitForSingleObject(thread_.get(), termination_ms);  // the code may be unloaded next
      return;
    }
    // In DllMain it ends as far as our code goes, not altogether.
    const HANDLE handles[] = {ended_.get(), thread_.get()};
    ::WaitForMultipleObjects(2, handles, FALSE, INFINITE);
    const bool is_inside = is_in_dll_main();
    if (is_inside) ::SetThreadPriority(thread_.get(), THREAD_PRIORITY_TIME_CRITICAL);  // it has a few instructions left
    ::WaitForSingleObject(thread_.get(), is_inside ? last_steps_ms : INFINITE);
  }

  static DWORD WINAPI run(void* self) noexcept {
    KeeperThread& thread = *static_cast<KeeperThread*>(self);
    thread.keep();
    ::SetEvent(thread.ended_.get());  // the last touch: the object may be gone
    return 0;
  }

  void keep() noexcept {
    has_begun_.store(true);
    for (RefPtr<KeptMutex> all; !closing_.load();) {
      take_arrived(all);
      let_go_unwanted(all);
      wait_for_one(all);
    }
  }

  static bool is_owned(const RefPtr<KeptMutex>& all, const std::wstring& name) noexcept {
    for (const KeptMutex* kept = all.get(); kept != nullptr; kept = kept->next.get()) {
      if (kept->is_owned() && !kept->unwanted.load() && kept->name == name) return true;
    }
    return false;
  }

  void take_arrived(RefPtr<KeptMutex>& all) noexcept {
    RefPtr<KeptMutex> arrived;
    {
      const Lock lock;
      std::swap(arrived, arrived_);
    }
    while (arrived) {
      RefPtr<KeptMutex> rest = std::move(arrived->next);
      arrived->next = std::move(all);
      all = std::move(arrived);
      arrived = std::move(rest);
    }
  }

  static void let_go_unwanted(RefPtr<KeptMutex>& all) noexcept {
    for (RefPtr<KeptMutex>* at = &all; *at;) {
      if (!(*at)->unwanted.load()) {
        at = &(*at)->next;
        continue;
      }
      const RefPtr<KeptMutex> unwanted = std::exchange(*at, std::move((*at)->next));
      if (unwanted->is_tried && unwanted->failure == 0) ::ReleaseMutex(unwanted->mutex.get());
      ::SetEvent(unwanted->left.get());
    }
  }

  /// Waits until one of the mutexes that the thread does not have yet is its own, or until there is something to do.
  void wait_for_one(const RefPtr<KeptMutex>& all) noexcept {
    HANDLE handles[MAXIMUM_WAIT_OBJECTS] = {news_.get()};
    KeptMutex* wanted[MAXIMUM_WAIT_OBJECTS] = {};
    DWORD count = 1, patience = INFINITE;
    for (KeptMutex* kept = all.get(); kept != nullptr && count < MAXIMUM_WAIT_OBJECTS; kept = kept->next.get()) {
      if (kept->is_tried) continue;
      const DWORD left = kept->remaining();
      if (is_owned(all, kept->name)) {
        if (left == 0) {
          conclude(*kept, WAIT_TIMEOUT);
          continue;
        }
      } else {
        wanted[count] = kept;
        handles[count++] = kept->mutex.get();
      }
      patience = left < patience ? left : patience;
    }
    const DWORD outcome = ::WaitForMultipleObjects(count, handles, FALSE, patience);
    const DWORD error = outcome == WAIT_FAILED ? ::GetLastError() : DWORD{WAIT_TIMEOUT};
    if (outcome == WAIT_FAILED) ::Sleep(1);
    const DWORD taken = outcome >= WAIT_ABANDONED_0 && outcome < WAIT_ABANDONED_0 + count ? outcome - WAIT_ABANDONED_0
                                                                                          : outcome - WAIT_OBJECT_0;
    for (DWORD at = 1; at < count; ++at) {
      if (at == taken)
        take(*wanted[at]);
      else if (outcome == WAIT_FAILED || (outcome == WAIT_TIMEOUT && wanted[at]->remaining() == 0))
        conclude(*wanted[at], error);
    }
  }

  /// Keeps the mutex that the thread has just got, unless another's heir is to have it. Then it rests, so that it does
  /// not keep a core busy until the heir is there, and tries again.
  static void take(KeptMutex& kept) noexcept {
    if (kept.taken_in_dll_main) {
      kept.heir = Handle();
    } else if (is_our_heir_due(kept.heir_mark)) {
      ::ReleaseMutex(kept.mutex.get());
      ::Sleep(1);
      if (kept.remaining() == 0) conclude(kept, WAIT_TIMEOUT);
      return;
    }
    conclude(kept, 0);
  }

  static void conclude(KeptMutex& kept, DWORD failure) noexcept {
    kept.failure = failure;
    kept.is_tried = true;
    ::SetEvent(kept.tried.get());
  }

  inline static CurrentKeeper current_;

  Handle news_;
  Handle ended_;
  Handle thread_;
  DWORD failure_ = 0;
  unsigned users_ = 0;  // under the lock, as the next two
  RefPtr<KeptMutex> arrived_;
  RefPtr<KeeperThread> itself_;  // as long as there are users: the thread's own
  std::atomic<bool> has_begun_{false};
  std::atomic<bool> closing_{false};
};

/// Owns a mutex, on the keeper thread.
class MutexKeeper {
 public:
  /// `name` is the mutex's own.
  MutexKeeper(Handle mutex, std::wstring name) : kept_(new KeptMutex(std::move(mutex), std::move(name))) {}
  MutexKeeper(const MutexKeeper&) = delete;
  MutexKeeper& operator=(const MutexKeeper&) = delete;

  /// Waits until the mutex is free again. The thread's handle is in the same wait: at the process's end the system ends
  /// the threads first.
  ~MutexKeeper() {
    if (!thread_) return;
    kept_->unwanted.store(true);
    thread_->look();
    if (kept_->taken_in_dll_main) {
      ::ReleaseMutex(kept_->mutex.get());  // refused in another thread; the handle's end frees it then
      kept_->taker = Handle();
    }
    const HANDLE handles[] = {kept_->left.get(), thread_->handle()};
    const bool can_begin = !is_in_dll_main() || thread_->has_begun();
    if (thread_->handle() != nullptr && can_begin) ::WaitForMultipleObjects(2, handles, FALSE, INFINITE);
    KeeperThread::leave(thread_);
  }

  /// Takes the mutex. 0, WAIT_TIMEOUT if another still had it after `patience`, or GetLastError(). Once only.
  DWORD take(DWORD patience) {
    if (!kept_->tried || !kept_->left) return ERROR_NOT_ENOUGH_MEMORY;
    thread_ = is_in_dll_main() ? KeeperThread::join_begun() : KeeperThread::join();
    if (!thread_) return take_in_dll_main(patience);
    if (thread_->failure() != 0) return thread_->failure();
    kept_->patience = patience;
    kept_->since = ::GetTickCount64();
    thread_->add(kept_);
    const HANDLE handles[] = {kept_->tried.get(), thread_->handle()};
    if (::WaitForMultipleObjects(2, handles, FALSE, INFINITE) != WAIT_OBJECT_0) return ERROR_INVALID_HANDLE;
    return kept_->failure;
  }

  /// False once the program has ended the thread, and so freed the mutex.
  [[nodiscard]] bool keeps() const noexcept {
    return thread_ && ::WaitForSingleObject(thread_->handle(), 0) == WAIT_TIMEOUT;
  }

 private:
  DWORD take_in_dll_main(DWORD patience) {
    if (const DWORD failure = kept_->mark_taker(); failure != 0) return failure;
    const DWORD outcome = ::WaitForSingleObject(kept_->mutex.get(), patience);
    if (outcome != WAIT_OBJECT_0 && outcome != WAIT_ABANDONED)
      return outcome == WAIT_TIMEOUT ? DWORD{WAIT_TIMEOUT} : ::GetLastError();
    if (const DWORD failure = kept_->announce_heir(); failure != 0) {
      ::ReleaseMutex(kept_->mutex.get());
      return failure;
    }
    kept_->taken_in_dll_main = true;
    thread_ = KeeperThread::alone();
    if (thread_->failure() != 0) return thread_->failure();
    kept_->patience = INFINITE;
    thread_->add(kept_);
    return 0;
  }

  RefPtr<KeptMutex> kept_;
  RefPtr<KeeperThread> thread_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform::win32
