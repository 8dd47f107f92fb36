// Which threads may still run Python.
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#include "python.hpp"

namespace binding {
namespace {

std::atomic<unsigned long> main_thread{0};
std::atomic<bool> is_closed{false};  // to handlers
std::atomic<int> handlers{0};        // that run
std::atomic<bool> is_ending{false};
std::atomic<int> returning{0};  // threads that have seen that it does not end, and have not got the lock yet

[[noreturn]] void stay() noexcept {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

/// Lets other threads run Python until `count` is nothing. False: a signal has raised an exception.
bool await_none(const std::atomic<int>& count) {
  while (count.load(std::memory_order_seq_cst) > 0) {
    PyThreadState* const state = PyEval_SaveThread();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    PyEval_RestoreThread(state);
    if (PyErr_CheckSignals() != 0) return false;
  }
  return true;
}

}  // namespace

bool is_main_thread() noexcept { return PyThread_get_thread_ident() == main_thread.load(std::memory_order_relaxed); }

PyObject* note_main_thread(PyObject*, PyObject* ident) {
  const unsigned long number = PyLong_AsUnsignedLong(ident);
  if (number == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  main_thread.store(number, std::memory_order_relaxed);
  returning.store(0);  // of a fork()ed child's threads this one alone is left
  handlers.store(0);
  Py_RETURN_NONE;
}

// A returning thread counts itself and then looks for the end; the end is declared first and counts then. So each such
// thread is seen by the end, which waits for it to get the lock, or sees the end.
void WithoutLock::begin_return() noexcept {
  returning.fetch_add(1, std::memory_order_seq_cst);
  if (!is_ending.load(std::memory_order_seq_cst) || is_main_thread()) return;
  returning.fetch_sub(1, std::memory_order_seq_cst);
  stay();
}
void WithoutLock::end_return() noexcept { returning.fetch_sub(1, std::memory_order_seq_cst); }

// The same for the library's threads. They count until they have done with Python.
bool WithLock::begin() noexcept {
  handlers.fetch_add(1, std::memory_order_seq_cst);
  if (!is_closed.load(std::memory_order_seq_cst)) return true;
  handlers.fetch_sub(1, std::memory_order_seq_cst);
  return false;
}
void WithLock::end() noexcept { handlers.fetch_sub(1, std::memory_order_seq_cst); }
void WithLock::stay() noexcept { binding::stay(); }

#if defined(_WIN32)

void KnownThreads::enter() {
  thread_local PyThreadState* own = nullptr;
  if (own != nullptr) return PyEval_RestoreThread(own);
  const PyGILState_STATE first = PyGILState_Ensure();
  try {
    states_.push_back(PyThreadState_Get());
  } catch (...) {
    PyGILState_Release(first);
    throw;
  }
  own = states_.back();
}

// In a thread of its own, of which Python knows nothing in the end: Python 3.12 takes whichever thread deletes the
// state of another one for that one, and forgets both.
void KnownThreads::forget() noexcept {
  if (states_.empty()) return;
  try {
    std::thread([this] {
      const PyGILState_STATE own = PyGILState_Ensure();
      for (PyThreadState* const state : states_) PyThreadState_Clear(state);  // ends what its threading.local()s hold
      PyGILState_Release(own);
      for (PyThreadState* const state : states_) PyThreadState_Delete(state);
    }).join();
  } catch (const std::system_error&) {  // no thread is to be had: Python keeps them
  }
}

#else

class KnownThread {
 public:
  KnownThread() : first_(PyGILState_Ensure()), state_(PyEval_SaveThread()) {}
  ~KnownThread() {
    if (!WithLock::begin()) return;  // Python ends, and what it knows of us with it
    PyEval_RestoreThread(state_);
    PyGILState_Release(first_);
    WithLock::end();
  }
  KnownThread(const KnownThread&) = delete;
  KnownThread& operator=(const KnownThread&) = delete;

  void enter() { PyEval_RestoreThread(state_); }

 private:
  PyGILState_STATE first_;
  PyThreadState* state_;
};

void KnownThreads::enter() {
  thread_local KnownThread thread;
  thread.enter();
}
void KnownThreads::forget() noexcept {}  // each has seen to it itself

#endif

// Handlers finish first: they come back from waits.
PyObject* end_of_python(PyObject*, PyObject*) {
  is_closed.store(true, std::memory_order_seq_cst);
  if (!await_none(handlers)) return nullptr;
  is_ending.store(true, std::memory_order_seq_cst);
  if (!await_none(returning)) return nullptr;
  Py_RETURN_NONE;
}

}  // namespace binding
