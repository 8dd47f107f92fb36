// Where a test may stop, delay or end the process, and a tracer may look: a name at every step of the protocol and of
// the making, attaching, repairing and closing of a channel. Nothing at all in an ordinary build.
#pragma once

#include <shared_channel/detail/base/probe.hpp>

#ifndef SHARED_CHANNEL_TEST_POINT
#ifdef SHARED_CHANNEL_PROBE
#define SHARED_CHANNEL_TEST_POINT(point) SHARED_CHANNEL_PROBE(point)
#else
#define SHARED_CHANNEL_TEST_POINT(point) static_cast<void>(0)
#endif
#endif
