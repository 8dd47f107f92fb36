// What inspect.hpp finds, as dictionaries.
#include <optional>
#include <string>
#include <string_view>

#include <shared_channel/inspect.hpp>

#include "arguments.hpp"
#include "errors.hpp"
#include "types.hpp"

namespace binding {
namespace {

using shared_channel::CallInfo;
using shared_channel::ChannelInfo;
using shared_channel::ServerStats;

PyObject* to_text(std::string_view words) {
  return PyUnicode_DecodeUTF8(words.data(), static_cast<Py_ssize_t>(words.size()), "replace");
}

PyObject* to_seconds(const std::optional<nanoseconds>& time) {
  if (!time) Py_RETURN_NONE;
  return PyFloat_FromDouble(*time == (nanoseconds::max)() ? Py_HUGE_VAL : std::chrono::duration<double>(*time).count());
}

PyObject* to_dict(const CallInfo& call) {
  return Py_BuildValue("{sIsNsIsIsNsNsN}", "slot", call.slot, "state", to_text(to_string(call.state)), "number",
                       call.number, "process_id", call.process_id, "is_caller_alive",
                       PyBool_FromLong(call.is_caller_alive ? 1 : 0), "waited", to_seconds(call.waited), "left",
                       to_seconds(call.left));
}

PyObject* to_dict(const ServerStats& stats) {
  return Py_BuildValue("{sKsKsKsKsKsKsKsIsIsN}", "done", stats.done, "failed", stats.failed, "refused", stats.refused,
                       "withdrawn", stats.withdrawn, "abandoned", stats.abandoned, "malformed", stats.malformed,
                       "damaged", stats.damaged, "running", stats.running, "waiting", stats.waiting, "longest_running",
                       to_seconds(stats.longest_running));
}

PyObject* to_list(const std::vector<CallInfo>& calls) {
  Object list(PyList_New(0));
  for (const CallInfo& call : calls) {
    const Object one(to_dict(call));
    if (!list || !one || PyList_Append(list.get(), one.get()) != 0) return nullptr;
  }
  return list.release();
}

PyObject* to_time(const std::optional<std::chrono::system_clock::time_point>& time) {
  if (!time) Py_RETURN_NONE;
  return PyFloat_FromDouble(std::chrono::duration<double>(time->time_since_epoch()).count());
}

PyObject* to_dict(const ChannelInfo& info) {
  return Py_BuildValue(
      "{sNsNsN sKsIsIsNsNsNsNsK sNsNsI sNsNsIsIsIsIsK sNsN}", "name", to_text(info.name), "state",
      to_text(to_string(info.state)), "problem", to_text(info.problem),                                         //
      "generation", info.generation, "protocol_version", info.protocol_version, "process_id", info.process_id,  //
      "program", to_text(info.program), "user", to_text(info.user), "started", to_time(info.started), "access",
      to_text(info.access), "memory", info.memory,  //
      "request", to_tuple(info.shape.request), "reply", to_tuple(info.shape.reply), "max_calls", info.max_calls,
      "calls", to_list(info.calls), "is_slot_awaited", PyBool_FromLong(info.is_slot_awaited ? 1 : 0), "clients",
      info.clients, "clients_so_far", info.clients_so_far, "sleeping_threads", info.sleeping_threads, "slots_used",
      info.slots_used, "calls_so_far", info.calls_so_far,  //
      "stats", to_dict(info.stats), "stats_age", to_seconds(info.stats_age));
}

}  // namespace

PyObject* list_channels(PyObject*, PyObject* place) {
  const auto where = scope(place);
  if (!where) return nullptr;
  return guarded([&]() -> PyObject* {
    const auto names = [&] {
      const WithoutLock unlocked;
      return shared_channel::list_channels(*where);
    }();
    if (!names) return raise(names.error());
    Object list(PyList_New(0));
    for (const std::string& name : *names) {
      const Object one(to_text(name));
      if (!list || !one || PyList_Append(list.get(), one.get()) != 0) return nullptr;
    }
    return list.release();
  });
}

PyObject* inspect(PyObject*, PyObject* arguments) {
  PyObject *name = nullptr, *place = nullptr;
  if (PyArg_ParseTuple(arguments, "UU", &name, &place) == 0) return nullptr;
  const auto words = text(name);
  const auto where = words ? scope(place) : std::nullopt;
  if (!where) return nullptr;
  return guarded([&]() -> PyObject* {
    const auto info = [&] {
      const WithoutLock unlocked;
      return shared_channel::inspect(*words, *where);
    }();
    return info ? to_dict(*info) : raise(info.error());
  });
}

}  // namespace binding
