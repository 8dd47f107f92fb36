// SharedChannel's errors as Python's exceptions, and back.
#pragma once

#include "python.hpp"

#include <chrono>
#include <new>
#include <string>

#include <shared_channel/error.hpp>

namespace binding {

/// Raises `error`, which a call ended in after that time. Always null, for `return`.
PyObject* raise(const shared_channel::Error& error, std::chrono::nanoseconds spent = {});

/// What the exception that Python has now tells a handler's caller. Takes it from Python.
shared_channel::Error error_of_exception();

/// set_error_classes(base, by_code): the classes of exceptions, all derived from `base`, which have defaults for
/// `message`, `native`, `not_executed`, `passed_on` and `_spent`.
PyObject* set_error_classes(PyObject*, PyObject* arguments);

/// error_codes(): the name of each Errc and whether what it says passes by itself, by its number.
PyObject* error_codes(PyObject*, PyObject*);

/// What `work` returns; null and MemoryError or RuntimeError if it throws.
template <class Work>
PyObject* guarded(Work&& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& thrown) {
    PyErr_SetString(PyExc_RuntimeError, thrown.what());
    return nullptr;
  }
}

}  // namespace binding
