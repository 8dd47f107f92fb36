// What every wait of these files is made of.
#pragma once

#include <chrono>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/platform/win32/handle.hpp>
#include <shared_channel/detail/platform/win32/windows.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

namespace win32 {

/// Rounded up, so that no wait ends before its time; never INFINITE by accident: longer waits are done in several.
inline DWORD milliseconds(nanoseconds time) noexcept {
  constexpr DWORD longest = INFINITE - 1;
  if (time <= nanoseconds::zero()) return 0;
  const auto rounded = (time.count() - 1) / 1'000'000 + 1;
  return rounded < longest ? static_cast<DWORD>(rounded) : longest;
}

/// A timer that is set when `time` has passed. The time of a wait counts in ticks of the system's clock, 15.6 ms unless
/// some program has asked for less; this timer does not. Null where Windows, before 10 version 1803, has none.
inline Handle precise_timer(nanoseconds time) noexcept {
  constexpr DWORD high_resolution = 2;  // CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, which older headers do not have
  Handle timer(::CreateWaitableTimerExW(nullptr, nullptr, high_resolution, SYNCHRONIZE | TIMER_MODIFY_STATE));
  LARGE_INTEGER due;
  due.QuadPart = -((time.count() + 99) / 100);  // negative: from now on, in units of 100 ns
  if (!timer || ::SetWaitableTimer(timer.get(), &due, 0, nullptr, nullptr, FALSE) == 0) return Handle();
  return timer;
}

/// WaitForMultipleObjects for one of the `count` handles, with room behind them for one more. WAIT_TIMEOUT means that
/// the deadline has passed. A wait does not count the time that the machine sleeps, but the deadline does: after a
/// resume the wait goes on for its rest, and only then finds that the deadline has passed.
inline DWORD wait_for_one(HANDLE* handles, DWORD count, Deadline& deadline) noexcept {
  constexpr auto two_ticks = std::chrono::milliseconds(32);
  for (;;) {
    const nanoseconds left = deadline.remaining();
    const Handle timer = left > nanoseconds::zero() && left < two_ticks ? precise_timer(left) : Handle();
    handles[count] = timer.get();
    const DWORD outcome = ::WaitForMultipleObjects(timer ? count + 1 : count, handles, FALSE,
                                                   deadline.is_never() ? INFINITE : milliseconds(left));
    const bool is_time = outcome == WAIT_TIMEOUT || (timer && outcome == WAIT_OBJECT_0 + count);
    if (!is_time) return outcome;
    if (deadline.passed()) return WAIT_TIMEOUT;
  }
}

}  // namespace win32

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
