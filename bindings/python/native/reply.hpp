// A reply in shared memory, as an object whose bytes Python looks at where they lie.
#pragma once

#include "python.hpp"

#include "exchange.hpp"

namespace binding {

/// Makes the type; false: Python has an exception.
bool add_reply_type(PyObject* module);

/// A Reply that holds the answer, and with it the server's slot, until the last view of its bytes is gone.
PyObject* make_reply(Answer answer);

/// A copy of the bytes.
PyObject* to_bytes(const Answer& answer);

}  // namespace binding
