// Ends the waits of one call when its caller asks for that.
//
// A flag in the call's Deadline, which then counts as passed, ends every wait of the call: spins look at it as they
// look for the reply, and waits that come in pieces look after each piece. A thread that sleeps on a signal or in the
// queue sleeps on a word of its own as well (a WaitSet), which request() rings. That pair is doorbell.hpp's: R1 and S3
// are the flag. So no request is lost between the last look and the sleep, and nobody else is woken.
//
// A call may also have a question (Interrupt), which its own thread asks while it waits: spins ask when they look
// around, sleeps end for it after each piece.
#pragma once

#include <cstdint>
#include <stop_token>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/stop_when_asked.hpp>
#include <shared_channel/detail/client/wait_bell.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// request() may come from any thread; everything else belongs to the call's.
template <class Platform>
class Cancellation : public Interruption {
  using WaitSet = typename Platform::WaitSet;
  using Entries = typename WaitSet::Entries;
  using Watch = typename Platform::Watch;

 public:
  explicit Cancellation(Interrupt question = {}) noexcept : question_(question) {}

  /// Of a call that can be cancelled; nullptr of others.
  static Cancellation* of(const Deadline& deadline) noexcept {
    return static_cast<Cancellation*>(deadline.interruption());
  }

  void request() noexcept {
    interrupt();  // R1
    bell_.ring();
  }

  /// Sleeps as WaitSet::wait() does, and no longer than until request() or until the question is due, which may be
  /// before the deadline.
  platform::Wake sleep(Entries entries, Deadline& deadline, const Watch* server) {
    if (!question_) return sleep_whole(entries, deadline, server);
    Deadline piece = deadline.until(question_due());
    const platform::Wake outcome = sleep_whole(entries, piece, server);
    ask_if_due();
    return outcome;
  }

  /// ClientMutex::lock(), and no longer than until request(). In one wait: a caller that left the queue now and then to
  /// look around would lose its place each time.
  template <class Mutex, class Leases>
  platform::Lock lock(Mutex& mutex, std::uint32_t me, const Leases& leases, Deadline& deadline, const Watch& server) {
    const platform::Lock outcome = unless_requested(platform::Lock::timed_out, [&](WaitSet& set, std::uint32_t ticket) {
      return mutex.lock(me, leases, deadline, server, set.called(ticket));
    });
    ask_if_due();
    return outcome;
  }

  /// For the call's own thread, between two looks at what it waits for.
  void ask_if_due() noexcept {
    if (!question_ || is_interrupted() || Clock::now() < question_due()) return;
    question_due_ = Clock::now() + Interrupt::interval;
    const typename Platform::NoCancellation uncancelled;
    if (question_.is_wanted(question_.context)) interrupt();
  }

 private:
  platform::Wake sleep_whole(Entries entries, Deadline& deadline, const Watch* server) {
    return unless_requested(platform::Wake::signalled, [&](WaitSet& set, std::uint32_t ticket) {
      return set.wait(ticket, entries, deadline, server);
    });
  }

  /// Counted from the first wait, so that a call that does not wait reads no clock for it.
  Clock::time_point question_due() noexcept {
    if (question_due_ == Clock::time_point()) question_due_ = Clock::now() + Interrupt::interval;
    return question_due_;
  }

  template <class Outcome, class Wait>
  Outcome unless_requested(Outcome requested, Wait&& wait) {
    return bell_.sleep(
        requested, [this] { return is_interrupted(); }, wait);
  }

  const Interrupt question_;
  Clock::time_point question_due_{};
  WaitBell<Platform> bell_;
};

/// Asks the call's question, if it has one and it is due.
template <class Platform>
void ask_if_due(const Deadline& deadline) noexcept {
  if (auto* const cancellation = Cancellation<Platform>::of(deadline); cancellation != nullptr)
    cancellation->ask_if_due();
}

/// Signal::wait() of a call that can perhaps be cancelled.
template <class Platform>
platform::Wake wait_for(typename Platform::Signal& signal, std::uint32_t seen, Deadline& deadline,
                        const typename Platform::Watch& server) {
  Cancellation<Platform>* const cancellation = Cancellation<Platform>::of(deadline);
  if (cancellation == nullptr) [[likely]]
    return signal.wait(seen, deadline, server);
  const typename Platform::WaitSet::Entry entry{&signal, seen};
  return cancellation->sleep({&entry, 1}, deadline, &server);
}

/// ClientMutex::lock() of a call that can perhaps be cancelled.
template <class Platform>
platform::Lock lock_for(typename Platform::ClientMutex& mutex, std::uint32_t me,
                        const typename Platform::ClientLease& leases, Deadline& deadline,
                        const typename Platform::Watch& server) {
  Cancellation<Platform>* const cancellation = Cancellation<Platform>::of(deadline);
  if (cancellation == nullptr) [[likely]]
    return mutex.lock(me, leases, deadline, server);
  return cancellation->lock(mutex, me, leases, deadline, server);
}

/// Some time, or until the call is cancelled.
template <class Platform>
void rest_for(Deadline& deadline, nanoseconds at_most) {
  Deadline slice = deadline.within(at_most);
  if (auto* const cancellation = Cancellation<Platform>::of(deadline); cancellation != nullptr)
    cancellation->sleep({}, slice, nullptr);
  else
    Platform::rest(slice.timeout());
}

/// A Cancellation that a std::stop_token requests.
template <class Platform>
class StopCancellation : public Cancellation<Platform> {
  struct Request {
    void operator()() const noexcept { cancellation->request(); }
    StopCancellation* cancellation;
  };

 public:
  explicit StopCancellation(const std::stop_token& token, Interrupt question = {})
      : Cancellation<Platform>(question), request_when_asked_(token, Request{this}) {}

 private:
  const StopWhenAsked<Platform, Request> request_when_asked_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
