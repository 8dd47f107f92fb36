// What the program ends with.
#pragma once

#include <shared_channel/error.hpp>

namespace tool {

/// What scripts can rely on; the manual page lists them.
namespace exit_code {
inline constexpr int done = 0;
inline constexpr int problem = 1;  // doctor found something; or the tool could not do its work
inline constexpr int usage = 2;    // the command line, or a value that is none of the message's type
inline constexpr int not_there =
    3;  // no such channel, or no server; or a call that was not executed and may succeed later
inline constexpr int refused = 4;      // a call that was not executed, and would not be if it were repeated
inline constexpr int perhaps_run = 5;  // a call that failed and may have been executed
inline constexpr int served = 6;       // clean: a server is there
}  // namespace exit_code

/// After an error of inspect() or list_channels().
inline int code_of_look(const shared_channel::Error& error) {
  if (error.code() == shared_channel::Errc::invalid_name) return exit_code::usage;
  return error.code() == shared_channel::Errc::no_server ? exit_code::not_there : exit_code::problem;
}

/// After an error of a call, or of getting ready for one.
inline int code_of_call(const shared_channel::Error& error) {
  if (!error.not_executed()) return exit_code::perhaps_run;
  if (error.code() == shared_channel::Errc::invalid_name && !error.passed_on()) return exit_code::usage;
  return error.safe_to_retry() ? exit_code::not_there : exit_code::refused;
}

}  // namespace tool
