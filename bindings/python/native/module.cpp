// The module shared_channel._native: bytes in, bytes out. What they mean is Python's affair.
#include <shared_channel/version.hpp>

#include "draft.hpp"
#include "errors.hpp"
#include "pending.hpp"
#include "reply.hpp"
#include "types.hpp"

namespace binding {
namespace {

PyMethodDef functions[] = {
    {"set_error_classes", set_error_classes, METH_VARARGS, "Which exceptions stand for which errors."},
    {"error_codes", error_codes, METH_NOARGS, "The name of each error code and whether it passes, by number."},
    {"note_main_thread", note_main_thread, METH_O, "Which thread runs signal handlers."},
    {"end_of_python", end_of_python, METH_NOARGS, "Other threads that wait stay where they are."},
    {"list_channels", list_channels, METH_O, "The names of all channels."},
    {"inspect", inspect, METH_VARARGS, "How a channel stands."},
    {"current_call", current_call, METH_NOARGS, "The call that the calling thread's handler answers."},
    {nullptr, nullptr, 0, nullptr}};

/// What the library keeps is the process's: it would be shared with interpreters that share nothing else.
int refuse_subinterpreters() {
  if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0) return 0;
  PyErr_SetString(PyExc_ImportError, "shared_channel does not work in sub-interpreters");
  return -1;
}

int fill_module(PyObject* module) {
  if (refuse_subinterpreters() != 0) return -1;
  if (!add_reply_type(module) || !add_draft_type(module) || !add_pending_types(module) || !add_client_type(module) ||
      !add_server_type(module))
    return -1;
  const Object version(
      Py_BuildValue("iii", SHARED_CHANNEL_VERSION_MAJOR, SHARED_CHANNEL_VERSION_MINOR, SHARED_CHANNEL_VERSION_PATCH));
  return version ? PyModule_AddObjectRef(module, "version", version.get()) : -1;
}

PyModuleDef_Slot slots_of_module[] = {{Py_mod_exec, slot(fill_module)}, {0, nullptr}};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "shared_channel._native", nullptr, 0, functions, slots_of_module, nullptr, nullptr, nullptr};

}  // namespace

}  // namespace binding

PyMODINIT_FUNC PyInit__native() { return PyModuleDef_Init(&binding::definition); }
