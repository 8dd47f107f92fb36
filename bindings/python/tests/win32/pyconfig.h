/* What CPython's headers must know to compile an extension of its stable interface for 64-bit Windows by MinGW. The
   rest of them is the same on all systems. */
#pragma once

#include <limits.h>
#include <stdio.h>

#define MS_WIN32
#define MS_WINDOWS
#define MS_WIN64
#define PLATFORM "win32"
#define COMPILER "[gcc]"
#define NT_THREADS
#define WITH_THREAD 1

#define Py_ENABLE_SHARED 1 /* data of Python's is imported from a DLL */
#define HAVE_DECLSPEC_DLL 1

typedef long long Py_ssize_t;
#define HAVE_PY_SSIZE_T 1
#define PY_SSIZE_T_MAX LLONG_MAX
#define PY_LONG_LONG long long
#define PY_LLONG_MIN LLONG_MIN
#define PY_LLONG_MAX LLONG_MAX
#define PY_ULLONG_MAX ULLONG_MAX

#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF_OFF_T 4
#define SIZEOF_FPOS_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_DOUBLE 8
#define SIZEOF_FLOAT 4
#define ALIGNOF_SIZE_T 8

#define HAVE_STDDEF_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_PROTOTYPES 1
#define STDC_HEADERS 1
