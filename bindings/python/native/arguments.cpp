#include "arguments.hpp"

#include <cmath>
#include <cstdint>
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
  const unsigned long id = PyLong_AsUnsignedLong(user);
  if (id == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return std::nullopt;
  if (id <= UINT32_MAX) return ServerUser::uid(static_cast<std::uint32_t>(id));
  PyErr_SetString(PyExc_OverflowError, "a user id has 32 bits");
  return std::nullopt;
}

std::optional<shared_channel::Access> access(PyObject* who) {
  using shared_channel::Access;
  if (who == Py_None) return Access::current_user();
  if (PyUnicode_Check(who) != 0) {
    const auto word = text(who);
    if (!word) return std::nullopt;
    return *word == "everyone" ? Access::everyone() : Access::sddl(std::string(*word));
  }
  unsigned mode = 0;
  long long group = Access::keep_group;
  if (PyTuple_Check(who) != 0) {
    if (PyArg_ParseTuple(who, "IL", &mode, &group) == 0) return std::nullopt;
    return Access::mode(mode, group);
  }
  const unsigned long bits = PyLong_AsUnsignedLong(who);
  if (bits == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return std::nullopt;
  return Access::mode(static_cast<unsigned>(bits & 07777));
}

}  // namespace binding
