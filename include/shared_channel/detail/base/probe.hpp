// SHARED_CHANNEL_PROBE(point): a test point as a static probe that tracers find in a program (USDT), where
// SHARED_CHANNEL_USDT asks for them.
#pragma once

#if defined(SHARED_CHANNEL_USDT)
#if !__has_include(<sys/sdt.h>)
#error \
    "SHARED_CHANNEL_USDT needs Linux and <sys/sdt.h>: systemtap-sdt-dev (Debian, Ubuntu), systemtap-sdt-devel (Fedora)"
#endif
#include <sys/sdt.h>

/// One instruction that does nothing, and a note in the program that says where it is.
#define SHARED_CHANNEL_PROBE(point) DTRACE_PROBE(shared_channel, point)
#endif
