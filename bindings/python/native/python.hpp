// Python's stable interface of 3.11, and what owns its objects and its lock.
#pragma once

#define PY_SSIZE_T_CLEAN
#if !defined(Py_LIMITED_API)
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace binding {

/// Owns one reference. Empty where a function has failed and left its exception.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* owned) noexcept : object_(owned) {}
  static Object shared(PyObject* borrowed) noexcept {
    Py_XINCREF(borrowed);
    return Object(borrowed);
  }
  Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Object& operator=(Object&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Object() { Py_XDECREF(object_); }

  explicit operator bool() const noexcept { return object_ != nullptr; }
  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }

 private:
  PyObject* object_ = nullptr;
};

/// A thread of Python's lets others run Python for as long as this lives.
///
/// While the interpreter ends, a thread that asks for its lock is ended there and then, with no regard to the C++ on
/// its stack. So a daemon thread that comes back from a wait after end_of_python() stays here until the process is
/// gone.
class WithoutLock {
 public:
  WithoutLock() : state_(PyEval_SaveThread()) {}
  ~WithoutLock() {
    begin_return();
    PyEval_RestoreThread(state_);
    end_return();
  }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  static void begin_return() noexcept;
  static void end_return() noexcept;

  PyThreadState* state_;
};

/// end_of_python(): waits until no handler runs Python any more, also of a server that one of them has stopped. From
/// then on no thread but the main one comes back from a wait. If a signal ends that by an exception, the interpreter
/// must not end.
PyObject* end_of_python(PyObject*, PyObject*);

/// Whether the calling thread is the one that runs Python's signal handlers.
bool is_main_thread() noexcept;

/// note_main_thread(ident): which that is; again after a fork().
PyObject* note_main_thread(PyObject*, PyObject* ident);

/// The library's threads that one server's handler runs on. Python knows them from their first call until they end: to
/// make one known for each call would cost a microsecond.
///
/// On Windows it forgets them with the server. There a thread's last steps keep the lock that libraries are loaded
/// with, and so must not wait for Python's; and MinGW's have freed by then what they would destroy.
class KnownThreads {
 public:
  KnownThreads() = default;
  KnownThreads(const KnownThreads&) = delete;
  KnownThreads& operator=(const KnownThreads&) = delete;

  /// Takes Python's lock. std::bad_alloc: has not.
  void enter();
  static void leave() noexcept { PyEval_SaveThread(); }

  /// None of them comes back. Without Python's lock.
  void forget() noexcept;

 private:
  std::vector<PyThreadState*> states_;  // to be forgotten; with Python's lock
};

/// A thread of the library's may run Python for as long as this lives.
class WithLock {
 public:
  explicit WithLock(KnownThreads& threads) {
    if (!begin()) stay();
    try {
      threads.enter();
    } catch (...) {
      end();
      throw;
    }
  }
  ~WithLock() {
    KnownThreads::leave();
    end();
  }
  WithLock(const WithLock&) = delete;
  WithLock& operator=(const WithLock&) = delete;

 private:
  friend class KnownThread;

  static bool begin() noexcept;  // false: Python ends
  static void end() noexcept;
  [[noreturn]] static void stay() noexcept;
};

/// The bytes of any object that exports them in one piece.
class Buffer {
 public:
  explicit Buffer(PyObject* from, int flags = PyBUF_SIMPLE) : is_held_(PyObject_GetBuffer(from, &view_, flags) == 0) {}
  ~Buffer() {
    if (is_held_) PyBuffer_Release(&view_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  /// False: Python has an exception.
  explicit operator bool() const noexcept { return is_held_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {static_cast<const std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
  bool is_held_;
};

/// The instance of a type of ours: what Python needs, and a pointer to the rest, null once closed.
template <class State>
struct Instance {
  PyObject_HEAD State* state;
};

template <class State>
State*& state_of(PyObject* self) noexcept {
  return reinterpret_cast<Instance<State>*>(self)->state;
}

/// A new instance that owns `state`; deletes it where Python has no memory.
template <class State>
PyObject* make_instance(PyTypeObject* type, State* state) {
  const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
  PyObject* const self = allocate(type, 0);
  if (self == nullptr) {
    delete state;
    return nullptr;
  }
  state_of<State>(self) = state;
  return self;
}

/// Frees the memory of an instance whose state is gone.
inline void free_instance(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/// Makes a type of the module's, which lives as long as the module. Null: Python has an exception.
inline PyTypeObject* add_type(PyObject* module, const char* name, PyType_Spec& spec) {
  Object type(PyType_FromSpec(&spec));
  if (!type || PyModule_AddObjectRef(module, name, type.get()) != 0) return nullptr;
  return reinterpret_cast<PyTypeObject*>(type.release());
}

/// A function of ours as Python's tables want it.
template <class Function>
void* slot(Function* function) noexcept {
  return reinterpret_cast<void*>(function);
}
template <class Function>
PyCFunction method(Function* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace binding
