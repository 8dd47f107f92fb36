// Sleeping and waking between processes: auto-reset events, and the client mutex. No wait is alertable, so none
// ends early for an APC. (Documentation: SetEvent on an auto-reset event releases one waiting thread, or else the event
// stays set until one waits.)
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/win32/beacon.hpp>
#include <shared_channel/detail/platform/win32/lease.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Two rings with no wait between them wake one sleeper, not two.
class Signal {
 public:
  static Result<Signal> create(const Names& names, std::uint64_t generation, std::string_view part, Word& word,
                               const Admission& admission) {
    const win32::ObjectName object(names, names.part(generation, part));
    auto event = win32::create_event(names, object, win32::Reset::by_one_wait, admission, use_of(part));
    if (!event) return std::move(event).error();
    return Signal(word, *std::move(event));
  }

  static Result<Signal> open(const Names& names, std::uint64_t generation, std::string_view part, Word& word) {
    const win32::ObjectName object(names, names.part(generation, part));
    auto event = win32::open_event(names, object, win32::Use::waiting_and_ringing, use_of(part));
    if (!event) return std::move(event).error();
    return Signal(word, *std::move(event));
  }

  /// Wakes one thread. Safe in a console control handler.
  void ring() noexcept { ::SetEvent(event_.get()); }
  /// Wakes as many as an auto-reset event can at once: one.
  void ring_all() noexcept { ring(); }

  Wake wait(std::uint32_t seen, Deadline& deadline) noexcept {
    while (is_still(seen)) {
      HANDLE handles[2] = {event_.get()};
      const DWORD outcome = win32::wait_for_one(handles, 1, deadline);
      if (outcome == WAIT_OBJECT_0) break;
      if (outcome == WAIT_FAILED) rest(std::chrono::milliseconds(1));
      if (deadline.passed()) return Wake::timed_out;
    }
    return Wake::signalled;
  }

  Wake wait(std::uint32_t seen, Deadline& deadline, const Watch& server) noexcept {
    if (!is_still(seen)) return Wake::signalled;
    switch (server.wait(event_.get(), deadline)) {
      case Watch::Outcome::timed_out:
        return Wake::timed_out;
      case Watch::Outcome::server_gone:
        return Wake::server_gone;
      case Watch::Outcome::taken:
      case Watch::Outcome::abandoned:  // events are not
      case Watch::Outcome::failed:     // the caller looks at the word again
        break;
    }
    return Wake::signalled;
  }

 private:
  friend class WaitSet;

  /// What a client of another user may do with the event: a wait for Exec would take the server's wake-up.
  static win32::Use use_of(std::string_view part) noexcept {
    if (part == parts::exec) return win32::Use::ringing;
    return part.starts_with(parts::done) ? win32::Use::waiting : win32::Use::waiting_and_ringing;
  }

  Signal(Word& word, Handle event) noexcept : word_(&word), event_(std::move(event)) {}

  [[nodiscard]] bool is_still(std::uint32_t seen) const noexcept {
    return word_->load(std::memory_order_seq_cst) == seen;
  }

  Word* word_;
  Handle event_;
};

/// The client mutex. The system itself knows a dead owner.
class ClientMutex {
 public:
  static Result<ClientMutex> create(const Names& names, std::uint64_t generation, Word&, const Admission& admission) {
    const win32::ObjectName object(names, names.part(generation, parts::client_mutex));
    auto mutex = win32::create_mutex(names, object, admission);
    if (!mutex) return std::move(mutex).error();
    return ClientMutex(*std::move(mutex));
  }

  static Result<ClientMutex> open(const Names& names, std::uint64_t generation, Word&) {
    const win32::ObjectName object(names, names.part(generation, parts::client_mutex));
    auto mutex = win32::open_mutex(names, object);
    if (!mutex) return std::move(mutex).error();
    return ClientMutex(*std::move(mutex));
  }

  /// unlock() must follow in the same thread. A dead owner needs no lease to be recognised. A wait ends early if the
  /// caller is `called`, and then asks whether the deadline has passed.
  Lock lock(std::uint32_t, const ClientLease&, Deadline& deadline, const Watch& server,
            HANDLE called = nullptr) noexcept {
    for (;;) {
      switch (server.wait(mutex_.get(), deadline, called)) {
        case Watch::Outcome::taken:
          return Lock::locked;
        case Watch::Outcome::abandoned:
          return Lock::abandoned;
        case Watch::Outcome::timed_out:
          return Lock::timed_out;
        case Watch::Outcome::server_gone:
          return Lock::server_gone;
        case Watch::Outcome::failed:
          break;  // has rested and looked at the deadline
      }
    }
  }

  void unlock() noexcept { ::ReleaseMutex(mutex_.get()); }

 private:
  explicit ClientMutex(Handle mutex) noexcept : mutex_(std::move(mutex)) {}

  Handle mutex_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
