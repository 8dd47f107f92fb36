#include "reply.hpp"

#include <cstring>

#include "views.hpp"

namespace binding {
namespace {

PyTypeObject* reply_type = nullptr;

constexpr std::size_t large = 256 * 1024;  // to copy so much takes longer than to let go of Python's lock

struct ReplyKind {
  static constexpr const char* name = "reply";
  static constexpr bool is_readonly = true;
  static std::span<const std::byte> bytes_now(const Answer& answer) { return answer.bytes(); }
};
using Type = ViewedType<Answer, ReplyKind>;

PyMethodDef methods[] = {
    {"view", Type::view, METH_NOARGS, "The bytes, read-only, as a memoryview."},
    {"release", Type::release, METH_NOARGS, "Gives the slot back. BufferError while a view of the bytes is in use."},
    {"__enter__", Type::enter, METH_NOARGS, nullptr},
    {"__exit__", method(Type::leave), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots_of_type[] = {{Py_tp_doc, const_cast<char*>("A reply where the server has written it.")},
                               {Py_tp_dealloc, slot(Type::deallocate)},
                               {Py_tp_methods, methods},
                               {Py_sq_length, slot(Type::length)},
                               {Py_bf_getbuffer, slot(Type::get_buffer)},
                               {Py_bf_releasebuffer, slot(Type::release_buffer)},
                               {0, nullptr}};

PyType_Spec spec = {"shared_channel._native.Reply", sizeof(Instance<Type::State>), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots_of_type};

}  // namespace

bool add_reply_type(PyObject* module) {
  reply_type = add_type(module, "Reply", spec);
  return reply_type != nullptr;
}

PyObject* make_reply(Answer answer) {
  const auto bytes = answer.bytes();  // of a copy too, they stay where they are when it is moved
  return make_instance(reply_type, new Type::State(std::move(answer), bytes));
}

PyObject* to_bytes(const Answer& answer) {
  const auto bytes = answer.bytes();
  PyObject* const copy = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(bytes.size()));
  if (copy == nullptr || bytes.empty()) return copy;
  char* const to = PyBytes_AsString(copy);
  if (bytes.size() < large) {
    std::memcpy(to, bytes.data(), bytes.size());
  } else {
    const WithoutLock unlocked;
    std::memcpy(to, bytes.data(), bytes.size());
  }
  return copy;
}

}  // namespace binding
