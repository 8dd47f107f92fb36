// What must hold of every call, however its history went.
#pragma once

#include <cstddef>

#include "words.hpp"

namespace explorer {

inline constexpr Value reply_of = 0x100;  // added to a request's id by the handler

// In `disowned`, beside 1: its caller was told so.
inline constexpr Value refused = 2;
inline constexpr Value late = 3;  // it was made after stop() had returned
inline std::size_t first_of_caller(std::size_t call) {
  return plan.in_flight == 0 ? call : call - call % static_cast<std::size_t>(plan.calls);
}

inline void executes(Value id) {
  const auto at = static_cast<std::size_t>(id - 1);
  if (id > reply_of) return machine.fail("a handler saw a reply as its request");
  if (machine.state.executed[at]++ != 0) machine.fail("a call was executed twice");
  if (machine.state.disowned[at] == late)
    return machine.fail("a call was executed that was made after stop() had returned");
  if (machine.state.disowned[at] != 0)
    machine.fail("a call was executed although its caller was told that it never is");
  for (std::size_t earlier = first_of_caller(at); earlier < at; ++earlier) {
    if (machine.state.disowned[earlier] == refused)
      machine.fail("a call was executed after an earlier one was refused");
  }
}
/// The server told a call with a place that it stops: none of the later ones may have been executed.
inline void was_refused(Value id) {
  const auto at = static_cast<std::size_t>(id - 1);
  machine.state.disowned[at] = refused;
  for (std::size_t later = at + 1; first_of_caller(later) == first_of_caller(at) && later < max_calls; ++later) {
    if (machine.state.executed[later] != 0) machine.fail("a call was executed after an earlier one was refused");
  }
}
inline void disowns(Value id) {
  const auto at = static_cast<std::size_t>(id - 1);
  if (machine.state.executed[at] != 0) machine.fail("a caller was told that its call was not executed, and it was");
  machine.state.disowned[at] = 1;
}
inline void answered(Value id, Value bytes) {
  if (bytes != id + reply_of) machine.fail("a caller got an answer that is not its own");
  if (machine.state.executed[static_cast<std::size_t>(id - 1)] != 1)
    machine.fail("a caller got an answer of a call that was not executed once");
}

}  // namespace explorer
