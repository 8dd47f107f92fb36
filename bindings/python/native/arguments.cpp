#include "arguments.hpp"

#include <cmath>
#include <string>

namespace binding {
namespace {

constexpr nanoseconds forever = (nanoseconds::max)();

}  // namespace

std::optional<nanoseconds> duration(PyObject* seconds) {
  if (seconds == Py_None) return forever;
  const double count = PyFloat_AsDouble(seconds);
  if (count == -1.0 && PyErr_Occurred() != nullptr) return std::nullopt;
  if (std::isnan(count)) {
    PyErr_SetString(PyExc_ValueError, "a time in seconds is not a number");
    return std::nullopt;
  }
  if (count <= 0) return nanoseconds::zero();
  constexpr double most = 9.2e9;  // seconds that nanoseconds can count
  if (count >= most) return forever;
  return nanoseconds(static_cast<std::int64_t>(count * 1e9));
}

std::optional<std::string_view> text(PyObject* object) {
  Py_ssize_t size = 0;
  const char* const start = PyUnicode_AsUTF8AndSize(object, &size);
  if (start == nullptr) return std::nullopt;
  return std::string_view(start, static_cast<std::size_t>(size));
}

std::optional<std::uint32_t> number(PyObject* object, const char* what) {
  const Object whole(PyNumber_Index(object));
  if (!whole) return std::nullopt;
  const unsigned long long count = PyLong_AsUnsignedLongLong(whole.get());
  if (PyErr_Occurred() == nullptr && count <= UINT32_MAX) return static_cast<std::uint32_t>(count);
  PyErr_Format(PyExc_OverflowError, "%s is a number from 0 to 4294967295, not %R", what, whole.get());
  return std::nullopt;
}

std::optional<shared_channel::Scope> scope(PyObject* name) {
  const auto word = text(name);
  if (!word) return std::nullopt;
  if (*word == "session") return shared_channel::Scope::session;
  if (*word == "machine") return shared_channel::Scope::machine;
  PyErr_SetString(PyExc_ValueError, "a scope is 'session' or 'machine'");
  return std::nullopt;
}

std::optional<shared_channel::WaitPolicy> wait_policy(PyObject* spin) {
  if (spin == Py_None) return shared_channel::WaitPolicy{};
  const auto longest = duration(spin);
  if (!longest) return std::nullopt;
  return shared_channel::WaitPolicy{*longest};
}

std::optional<shared_channel::ServerUser> server_user(PyObject* user) {
  using shared_channel::ServerUser;
  if (user == Py_None) return ServerUser::mine_or_system();
  if (PyUnicode_Check(user) != 0) {
    const auto word = text(user);
    if (!word) return std::nullopt;
    return *word == "any" ? ServerUser::any() : ServerUser::sid(std::string(*word));
  }
  const auto id = number(user, "a user id");
  if (!id) return std::nullopt;
  return ServerUser::uid(*id);
}

std::optional<shared_channel::Access> access(PyObject* who) {
  using shared_channel::Access;
  if (who == Py_None) return Access::current_user();
  if (PyUnicode_Check(who) != 0) {
    const auto word = text(who);
    if (!word) return std::nullopt;
    return *word == "everyone" ? Access::everyone() : Access::sddl(std::string(*word));
  }
  PyObject* bits = who;
  long long group = Access::keep_group;
  if (PyTuple_Check(who) != 0 && PyArg_ParseTuple(who, "OL", &bits, &group) == 0) return std::nullopt;
  const auto mode = number(bits, "a file mode");
  if (!mode) return std::nullopt;
  return Access::mode(*mode, group);
}

}  // namespace binding
