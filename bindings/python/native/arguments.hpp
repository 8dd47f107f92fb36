// What Python gives as numbers and words, as the library's options.
#pragma once

#include "python.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include <shared_channel/options.hpp>

namespace binding {

using std::chrono::nanoseconds;

/// Seconds as a number, None for as long as it takes; less than nothing is nothing. Nothing: Python has an exception.
std::optional<nanoseconds> duration(PyObject* seconds);

/// The text's bytes for as long as the object lives. Nothing: Python has an exception.
std::optional<std::string_view> text(PyObject* object);

/// A whole number of 32 bits, which errors call `what`. Nothing: Python has an exception.
std::optional<std::uint32_t> number(PyObject* object, const char* what);

/// "session" or "machine".
std::optional<shared_channel::Scope> scope(PyObject* name);

/// None for the default, or the longest time to spin as duration(); not None: infinity never sleeps.
std::optional<shared_channel::WaitPolicy> wait_policy(PyObject* spin);

/// None, "any", a user id or a SID.
std::optional<shared_channel::ServerUser> server_user(PyObject* user);

/// None, "everyone", mode bits, (mode bits, group id) or SDDL.
std::optional<shared_channel::Access> access(PyObject* who);

}  // namespace binding
