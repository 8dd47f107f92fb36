// The other types and functions of the module, each added by its own file; false: Python has an exception.
#pragma once

#include "python.hpp"

#include <shared_channel/channel_shape.hpp>

namespace binding {

bool add_client_type(PyObject* module);
bool add_server_type(PyObject* module);

PyObject* list_channels(PyObject*, PyObject* scope);
PyObject* inspect(PyObject*, PyObject* arguments);
PyObject* current_call(PyObject*, PyObject*);

/// (size, align, is_variable, description)
PyObject* to_tuple(const shared_channel::MessageShape& shape);

}  // namespace binding
