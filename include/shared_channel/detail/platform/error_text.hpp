// What the system says of its own errors, for Error, on which the rest of the seam is built: hence apart from
// platform.hpp.
//
//   message_of(native)  The system's text for what Error::native() holds, in UTF-8.
//   native_of(code)     What Error::native() holds for a failure of the standard library, 0 if it has no such number:
//                       std::thread tells errno's, also where the system's own errors are others.
#pragma once

#if defined(_WIN32)
#include <shared_channel/detail/platform/win32/error_text.hpp>
#else
#include <shared_channel/detail/platform/linux/error_text.hpp>
#endif
