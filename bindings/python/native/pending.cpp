#include "pending.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <exception>
#include <mutex>
#include <optional>
#include <vector>

#include "errors.hpp"
#include "reply.hpp"

namespace binding {
namespace {

using shared_channel::RawPendingCall;

PyTypeObject* queue_type = nullptr;
PyTypeObject* pending_type = nullptr;

/// The tokens of the calls that have ended. The library's threads put them in and never touch Python; a loop is woken
/// by a descriptor that turns readable, where the system has such, or a thread waits. A fork()ed child has no part in
/// that: the descriptor is not its own.
class Completions {
 public:
  Completions() = default;
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  /// -1 if there is none.
  [[nodiscard]] int descriptor() const noexcept {
#if defined(__linux__)
    return notifier_->native();
#else
    return -1;
#endif
  }

  /// One more call is about to begin. Its push() then needs no memory, for which nobody could be told that there is
  /// none.
  void expect() {
    const std::lock_guard lock(mutex_);
    reserve(ended_, ended_.size() + in_flight_ + 1);
    ++in_flight_;
  }
  void push(std::uint64_t token) noexcept {
    {
      const std::lock_guard lock(mutex_);
      ended_.push_back(token);
      --in_flight_;
      changed_.notify_all();
    }
    signal();
  }
  std::vector<std::uint64_t> drain() {
    const std::lock_guard lock(mutex_);
    clear();
    std::vector<std::uint64_t> next;
    if (!ended_.empty()) reserve(next, in_flight_);
    ended_.swap(next);
    return next;
  }
  /// Until something has ended, or close(). False: closed.
  bool wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_closed_ || !ended_.empty(); });
    return !is_closed_;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
  }

 private:
  static void reserve(std::vector<std::uint64_t>& tokens, std::size_t count) {
    if (count > tokens.capacity()) tokens.reserve((std::max)(count, 2 * tokens.capacity()));
  }

#if defined(__linux__)
  void signal() noexcept { notifier_->notify(); }  // each time: whatever became of an earlier one
  void clear() noexcept { notifier_->clear(); }

  using Notifier = shared_channel::detail::NativePlatform::Notifier;
  const shared_channel::detail::RefPtr<Notifier> notifier_{new Notifier()};
#else
  void signal() noexcept {}
  void clear() noexcept {}
#endif
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> ended_;
  std::size_t in_flight_ = 0;  // for which ended_ has room
  bool is_closed_ = false;
};

using SharedCompletions = std::shared_ptr<Completions>;

/// A call in flight, shared by its PendingCall and the coroutine that awaits its end.
struct Flight {
  RawPendingCall call;
  SharedCompletions completions;
  std::uint64_t token;
  std::optional<Result<RawReply>> result = {};  // none though it has ended: there was no memory for it
  std::atomic<bool> has_ended{false};
};
using SharedFlight = std::shared_ptr<Flight>;

/// A coroutine that begins at once and that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

Detached watch(SharedFlight flight) {
  try {
    flight->result.emplace(co_await flight->call);
  } catch (const std::bad_alloc&) {
  }
  flight->has_ended.store(true, std::memory_order_release);
  flight->completions->push(flight->token);
}

// ---- CompletionQueue ----

PyObject* new_queue(PyTypeObject* type, PyObject*, PyObject*) {
  return guarded([&] { return make_instance(type, new SharedCompletions(std::make_shared<Completions>())); });
}

void deallocate_queue(PyObject* self) {
  delete state_of<SharedCompletions>(self);
  free_instance(self);
}

PyObject* queue_descriptor(PyObject* self, PyObject*) {
  return PyLong_FromLong((*state_of<SharedCompletions>(self))->descriptor());
}

PyObject* queue_drain(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const std::vector<std::uint64_t> ended = (*state_of<SharedCompletions>(self))->drain();
    Object list(PyList_New(static_cast<Py_ssize_t>(ended.size())));
    for (std::size_t i = 0; list && i < ended.size(); ++i) {
      PyObject* const token = PyLong_FromUnsignedLongLong(ended[i]);
      if (token == nullptr || PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), token) != 0) return nullptr;
    }
    return list.release();
  });
}

PyObject* queue_wait(PyObject* self, PyObject*) {
  const SharedCompletions completions = *state_of<SharedCompletions>(self);
  bool is_open = false;
  {
    const WithoutLock unlocked;
    is_open = completions->wait();
  }
  return PyBool_FromLong(is_open ? 1 : 0);
}

PyObject* queue_close(PyObject* self, PyObject*) {
  (*state_of<SharedCompletions>(self))->close();
  Py_RETURN_NONE;
}

PyMethodDef queue_methods[] = {{"fileno", queue_descriptor, METH_NOARGS, "Readable while there are tokens; or -1."},
                               {"drain", queue_drain, METH_NOARGS, "The tokens of the calls that have ended."},
                               {"wait", queue_wait, METH_NOARGS, "Until there are tokens. False: closed."},
                               {"close", queue_close, METH_NOARGS, "Ends wait()."},
                               {nullptr, nullptr, 0, nullptr}};
PyType_Slot queue_slots[] = {{Py_tp_doc, const_cast<char*>("Which calls have ended.")},
                             {Py_tp_new, slot(new_queue)},
                             {Py_tp_dealloc, slot(deallocate_queue)},
                             {Py_tp_methods, queue_methods},
                             {0, nullptr}};
PyType_Spec queue_spec = {"shared_channel._native.CompletionQueue", sizeof(Instance<SharedCompletions>), 0,
                          Py_TPFLAGS_DEFAULT, queue_slots};

// ---- PendingCall ----

/// Nobody wants the reply any more. Where the call has not ended, that gives its slot back soon.
void abandon(PyObject* self) noexcept {
  SharedFlight* const flight = std::exchange(state_of<SharedFlight>(self), nullptr);
  if (flight == nullptr) return;
  const WithoutLock unlocked;
  if (!(*flight)->has_ended.load(std::memory_order_acquire)) (*flight)->call.cancel();
  delete flight;
}

void deallocate_pending(PyObject* self) {
  abandon(self);
  free_instance(self);
}

PyObject* pending_done(PyObject* self, PyObject*) {
  const SharedFlight* const flight = state_of<SharedFlight>(self);
  const bool is_done = flight == nullptr || (*flight)->has_ended.load(std::memory_order_acquire);
  return PyBool_FromLong(is_done ? 1 : 0);
}

PyObject* pending_cancel(PyObject* self, PyObject*) {
  const SharedFlight* const flight = state_of<SharedFlight>(self);
  if (flight != nullptr) {
    const SharedFlight kept = *flight;
    const WithoutLock unlocked;
    kept->call.cancel();
  }
  Py_RETURN_NONE;
}

/// result(): the answer of an ended call, once.
PyObject* pending_result(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const SharedFlight* const held = state_of<SharedFlight>(self);
    if (held == nullptr || !(*held)->has_ended.load(std::memory_order_acquire)) {
      PyErr_SetString(PyExc_RuntimeError, held == nullptr ? "the answer was taken already" : "the call has not ended");
      return nullptr;
    }
    const SharedFlight flight = *held;
    abandon(self);
    if (!flight->result) return PyErr_NoMemory();
    if (!*flight->result) return raise(flight->result->error());
    return to_bytes(Answer(**std::move(flight->result)));
  });
}

PyMethodDef pending_methods[] = {{"done", pending_done, METH_NOARGS, "Whether the call has ended."},
                                 {"cancel", pending_cancel, METH_NOARGS, "Ends it. Does not wait."},
                                 {"result", pending_result, METH_NOARGS, "The reply's bytes, once done()."},
                                 {nullptr, nullptr, 0, nullptr}};
PyType_Slot pending_slots[] = {{Py_tp_doc, const_cast<char*>("A call in flight.")},
                               {Py_tp_dealloc, slot(deallocate_pending)},
                               {Py_tp_methods, pending_methods},
                               {0, nullptr}};
PyType_Spec pending_spec = {"shared_channel._native.PendingCall", sizeof(Instance<SharedFlight>), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, pending_slots};

}  // namespace

bool add_pending_types(PyObject* module) {
  queue_type = add_type(module, "CompletionQueue", queue_spec);
  if (queue_type != nullptr) pending_type = add_type(module, "PendingCall", pending_spec);
  return pending_type != nullptr;
}

PyObject* begin_call(Channel& channel, std::span<const std::byte> request, nanoseconds timeout, PyObject* queue,
                     std::uint64_t token) {
  if (PyObject_TypeCheck(queue, queue_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "a CompletionQueue is needed");
    return nullptr;
  }
  SharedFlight flight;
  {
    const SharedCompletions completions = *state_of<SharedCompletions>(queue);
    const WithoutLock unlocked;
    completions->expect();
    flight.reset(new Flight{channel.client.call_async(request, {timeout, nanoseconds::zero()}), completions, token});
    watch(flight);
  }
  return make_instance(pending_type, new SharedFlight(flight));
}

}  // namespace binding
