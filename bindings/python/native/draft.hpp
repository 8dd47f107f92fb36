// A request in shared memory, as an object whose bytes Python writes where the server will read them.
#pragma once

#include "python.hpp"

#include <shared_channel/raw.hpp>

namespace binding {

bool add_draft_type(PyObject* module);
PyObject* make_draft(shared_channel::RawDraft draft);

}  // namespace binding
