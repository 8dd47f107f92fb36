#include "errors.hpp"

#include <string_view>

namespace binding {
namespace {

using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;

PyObject* base_class = nullptr;
PyObject* classes = nullptr;  // a dictionary, by code

constexpr int most_codes = 256;  // of an error that is relayed, one byte travels

Object attribute(PyObject* of, const char* name) {
  Object value(PyObject_GetAttrString(of, name));
  if (!value) PyErr_Clear();
  return value;
}

std::string text_of(PyObject* value) {
  const Object text(value == nullptr ? nullptr : PyObject_Str(value));
  const Object bytes(text ? PyUnicode_AsEncodedString(text.get(), "utf-8", "replace") : nullptr);
  char* start = nullptr;
  Py_ssize_t size = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &start, &size) != 0) {
    PyErr_Clear();
    return {};
  }
  return std::string(start, static_cast<std::size_t>(size));
}

/// "ValueError: three is no colour".
std::string told(PyObject* type, PyObject* value) {
  const std::string kind = text_of(attribute(type, "__name__").get());
  const std::string text = text_of(value);
  return text.empty() ? kind : kind + ": " + text;
}

/// An error that a handler passes on. One that a call of its own ended in proves nothing of what the handler did
/// before.
Error relayed(PyObject* value) {
  const Object code = attribute(value, "code");
  const long number = code ? PyLong_AsLong(code.get()) : -1;
  PyErr_Clear();
  const auto known = static_cast<Errc>(number);
  if (number <= 0 || number >= most_codes || !shared_channel::detail::is_known(known))
    return Error(Errc::handler_failed, "", text_of(value), 0, Execution::possible);
  const Object promise = attribute(value, "promises_not_executed");
  const bool is_promised = promise && PyObject_IsTrue(promise.get()) == 1;
  return Error(known, "", text_of(value), 0, is_promised ? Execution::none : Execution::possible);
}

/// What Python calls errno.
Object errno_of(int native) {
#if defined(_WIN32)
  const Object translated(PyObject_CallFunction(PyExc_OSError, "isOi", 0, "", Py_None, native));
  return translated ? Object(PyObject_GetAttrString(translated.get(), "errno")) : Object();
#else
  return Object(PyLong_FromLong(native));
#endif
}

/// Sets it where the exception is an OSError and the system was at fault.
bool set_errno(PyObject* exception, int native) {
  if (native == 0 || PyObject_IsInstance(exception, PyExc_OSError) != 1) return true;
  const Object number = errno_of(native);
  return number && PyObject_SetAttrString(exception, "errno", number.get()) == 0;
}

}  // namespace

// Without a line of Python: in one a daemon thread could lose Python's lock, and not come back once the interpreter
// ends.
PyObject* raise(const Error& error, std::chrono::nanoseconds spent) {
  const std::string message = error.message();
  const Object code(PyLong_FromLong(static_cast<long>(error.code())));
  const Object text(PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace"));
  const Object arguments(text ? PyTuple_Pack(1, text.get()) : nullptr);
  const Object native(PyLong_FromLong(error.native()));
  const Object seconds(PyFloat_FromDouble(std::chrono::duration<double>(spent).count()));
  if (!code || !arguments || !native || !seconds || classes == nullptr) return nullptr;
  PyObject* const kind = PyDict_GetItemWithError(classes, code.get());
  if (kind == nullptr) return nullptr;
  auto* const type = reinterpret_cast<PyTypeObject*>(kind);
  const auto make = reinterpret_cast<newfunc>(PyType_GetSlot(type, Py_tp_new));
  const Object made(make(type, arguments.get(), nullptr));
  if (made && PyObject_SetAttrString(made.get(), "message", text.get()) == 0 &&
      PyObject_SetAttrString(made.get(), "native", native.get()) == 0 &&
      PyObject_SetAttrString(made.get(), "not_executed", error.not_executed() ? Py_True : Py_False) == 0 &&
      PyObject_SetAttrString(made.get(), "passed_on", error.passed_on() ? Py_True : Py_False) == 0 &&
      PyObject_SetAttrString(made.get(), "_spent", seconds.get()) == 0 && set_errno(made.get(), error.native()))
    PyErr_SetObject(kind, made.get());
  return nullptr;
}

Error error_of_exception() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const Object owned_type(type), owned_value(value), owned_trace(trace);
  if (value == nullptr) return Error(Errc::handler_failed, "", "no answer", 0, Execution::possible);
  if (base_class != nullptr && PyErr_GivenExceptionMatches(value, base_class) != 0) return relayed(value);
  return Error(Errc::handler_failed, "", told(type, value), 0, Execution::possible);
}

PyObject* set_error_classes(PyObject*, PyObject* arguments) {
  PyObject *base = nullptr, *by_code = nullptr;
  if (PyArg_ParseTuple(arguments, "OO!", &base, &PyDict_Type, &by_code) == 0) return nullptr;
  Py_XDECREF(std::exchange(base_class, Py_NewRef(base)));
  Py_XDECREF(std::exchange(classes, Py_NewRef(by_code)));
  Py_RETURN_NONE;
}

PyObject* error_codes(PyObject*, PyObject*) {
  Object codes(PyDict_New());
  for (int number = 0; codes && number < most_codes; ++number) {
    const auto code = static_cast<Errc>(number);
    if (!shared_channel::detail::is_known(code)) continue;
    const std::string_view name = to_string(code);
    const Object key(PyLong_FromLong(number));
    const Object text(PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size())));
    const Object passes(PyBool_FromLong(shared_channel::detail::passes_by_itself(code) ? 1 : 0));
    const Object value(text && passes ? PyTuple_Pack(2, text.get(), passes.get()) : nullptr);
    if (!key || !value || PyDict_SetItem(codes.get(), key.get(), value.get()) != 0) return nullptr;
  }
  return codes.release();
}

}  // namespace binding
