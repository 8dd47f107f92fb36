// Where a test may stop, delay or end the process: a name at every step of the protocol and of the
// making, attaching, repairing and closing of a channel. Nothing at all in an ordinary build.
#pragma once

#ifndef SHARED_CHANNEL_TEST_POINT
#define SHARED_CHANNEL_TEST_POINT(point) static_cast<void>(0)
#endif
