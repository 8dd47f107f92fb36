#include "draft.hpp"

#include "errors.hpp"
#include "exchange.hpp"
#include "reply.hpp"
#include "views.hpp"

namespace binding {
namespace {

using shared_channel::RawDraft;

PyTypeObject* draft_type = nullptr;

struct DraftKind {
  static constexpr const char* name = "draft";
  static constexpr bool is_readonly = false;
  static std::span<const std::byte> bytes_now(const RawDraft& draft) { return draft.room(); }
};
using Type = ViewedType<RawDraft, DraftKind>;

/// How many bytes are to be sent: all, or the argument. Below zero: Python has an exception.
Py_ssize_t bytes_to_send(const Type::State& draft, PyObject* const* arguments, Py_ssize_t count) {
  const auto room = static_cast<Py_ssize_t>(draft.bytes().size());
  if (count == 0 || arguments[0] == Py_None) return room;
  const Py_ssize_t bytes = PyLong_AsSsize_t(arguments[0]);
  if (bytes == -1 && PyErr_Occurred() != nullptr) return -1;
  if (bytes >= 0 && bytes <= room) return bytes;
  PyErr_Format(PyExc_ValueError, "%zd bytes cannot be sent: the draft has room for %zd", bytes, room);
  return -1;
}

/// send(bytes=None): the Reply. Nobody may look at the draft any more.
PyObject* send_draft(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Type::State& draft = Type::of(self);
  if (!draft.is_open()) {
    Type::fail_released();
    return nullptr;
  }
  if (draft.is_viewed()) return Type::fail_viewed();
  const Py_ssize_t bytes = bytes_to_send(draft, arguments, count);
  if (bytes < 0) return nullptr;
  RawDraft sent = std::move(draft.held());
  draft.release();
  return guarded([&]() -> PyObject* {
    auto answer = send(sent, static_cast<std::size_t>(bytes));
    if (!answer) return nullptr;
    return *answer ? make_reply(**std::move(answer)) : raise(answer->error());
  });
}

PyMethodDef methods[] = {
    {"send", method(send_draft), METH_FASTCALL, "Sends so many of the bytes, or all, and returns the Reply."},
    {"view", Type::view, METH_NOARGS, "The bytes, to be written, as a memoryview."},
    {"release", Type::release, METH_NOARGS, "Gives the slot back unsent. BufferError while a view is in use."},
    {"__enter__", Type::enter, METH_NOARGS, nullptr},
    {"__exit__", method(Type::leave), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots_of_type[] = {
    {Py_tp_doc, const_cast<char*>("A request that is written where the server will read it.")},
    {Py_tp_dealloc, slot(Type::deallocate)},
    {Py_tp_methods, methods},
    {Py_sq_length, slot(Type::length)},
    {Py_bf_getbuffer, slot(Type::get_buffer)},
    {Py_bf_releasebuffer, slot(Type::release_buffer)},
    {0, nullptr}};

PyType_Spec spec = {"shared_channel._native.Draft", sizeof(Instance<Type::State>), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots_of_type};

}  // namespace

bool add_draft_type(PyObject* module) {
  draft_type = add_type(module, "Draft", spec);
  return draft_type != nullptr;
}

PyObject* make_draft(RawDraft draft) {
  const std::span<const std::byte> room = draft.room();
  return make_instance(draft_type, new Type::State(std::move(draft), room));
}

}  // namespace binding
