// Durations and the steady clock: all that we, and our users, need of <chrono>.
#pragma once

// The whole of it, with calendar and streams, would cost every program 0.07 s of compiling. No standard header has this part
// alone, but in libstdc++ whatever waits until a point in time brings just that.
#include <mutex>
#if !defined(__GLIBCXX__)
#include <chrono>
#endif
