// What keeps a thread of the program from being taken out of our functions.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// Keeps pthread_cancel() away from calls of libc that it would end: our functions are noexcept, and may not be left in
/// the middle. The cancellation stays pending.
class NoCancellation {
 public:
  NoCancellation() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { ::pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_ = 0;
};

/// Keeps signal handlers away for a moment, where the system lets us. One that cannot be blocked still comes.
class NoSignals {
 public:
  NoSignals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    is_blocked_ = ::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0;
  }
  ~NoSignals() {
    if (is_blocked_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
  bool is_blocked_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
