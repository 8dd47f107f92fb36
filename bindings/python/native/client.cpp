// The asking end. Each function holds the channel for as long as it runs, so that close() may come from another thread.
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <shared_channel/raw.hpp>

#include "arguments.hpp"
#include "draft.hpp"
#include "errors.hpp"
#include "exchange.hpp"
#include "pending.hpp"
#include "reply.hpp"
#include "types.hpp"

namespace binding {
namespace {

using shared_channel::ClientOptions;

using SharedChannelEnd = std::shared_ptr<Channel>;

PyTypeObject* stop_type = nullptr;

PyObject* fail_closed() {
  PyErr_SetString(PyExc_ValueError, "this client is closed");
  return nullptr;
}

/// Null, and Python has an exception, if it was closed.
SharedChannelEnd channel_of(PyObject* self) {
  const SharedChannelEnd* const held = state_of<SharedChannelEnd>(self);
  if (held != nullptr) return *held;
  fail_closed();
  return nullptr;
}

/// Gives back one's hold. The last ends the library's threads, for which others may need Python's lock.
void let_go(SharedChannelEnd channel) {
  if (channel.use_count() != 1) return;
  const WithoutLock unlocked;
  channel.reset();
}

/// Calls `use(channel)`.
template <class Use>
PyObject* with_channel(PyObject* self, Use&& use) {
  SharedChannelEnd channel = channel_of(self);
  if (!channel) return nullptr;
  PyObject* const result = guarded([&] { return use(*channel); });
  if (state_of<SharedChannelEnd>(self) == nullptr) let_go(std::move(channel));  // closed meanwhile
  return result;
}

/// Client(name, spin, wait_for_server, server_user, scope)
PyObject* new_client(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *name = nullptr, *spin = nullptr, *user = nullptr, *place = nullptr;
  int waits = 0;
  if (PyArg_ParseTuple(arguments, "UOpOU", &name, &spin, &waits, &user, &place) == 0) return nullptr;
  const auto words = text(name);
  const auto policy = words ? wait_policy(spin) : std::nullopt;
  const auto server = policy ? server_user(user) : std::nullopt;
  const auto where = server ? scope(place) : std::nullopt;
  if (!where) return nullptr;
  return guarded([&]() -> PyObject* {
    auto client = RawClient::create(*words, ClientOptions{*where, *policy, false, *server});
    if (!client) return raise(client.error());
    auto channel = std::make_shared<Channel>(Channel{*std::move(client), waits != 0});
    return make_instance(type, new SharedChannelEnd(std::move(channel)));
  });
}

PyObject* close(PyObject* self, PyObject*) {
  const std::unique_ptr<SharedChannelEnd> held(std::exchange(state_of<SharedChannelEnd>(self), nullptr));
  if (held) let_go(std::move(*held));
  Py_RETURN_NONE;
}

void deallocate(PyObject* self) {
  const std::unique_ptr<SharedChannelEnd> held(std::exchange(state_of<SharedChannelEnd>(self), nullptr));
  if (held) let_go(std::move(*held));
  free_instance(self);
}

/// What every call is given first: (request, timeout, slot_wait).
struct Asked {
  Asked(PyObject* const* arguments, Py_ssize_t count, Py_ssize_t expected) {
    if (count != expected) {
      PyErr_Format(PyExc_TypeError, "%zd arguments are needed", expected);
      return;
    }
    const auto timeout = duration(arguments[1]);
    const auto slot_wait = timeout ? duration(arguments[2]) : std::nullopt;
    if (!slot_wait) return;
    limits = {*timeout, *slot_wait};
    request.emplace(arguments[0]);
    is_good = static_cast<bool>(*request);
  }

  Limits limits{};
  std::optional<Buffer> request;
  bool is_good = false;  // else Python has an exception
};

template <class Use>
PyObject* ask(PyObject* self, PyObject* const* arguments, Py_ssize_t count, Use&& use) {
  const Asked asked(arguments, count, 3);
  if (!asked.is_good) return nullptr;
  return with_channel(self, [&](Channel& channel) -> PyObject* {
    const Remaining remaining(asked.limits);
    auto answer = exchange(channel, asked.request->bytes(), remaining);
    if (!answer) return nullptr;
    if (!*answer) return raise(answer->error(), remaining.spent());
    return use(**std::move(answer));
  });
}

PyObject* call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return ask(self, arguments, count, [](Answer answer) { return to_bytes(answer); });
}
PyObject* call_in_place(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return ask(self, arguments, count, [](Answer answer) { return make_reply(std::move(answer)); });
}

/// A token of a Stop, or none of None. False: Python has an exception.
bool token_of(PyObject* stop, std::stop_token& token) {
  if (stop == Py_None) return true;
  if (PyObject_TypeCheck(stop, stop_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "a Stop or None is needed");
    return false;
  }
  token = state_of<std::stop_source>(stop)->get_token();
  return true;
}

/// call_until(request, timeout, slot_wait, stop): until that is asked to.
PyObject* call_until(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  const Asked asked(arguments, count, 4);
  std::stop_token token;
  if (!asked.is_good || !token_of(arguments[3], token)) return nullptr;
  return with_channel(self, [&](Channel& channel) -> PyObject* {
    auto answer = exchange_until(channel, asked.request->bytes(), asked.limits, std::move(token));
    if (!answer) return nullptr;
    return *answer ? to_bytes(**answer) : raise(answer->error());
  });
}

/// draft(timeout, slot_wait)
PyObject* new_draft(PyObject* self, PyObject* arguments) {
  PyObject *seconds = nullptr, *patience = nullptr;
  if (PyArg_ParseTuple(arguments, "OO", &seconds, &patience) == 0) return nullptr;
  const auto timeout = duration(seconds);
  const auto slot_wait = timeout ? duration(patience) : std::nullopt;
  if (!slot_wait) return nullptr;
  return with_channel(self, [&](Channel& channel) -> PyObject* {
    auto made = draft(channel, {*timeout, *slot_wait});
    if (!made) return nullptr;
    return *made ? make_draft(**std::move(made)) : raise(made->error());
  });
}

/// begin(request, timeout, queue, token)
PyObject* begin(PyObject* self, PyObject* arguments) {
  PyObject *request = nullptr, *seconds = nullptr, *queue = nullptr;
  unsigned long long token = 0;
  if (PyArg_ParseTuple(arguments, "OOOK", &request, &seconds, &queue, &token) == 0) return nullptr;
  const auto timeout = duration(seconds);
  if (!timeout) return nullptr;
  const Buffer bytes(request);
  if (!bytes) return nullptr;
  return with_channel(self,
                      [&](Channel& channel) { return begin_call(channel, bytes.bytes(), *timeout, queue, token); });
}

/// wait_for_server(timeout, stop)
PyObject* wait_for_server(PyObject* self, PyObject* arguments) {
  PyObject *seconds = nullptr, *stop = nullptr;
  std::stop_token token;
  if (PyArg_ParseTuple(arguments, "OO", &seconds, &stop) == 0 || !token_of(stop, token)) return nullptr;
  const auto timeout = duration(seconds);
  if (!timeout) return nullptr;
  return with_channel(self, [&](Channel& channel) -> PyObject* {
    const auto there = binding::wait_for_server(channel, *timeout, std::move(token));
    if (!there) return nullptr;
    if (!*there) return raise(there->error());
    Py_RETURN_NONE;
  });
}

/// shape(): of the server that is there. Does not wait.
PyObject* shape(PyObject* self, PyObject*) {
  return with_channel(self, [](Channel& channel) -> PyObject* {
    auto found = [&] {
      const WithoutLock unlocked;
      return channel.client.shape(nanoseconds::zero());
    }();
    if (!found) return raise(found.error());
    Object request(to_tuple(found->request)), reply(to_tuple(found->reply));
    return request && reply ? PyTuple_Pack(2, request.get(), reply.get()) : nullptr;
  });
}

PyObject* connected(PyObject* self, PyObject*) {
  if (state_of<SharedChannelEnd>(self) == nullptr) Py_RETURN_FALSE;
  return with_channel(self, [](Channel& channel) -> PyObject* {
    const bool is_connected = [&] {
      const WithoutLock unlocked;  // it may let go of an ended server's memory
      return channel.client.connected();
    }();
    return PyBool_FromLong(is_connected ? 1 : 0);
  });
}

PyObject* closed(PyObject* self, PyObject*) {
  return PyBool_FromLong(state_of<SharedChannelEnd>(self) == nullptr ? 1 : 0);
}

PyMethodDef methods[] = {{"call", method(call), METH_FASTCALL, "The reply's bytes."},
                         {"call_in_place", method(call_in_place), METH_FASTCALL, "The reply where it lies."},
                         {"call_until", method(call_until), METH_FASTCALL, "As call(), until a Stop says so."},
                         {"draft", new_draft, METH_VARARGS, "A slot to write a request in."},
                         {"begin", begin, METH_VARARGS, "A call in flight. Does not wait."},
                         {"wait_for_server", wait_for_server, METH_VARARGS, nullptr},
                         {"shape", shape, METH_NOARGS, "The messages of the server that is there."},
                         {"connected", connected, METH_NOARGS, nullptr},
                         {"closed", closed, METH_NOARGS, nullptr},
                         {"close", close, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyType_Slot slots_of_client[] = {
    {Py_tp_new, slot(new_client)}, {Py_tp_dealloc, slot(deallocate)}, {Py_tp_methods, methods}, {0, nullptr}};
PyType_Spec client_spec = {"shared_channel._native.Client", sizeof(Instance<SharedChannelEnd>), 0, Py_TPFLAGS_DEFAULT,
                           slots_of_client};

// ---- Stop: ends waits of other threads ----

PyObject* new_stop(PyTypeObject* type, PyObject*, PyObject*) {
  return guarded([&] { return make_instance(type, new std::stop_source()); });
}
void deallocate_stop(PyObject* self) {
  delete state_of<std::stop_source>(self);
  free_instance(self);
}
PyObject* request_stop(PyObject* self, PyObject*) {
  std::stop_source source = *state_of<std::stop_source>(self);
  {
    const WithoutLock unlocked;
    source.request_stop();
  }
  Py_RETURN_NONE;
}
PyMethodDef stop_methods[] = {{"stop", request_stop, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyType_Slot slots_of_stop[] = {
    {Py_tp_new, slot(new_stop)}, {Py_tp_dealloc, slot(deallocate_stop)}, {Py_tp_methods, stop_methods}, {0, nullptr}};
PyType_Spec stop_spec = {"shared_channel._native.Stop", sizeof(Instance<std::stop_source>), 0, Py_TPFLAGS_DEFAULT,
                         slots_of_stop};

}  // namespace

PyObject* to_tuple(const shared_channel::MessageShape& shape) {
  const Object words(
      PyUnicode_DecodeUTF8(shape.description.data(), static_cast<Py_ssize_t>(shape.description.size()), "replace"));
  if (!words) return nullptr;
  return Py_BuildValue("IIOO", shape.size, shape.align, shape.is_variable ? Py_True : Py_False, words.get());
}

bool add_client_type(PyObject* module) {
  stop_type = add_type(module, "Stop", stop_spec);
  return stop_type != nullptr && add_type(module, "Client", client_spec) != nullptr;
}

}  // namespace binding
