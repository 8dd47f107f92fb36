// Waits of Python's threads: without its lock, and in the main thread with a look at Python's signals now and then.
#pragma once

#include "python.hpp"

#include <chrono>
#include <optional>

#include <shared_channel/options.hpp>

namespace binding {

/// Lets others run Python while the calling thread waits in the library, with `question` in its options: where that is
/// the main thread, a signal whose handler raises ends the wait.
class Waiting {
 public:
  explicit Waiting(bool heeds_signals = is_main_thread()) : heeds_signals_(heeds_signals) { unlocked_.emplace(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  [[nodiscard]] shared_channel::Interrupt question() noexcept {
    if (!heeds_signals_) return {};
    return {[](void* self) { return static_cast<Waiting*>(self)->look(); }, this};
  }

  /// Waits for `call` to be ready, or for a signal.
  template <class Call>
  void await(Call& call) {
    if (!heeds_signals_) return;  // get() waits
    if (!until([&](std::chrono::nanoseconds piece) { return call.wait(piece); })) call.cancel();
  }

  /// Waits until `is_over(nanoseconds)`, which waits at most so long, or for a signal: then false, and has raised.
  template <class IsOver>
  bool until(IsOver&& is_over) {
    constexpr std::chrono::milliseconds slice{30};
    constexpr std::chrono::hours long_slice{1};
    while (!is_over(heeds_signals_ ? std::chrono::nanoseconds(slice) : std::chrono::nanoseconds(long_slice))) {
      if (heeds_signals_ && look()) return false;
    }
    return true;
  }

  /// Takes Python's lock again. False: a signal has raised an exception.
  bool end() {
    unlocked_.reset();
    return !has_raised_;
  }

 private:
  bool look() {
    unlocked_.reset();
    has_raised_ = has_raised_ || PyErr_CheckSignals() != 0;
    unlocked_.emplace();
    return has_raised_;
  }

  bool heeds_signals_;
  bool has_raised_ = false;
  std::optional<WithoutLock> unlocked_;
};

}  // namespace binding
