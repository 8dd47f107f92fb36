// The library's version, for users (`#if`) and for the build, which reads it from here; and what it asks of a compiler.
#pragma once

#if defined(_MSVC_LANG)
#define SHARED_CHANNEL_LANGUAGE _MSVC_LANG
#else
#define SHARED_CHANNEL_LANGUAGE __cplusplus
#endif
#if SHARED_CHANNEL_LANGUAGE < 202002L
#error "SharedChannel needs C++20: compile with -std=c++20 (MSVC: /std:c++20)"
#endif
#undef SHARED_CHANNEL_LANGUAGE

#include <version>
#if !defined(__cpp_lib_jthread)
#error "SharedChannel needs <stop_token>: libc++ before 20 has it with -fexperimental-library, MinGW with posix threads"
#endif

#define SHARED_CHANNEL_VERSION_MAJOR 0
#define SHARED_CHANNEL_VERSION_MINOR 2
#define SHARED_CHANNEL_VERSION_PATCH 0

/// One comparable number: major * 10000 + minor * 100 + patch.
#define SHARED_CHANNEL_VERSION \
  (SHARED_CHANNEL_VERSION_MAJOR * 10000 + SHARED_CHANNEL_VERSION_MINOR * 100 + SHARED_CHANNEL_VERSION_PATCH)

// The inline namespace around everything, e.g. v0_2_0, which users never write. Two versions in one process, or units
// compiled with and without exceptions, share no function and no variable: the linker would keep one unit's and
// discard the other's.
#if defined(__cpp_exceptions)
#define SHARED_CHANNEL_JOIN(major, minor, patch) v##major##_##minor##_##patch
#else
#define SHARED_CHANNEL_JOIN(major, minor, patch) v##major##_##minor##_##patch##_no_exceptions
#endif
#define SHARED_CHANNEL_EXPAND(major, minor, patch) SHARED_CHANNEL_JOIN(major, minor, patch)
#define SHARED_CHANNEL_ABI \
  SHARED_CHANNEL_EXPAND(SHARED_CHANNEL_VERSION_MAJOR, SHARED_CHANNEL_VERSION_MINOR, SHARED_CHANNEL_VERSION_PATCH)

// Without exceptions MSVC warns of each noexcept.
#if defined(_MSC_VER) && !defined(__clang__) && !defined(__cpp_exceptions)
#pragma warning(disable : 4577)
#endif
