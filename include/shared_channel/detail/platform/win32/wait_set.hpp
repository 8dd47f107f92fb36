// Sleeping on many calls at once, and telling a loop that is not ours.
//
// One WaitForMultipleObjects over the waiter's own event, the calls' Done events and the server's end. All of the
// events reset themselves when a wait takes them and otherwise stay set, so nothing is lost on the way to sleep:
// a ring between the caller's last look and the wait leaves an event behind that ends the wait at once. That is
// doorbell.hpp's S4 for ring(), and slot_protocol.hpp's A2 for each reply. One wait takes one event: the caller of
// wait() looks at all of the words again, and finds those events that it left set as one spurious wake-up later.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/win32/signal.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

class WaitSet {
 public:
  /// Signals in one wait; the kernel takes MAXIMUM_WAIT_OBJECTS (64) handles.
  static constexpr std::size_t capacity = 59;
  static_assert(1 + capacity + Watch::handles_at_most + 1 <= MAXIMUM_WAIT_OBJECTS, "the last is the timer's");

  using Entry = WaitEntry<Signal>;
  using Entries = WaitEntries<Signal>;

  /// `own` is the word that changes before each ring(); the event makes it superfluous here.
  explicit WaitSet(Word&) noexcept : called_(Handle(::CreateEventW(nullptr, FALSE, FALSE, nullptr)).kept()) {
    if (!called_) failure_ = static_cast<int>(::GetLastError());
  }
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  /// 0, or why it cannot be used.
  [[nodiscard]] int failure() const noexcept { return failure_; }

  void ring() noexcept { ::SetEvent(called_.get()); }

  /// What ClientMutex::lock() is called by: a ring(). Null if the system had no event to give.
  [[nodiscard]] HANDLE called(std::uint32_t) const noexcept { return called_.get(); }

  /// Sleeps until a ring() or a signal, until `deadline`, and as long as `server` is there.
  Wake wait(std::uint32_t, Entries entries, Deadline& deadline, const Watch* server) noexcept {
    if (server != nullptr && server->is_left_behind()) return Wake::server_gone;
    std::array<HANDLE, MAXIMUM_WAIT_OBJECTS> handles;
    DWORD count = 0;
    handles[count++] = called_.get();
    for (const Entry& entry : entries) {
      if (!entry.signal->is_still(entry.seen)) return Wake::signalled;
      handles[count++] = entry.signal->event_.get();
    }
    const DWORD first = count;
    if (server != nullptr) count = server->add_to(handles.data(), count);
    const DWORD outcome = win32::wait_for_one(handles.data(), count, deadline);
    if (outcome == WAIT_TIMEOUT) return Wake::timed_out;
    if (outcome == WAIT_FAILED) rest(std::chrono::milliseconds(1));
    if (server != nullptr && server->is_gone(outcome, first)) return Wake::server_gone;
    return Wake::signalled;
  }

 private:
  Handle called_;
  int failure_ = 0;
};

/// A manual-reset event.
class Notifier : public RefCounted {
 public:
  using Native = void*;  // HANDLE, without <windows.h>
  static constexpr Native none = nullptr;

  Notifier() noexcept : event_(Handle(::CreateEventW(nullptr, TRUE, FALSE, nullptr)).kept()) {}

  explicit operator bool() const noexcept { return static_cast<bool>(event_); }
  [[nodiscard]] Native native() const noexcept { return event_.get(); }

  void notify() noexcept { ::SetEvent(event_.get()); }
  void clear() noexcept { ::ResetEvent(event_.get()); }

 private:
  Handle event_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
