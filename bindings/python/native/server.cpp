// The answering end: Python's handler, called on the library's threads.
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include <shared_channel/raw.hpp>

#include "arguments.hpp"
#include "errors.hpp"
#include "types.hpp"
#include "waiting.hpp"

namespace binding {
namespace {

using shared_channel::CallContext;
using shared_channel::ChannelShape;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::MessageShape;
using shared_channel::RawServer;
using shared_channel::Result;
using shared_channel::ServerOptions;

PyTypeObject* context_type = nullptr;

/// The call that the calling thread's handler answers.
thread_local const CallContext* current = nullptr;

class CurrentCall {
 public:
  explicit CurrentCall(const CallContext& context) noexcept : outer_(std::exchange(current, &context)) {}
  ~CurrentCall() { current = outer_; }
  CurrentCall(const CurrentCall&) = delete;
  CurrentCall& operator=(const CurrentCall&) = delete;

 private:
  const CallContext* outer_;
};

/// Python's handler, which the library may let go of on any thread, once those that call it have ended. It never does
/// so of a server that is closed in its own handler.
class Handler {
 public:
  explicit Handler(PyObject* function) : function_(Py_NewRef(function)) {}
  ~Handler() {
    if (Py_IsInitialized() == 0) return;
    const PyGILState_STATE state = PyGILState_Ensure();  // not WithLock: the thread may be one of Python's
    Py_DECREF(function_);
    PyGILState_Release(state);
    threads_.forget();
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

  [[nodiscard]] PyObject* function() const noexcept { return function_; }
  [[nodiscard]] KnownThreads& threads() noexcept { return threads_; }

 private:
  PyObject* function_;
  KnownThreads threads_;
};

/// Writes what the handler has returned into `room`; its size. With Python's lock.
Result<std::size_t> write_answer(PyObject* answer, std::span<std::byte> room) {
  const Buffer bytes(answer);
  if (!bytes) return error_of_exception();
  const auto given = bytes.bytes();
  if (given.size() <= room.size() && !given.empty()) std::memcpy(room.data(), given.data(), given.size());
  return given.size();  // the library says if that is too much
}

struct Answerer {
  std::shared_ptr<Handler> handler;

  Result<std::size_t> operator()(std::span<const std::byte> request, std::span<std::byte> room,
                                 const CallContext& context) {
    const WithLock locked(handler->threads());
    const CurrentCall in_call(context);
    auto answered = answer(handler->function(), request, room);
    if (answered || answered.error().code() != Errc::handler_failed) return answered;
    throw Failed(answered.error().cause());
  }

 private:
  /// What the library takes for a handler that has failed, rather than for one that passes an error on.
  class Failed : public std::exception {
   public:
    explicit Failed(std::string text) : text_(std::move(text)) {}
    [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

   private:
    std::string text_;
  };

  static Result<std::size_t> answer(PyObject* function, std::span<const std::byte> request, std::span<std::byte> room) {
    const Object copy(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(request.data()),
                                                static_cast<Py_ssize_t>(request.size())));
    const Object returned(copy ? PyObject_CallFunctionObjArgs(function, copy.get(), nullptr) : nullptr);
    if (!returned) return error_of_exception();
    return write_answer(returned.get(), room);
  }
};

/// A server that close() takes away while other threads ask for its stats(). It goes with the last that holds it.
struct Held {
  explicit Held(RawServer made) : server(std::move(made)) {}

  std::promise<void> has_gone;  // never told: it goes after the server, and that is told
  RawServer server;
};
using SharedServer = std::shared_ptr<Held>;

/// What a Server of Python's has.
struct State {
  explicit State(RawServer made)
      : server(std::make_shared<Held>(std::move(made))), gone(server->has_gone.get_future()) {}

  SharedServer server;            // none once it is closed
  std::shared_future<void> gone;  // and so is its name
  const shared_channel::detail::NativePlatform::ForkMark mark{};
};

SharedServer& server_of(PyObject* self) { return state_of<State>(self)->server; }

/// What `use(server)` returns, without Python's lock, also where the last hold of the server goes, or an exception
/// leaves: a server's end waits for handlers and their threads, which need the lock.
template <class Use>
auto without_lock(SharedServer held, Use&& use) {
  const WithoutLock unlocked;
  const SharedServer mine = std::move(held);
  return use(mine->server);
}

PyObject* fail_closed() {
  PyErr_SetString(PyExc_ValueError, "this server is closed");
  return nullptr;
}

bool read_shape(PyObject* from, MessageShape& shape) {
  PyObject *bytes = nullptr, *multiple = nullptr, *description = nullptr;
  int is_variable = 0;
  if (PyArg_ParseTuple(from, "OOpU", &bytes, &multiple, &is_variable, &description) == 0) return false;
  const auto size = number(bytes, "the size of a message in bytes");
  const auto align = size ? number(multiple, "the alignment of a message") : std::nullopt;
  const auto words = align ? text(description) : std::nullopt;
  if (!words) return false;
  shape.size = *size;
  shape.align = *align;
  shape.is_variable = is_variable != 0;
  shape.description = std::string(*words);
  return true;
}

/// Server(name, request_shape, reply_shape, max_calls, threads, spin, access, scope)
PyObject* new_server(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *name = nullptr, *request = nullptr, *reply = nullptr, *spin = nullptr, *who = nullptr, *place = nullptr;
  PyObject *calls = nullptr, *threads = nullptr;
  if (PyArg_ParseTuple(arguments, "UO!O!OOOOU", &name, &PyTuple_Type, &request, &PyTuple_Type, &reply, &calls, &threads,
                       &spin, &who, &place) == 0)
    return nullptr;
  const auto max_calls = number(calls, "max_calls");
  const auto handlers = max_calls ? number(threads, "threads") : std::nullopt;
  if (!handlers) return nullptr;
  ServerOptions options;
  options.max_calls = *max_calls;
  options.threads = *handlers;
  ChannelShape shape;
  const auto words = text(name);
  if (!words || !read_shape(request, shape.request) || !read_shape(reply, shape.reply)) return nullptr;
  const auto policy = wait_policy(spin);
  const auto callers = policy ? access(who) : std::nullopt;
  const auto where = callers ? scope(place) : std::nullopt;
  if (!where) return nullptr;
  options.wait = *policy;
  options.access = *callers;
  options.scope = *where;
  return guarded([&]() -> PyObject* {
    auto server = [&] {
      const WithoutLock unlocked;  // it may wait for a dead server's name, and reserves the memory
      return RawServer::create(*words, shape, options);
    }();
    if (!server) return raise(server.error());
    return make_instance(type, new State(*std::move(server)));
  });
}

/// start(handler): bytes in, anything with bytes out.
PyObject* start(PyObject* self, PyObject* function) {
  return guarded([&]() -> PyObject* {
    const SharedServer& held = server_of(self);
    if (!held) return fail_closed();
    auto handler = std::make_shared<Handler>(function);
    const auto started =
        without_lock(held, [&](RawServer& server) { return server.start(Answerer{std::move(handler)}); });
    if (!started) return raise(started.error());
    Py_RETURN_NONE;
  });
}

PyObject* stop(PyObject* self, PyObject*) {
  const SharedServer& held = server_of(self);
  if (held) held->server.stop();
  Py_RETURN_NONE;
}

/// Waits for its threads, which need Python's lock, and so for the handlers that run; why they left, or why nobody can
/// wait for them. Nothing: a signal has raised an exception.
std::optional<Result<void>> await_threads(SharedServer held, bool heeds_signals) {
  Waiting waiting(heeds_signals);
  const SharedServer mine = std::move(held);
  std::optional<Result<void>> ended;
  const bool is_over = waiting.until([&](std::chrono::nanoseconds piece) {
    ended = mine->server.wait(piece);
    return *ended || ended->error().code() != Errc::timed_out;
  });
  if (!is_over) ended.reset();
  return ended;
}

/// Stops it, and waits for the handlers that run, and for the others that hold the server: then its name is free. Only
/// after the first it is taken away, so that a second thread waits as well. False: a signal has raised an exception
/// before; it may be ended again, to wait on.
bool end(PyObject* self, bool heeds_signals) {
  const State& state = *state_of<State>(self);
  bool may_wait = current == nullptr && !state.mark.in_child();
  if (state.server) {
    state.server->server.stop();
    const auto ended = await_threads(state.server, heeds_signals);
    if (!ended) return false;
    // Else it was not begun, or this is one of its handlers, or a fork()ed child.
    may_wait = *ended || ended->error().code() == Errc::server_stopped;
    SharedServer last = std::exchange(server_of(self), nullptr);
    if (last) without_lock(std::move(last), [](RawServer&) {});
  }
  if (!may_wait) return true;
  const std::shared_future<void> gone = state.gone;
  Waiting waiting(heeds_signals);
  return waiting.until(
      [&](std::chrono::nanoseconds piece) { return gone.wait_for(piece) == std::future_status::ready; });
}

/// wait(): until it has been stopped, for a thread that may wait. Raises the error that it has ended by.
PyObject* wait(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const SharedServer& held = server_of(self);
    if (!held) return fail_closed();
    const auto ended = await_threads(held, is_main_thread());
    if (!ended) return nullptr;
    if (!*ended) return raise(ended->error());
    Py_RETURN_NONE;
  });
}

PyObject* close(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (!end(self, is_main_thread())) return nullptr;
    Py_RETURN_NONE;
  });
}

void deallocate(PyObject* self) {
  end(self, false);
  delete state_of<State>(self);
  free_instance(self);
}

PyObject* stats(PyObject* self, PyObject*) {
  const SharedServer& held = server_of(self);
  if (!held) return fail_closed();
  const auto now = without_lock(held, [](RawServer& server) { return server.stats(); });
  return Py_BuildValue("KKKKKKKIIL", now.done, now.failed, now.refused, now.withdrawn, now.abandoned, now.malformed,
                       now.damaged, now.running, now.waiting, static_cast<long long>(now.longest_running.count()));
}

PyMethodDef methods[] = {{"start", start, METH_O, "Answers calls on threads of the library's."},
                         {"stop", stop, METH_NOARGS, "Ends that for good. Does not wait."},
                         {"close", close, METH_NOARGS, "Stops, and waits for the handlers that run."},
                         {"wait", wait, METH_NOARGS, "Until it has ended; raises what it has ended by."},
                         {"stats", stats, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyType_Slot slots_of_server[] = {
    {Py_tp_new, slot(new_server)}, {Py_tp_dealloc, slot(deallocate)}, {Py_tp_methods, methods}, {0, nullptr}};
PyType_Spec server_spec = {"shared_channel._native.Server", sizeof(Instance<State>), 0, Py_TPFLAGS_DEFAULT,
                           slots_of_server};

// ---- CallContext ----

const CallContext& context_of(PyObject* self) { return *state_of<CallContext>(self); }

PyObject* cancelled(PyObject* self, PyObject*) {
  const bool is_cancelled = [context = context_of(self)] {
    const WithoutLock unlocked;
    return context.cancelled();
  }();
  return PyBool_FromLong(is_cancelled ? 1 : 0);
}

/// Seconds that are left; None if the caller waits for as long as it takes.
PyObject* time_left(PyObject* self, PyObject*) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = context_of(self).deadline();
  if (deadline == (Clock::time_point::max)()) Py_RETURN_NONE;
  return PyFloat_FromDouble(std::chrono::duration<double>(deadline - Clock::now()).count());
}

PyObject* caller(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const auto who = [context = context_of(self)] {
      const WithoutLock unlocked;
      return context.caller();
    }();
    return Py_BuildValue("Is#", who.process_id, who.user.data(), static_cast<Py_ssize_t>(who.user.size()));
  });
}

void deallocate_context(PyObject* self) {
  delete state_of<CallContext>(self);
  free_instance(self);
}

PyMethodDef context_methods[] = {
    {"cancelled", cancelled, METH_NOARGS, "Whether nobody waits for the answer any more."},
    {"time_left", time_left, METH_NOARGS, "Seconds until the caller stops waiting; None: it never does."},
    {"caller", caller, METH_NOARGS, "(process id, user), as the caller states the first."},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot slots_of_context[] = {{Py_tp_doc, const_cast<char*>("The call that a handler answers.")},
                                  {Py_tp_dealloc, slot(deallocate_context)},
                                  {Py_tp_methods, context_methods},
                                  {0, nullptr}};
PyType_Spec context_spec = {"shared_channel._native.CallContext", sizeof(Instance<CallContext>), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots_of_context};

}  // namespace

PyObject* current_call(PyObject*, PyObject*) {
  if (current == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "no handler of a shared channel runs on this thread");
    return nullptr;
  }
  return guarded([] { return make_instance(context_type, new CallContext(*current)); });
}

bool add_server_type(PyObject* module) {
  context_type = add_type(module, "CallContext", context_spec);
  return context_type != nullptr && add_type(module, "Server", server_spec) != nullptr;
}

}  // namespace binding
