// Calls whose ends an event loop waits for.
#pragma once

#include "python.hpp"

#include <cstdint>
#include <memory>
#include <span>

#include "exchange.hpp"

namespace binding {

bool add_pending_types(PyObject* module);

/// A PendingCall of a request that is now in flight; its end puts `token` into the CompletionQueue `queue`. Does not
/// wait, for a slot either.
PyObject* begin_call(Channel& channel, std::span<const std::byte> request, nanoseconds timeout, PyObject* queue,
                     std::uint64_t token);

}  // namespace binding
