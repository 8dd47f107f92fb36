// A litmus test: a few threads of a few steps over the library's own headers, and what must hold once they have ended.
// The model checker GenMC tries all their executions under a weak memory model, once with the orders as they are and
// once for each that the test weakens, where it must find a violation. As a plain program the test runs with real
// threads, many times over.
//
// Nothing here blocks. Who would sleep asks the Kernel and goes on, and the test judges afterwards whether the sleep
// would have ended.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(LITMUS_GENMC)
#include <assert.h>
#include <pthread.h>
#else
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#endif

namespace litmus {

#if defined(LITMUS_GENMC)
class Mutex {
 public:
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};
#else
using Mutex = std::mutex;
#endif

/// A word with its orders as they are.
using Word = std::atomic<std::uint32_t>;

/// A word whose sequentially consistent stores are releases, and whose loads are acquires.
class WeakWord {
 public:
  constexpr explicit WeakWord(std::uint32_t value = 0) : word_(value) {}

  std::uint32_t load(std::memory_order) const { return word_.load(std::memory_order_acquire); }
  void store(std::uint32_t value, std::memory_order) { word_.store(value, std::memory_order_release); }
  std::uint32_t exchange(std::uint32_t value, std::memory_order) {
    return word_.exchange(value, std::memory_order_acq_rel);
  }
  std::uint32_t fetch_add(std::uint32_t value, std::memory_order) {
    return word_.fetch_add(value, std::memory_order_acq_rel);
  }
  std::uint32_t fetch_sub(std::uint32_t value, std::memory_order) {
    return word_.fetch_sub(value, std::memory_order_acq_rel);
  }
  bool compare_exchange_strong(std::uint32_t& expected, std::uint32_t value, std::memory_order, std::memory_order) {
    return word_.compare_exchange_strong(expected, value, std::memory_order_acq_rel, std::memory_order_acquire);
  }

 private:
  std::atomic<std::uint32_t> word_;
};
/// The fence that belongs to such a word is none.
inline void full_fence(const WeakWord&) noexcept {}

/// The kernel's compare and wake, under its lock.
class Kernel {
 public:
  template <class W>
  void wait(const W& word, std::uint32_t seen) {
    lock_.lock();
    sleeps_ = word.load(std::memory_order_relaxed) == seen;
    lock_.unlock();
  }
  void ring() {
    lock_.lock();
    sleeps_ = false;
    lock_.unlock();
  }
  /// Once all threads have ended.
  [[nodiscard]] bool sleeps() const { return sleeps_; }

 private:
  Mutex lock_;
  bool sleeps_ = false;
};

/// Runs the functions of a Test at once, and then asks it whether all is well.
#if defined(LITMUS_GENMC)
template <class Test, void (Test::*Step)()>
void* run_one(void* test) {
  (static_cast<Test*>(test)->*Step)();
  return nullptr;
}
template <class Test, void (Test::*... Steps)()>
int run() {
  Test test;
  pthread_t threads[sizeof...(Steps)];
  int count = 0;
  (pthread_create(&threads[count++], nullptr, &run_one<Test, Steps>, &test), ...);
  for (int i = 0; i < count; ++i) pthread_join(threads[i], nullptr);
  assert(test.is_well());
  return 0;
}
#else
template <class Test, void (Test::*... Steps)()>
int run() {
  for (int round = 0; round < 500; ++round) {
    Test test;
    { std::jthread threads[] = {std::jthread(Steps, &test)...}; }
    if (test.is_well()) continue;
    std::printf("violated in round %d\n", round);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
#endif

/// The order that GenMC is to see weakened: 0 for none.
#if defined(LITMUS_WEAKENED)
inline constexpr int weakened = LITMUS_WEAKENED;
#else
inline constexpr int weakened = 0;
#endif
template <bool IsWeak>
struct Either {
  using Type = Word;
};
template <>
struct Either<true> {
  using Type = WeakWord;
};
/// A word that is weak if `number` is what is to be weakened.
template <int Number>
using WordUnless = typename Either<weakened == Number>::Type;

}  // namespace litmus
