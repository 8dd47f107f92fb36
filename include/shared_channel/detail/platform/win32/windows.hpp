// <windows.h>, without a trace.
#pragma once

// Neither macro is left behind. Lean, because the full <windows.h> brings the old <winsock.h>, after which
// <winsock2.h> does not compile; a program that needs more of it includes <windows.h> first. If it did so without
// NOMINMAX there are macros min and max: every use of those names in our headers stands in parentheses.
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#define SHARED_CHANNEL_DEFINED_LEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#define SHARED_CHANNEL_DEFINED_NOMINMAX
#endif
#include <windows.h>
#if defined(SHARED_CHANNEL_DEFINED_LEAN)
#undef WIN32_LEAN_AND_MEAN
#undef SHARED_CHANNEL_DEFINED_LEAN
#endif
#if defined(SHARED_CHANNEL_DEFINED_NOMINMAX)
#undef NOMINMAX
#undef SHARED_CHANNEL_DEFINED_NOMINMAX
#endif

/// Of <psapi.h>, which would bring macros.
extern "C" DWORD WINAPI K32GetMappedFileNameW(HANDLE, LPVOID, LPWSTR, DWORD);
