// Objects whose bytes Python looks at where they lie in shared memory.
#pragma once

#include "python.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace binding {

/// What holds a slot, `Held`, for as long as there are views of its bytes. All of it happens under Python's lock, so a
/// count suffices.
template <class Held>
class Viewed {
 public:
  Viewed(Held held, std::span<const std::byte> bytes) : held_(std::move(held)), bytes_(bytes) {}

  [[nodiscard]] bool is_open() const noexcept { return !is_released_; }
  [[nodiscard]] bool is_viewed() const noexcept { return views_ != 0; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] Held& held() noexcept { return *held_; }

  /// No further views. The slot goes now, or with the last one.
  void release() noexcept {
    is_released_ = true;
    if (views_ == 0) held_.reset();
  }

  int add_view(PyObject* self, Py_buffer* view, bool is_readonly, int flags) {
    static std::byte nothing{};
    auto* const start = bytes_.empty() ? &nothing : const_cast<std::byte*>(bytes_.data());
    const int filled =
        PyBuffer_FillInfo(view, self, start, static_cast<Py_ssize_t>(bytes_.size()), is_readonly ? 1 : 0, flags);
    if (filled == 0) ++views_;
    return filled;
  }
  void remove_view() noexcept {
    if (--views_ == 0 && is_released_) held_.reset();
  }

 private:
  std::optional<Held> held_;
  std::span<const std::byte> bytes_;
  Py_ssize_t views_ = 0;
  bool is_released_ = false;
};

/// The slots of a Python type whose instances have a Viewed<Held>. `Kind` says what it is called, whether it is
/// read-only, and what bytes it has now: others than at first in a fork()ed child.
template <class Held, class Kind>
struct ViewedType {
  using State = Viewed<Held>;

  static State& of(PyObject* self) noexcept { return *state_of<State>(self); }

  static int fail_released() {
    PyErr_Format(PyExc_BufferError, "this %s was released", Kind::name);
    return -1;
  }
  static PyObject* fail_viewed() {
    PyErr_Format(
        PyExc_BufferError,
        "a view of this %s is still in use, such as a memoryview or a numpy array: delete it, or copy what is to "
        "be kept; until then the %s keeps one of the server's slots",
        Kind::name, Kind::name);
    return nullptr;
  }

  static int get_buffer(PyObject* self, Py_buffer* view, int flags) {
    view->obj = nullptr;
    if (!of(self).is_open()) return fail_released();
    if (Kind::bytes_now(of(self).held()).size() != of(self).bytes().size()) {
      PyErr_Format(PyExc_BufferError, "this %s was made before fork() and belongs to the parent", Kind::name);
      return -1;
    }
    return of(self).add_view(self, view, Kind::is_readonly, flags);
  }
  static void release_buffer(PyObject* self, Py_buffer*) { of(self).remove_view(); }

  static PyObject* release(PyObject* self, PyObject*) {
    if (of(self).is_viewed()) return fail_viewed();
    of(self).release();
    Py_RETURN_NONE;
  }
  static PyObject* enter(PyObject* self, PyObject*) {
    if (of(self).is_open()) return Py_NewRef(self);
    fail_released();
    return nullptr;
  }
  /// A view that is left is an error, unless there is one already.
  static PyObject* leave(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    const bool has_failed = count > 0 && arguments[0] != Py_None;
    of(self).release();
    if (of(self).is_viewed() && !has_failed) return fail_viewed();
    Py_RETURN_NONE;
  }
  static PyObject* view(PyObject* self, PyObject*) { return PyMemoryView_FromObject(self); }
  static Py_ssize_t length(PyObject* self) {
    if (!of(self).is_open()) return fail_released();
    return static_cast<Py_ssize_t>(of(self).bytes().size());
  }
  static void deallocate(PyObject* self) {
    delete state_of<State>(self);
    free_instance(self);
  }
};

}  // namespace binding
