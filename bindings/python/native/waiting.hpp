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
  Waiting() : is_main_(is_main_thread()) { unlocked_.emplace(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  [[nodiscard]] shared_channel::Interrupt question() noexcept {
    if (!is_main_) return {};
    return {[](void* self) { return static_cast<Waiting*>(self)->look(); }, this};
  }

  /// Waits for `call` to be ready, or for a signal.
  template <class Call>
  void await(Call& call) {
    constexpr std::chrono::milliseconds slice{30};
    if (!is_main_) return;  // get() waits
    while (!call.wait(slice)) {
      if (look()) return call.cancel();
    }
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

  bool is_main_;
  bool has_raised_ = false;
  std::optional<WithoutLock> unlocked_;
};

}  // namespace binding
