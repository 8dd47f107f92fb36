// The handlers that run on the calling thread. The server asks whether one of them still has to answer, the client
// whether a call would wait for itself.
#pragma once

#include <cstdint>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Marks the calling thread as being inside a handler of one channel generation. A call from there to the same channel
/// might wait for itself, and is refused.
class HandlerScope {
 public:
  /// For a thread that waits for the server's end: a signal handler on it must not wait for that end either. `mark`
  /// is the server's, and tells a fork()ed child, which inherits the list.
  template <class ForkMark>
  HandlerScope(const ForkMark& mark, std::uint64_t generation) noexcept : HandlerScope(mark, generation, no_slot, 0) {}
  /// The call is known by its slot's index and its sequence number there.
  template <class ForkMark>
  HandlerScope(const ForkMark& mark, std::uint64_t generation, std::uint32_t index, std::uint32_t sequence) noexcept
      : mark_(&mark),
        in_child_([](const void* of) { return static_cast<const ForkMark*>(of)->in_child(); }),
        generation_(generation),
        index_(index),
        sequence_(sequence),
        outer_(innermost()) {
    innermost() = this;
  }
  /// Not always of the innermost: a program's fibers end in any order.
  ~HandlerScope() {
    HandlerScope** at = &innermost();
    while (*at != nullptr && *at != this) at = &(*at)->outer_;
    if (*at == this) *at = outer_;
  }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;

  /// Leaves the answer to the handler of this call, if that runs on the calling thread. False: it does not.
  static bool leave_unanswered(std::uint64_t generation, std::uint32_t index, std::uint32_t sequence) noexcept {
    for (HandlerScope* scope = innermost(); scope != nullptr; scope = scope->outer_) {
      if (scope->generation_ == generation && scope->index_ == index && scope->sequence_ == sequence) {
        return scope->unanswered_ = true;
      }
    }
    return false;
  }
  [[nodiscard]] bool is_unanswered() const noexcept { return unanswered_; }

  /// Whether a handler of this generation runs here. In a child that a handler has made, the parent serves.
  static bool serves(std::uint64_t generation) noexcept {
    for (const HandlerScope* scope = innermost(); scope != nullptr; scope = scope->outer_) {
      if (scope->generation_ == generation && !scope->in_child_(scope->mark_)) return true;
    }
    return false;
  }

 private:
  static constexpr std::uint32_t no_slot = 0xFFFF'FFFF;

  static HandlerScope*& innermost() noexcept {
    thread_local HandlerScope* scope = nullptr;
    return scope;
  }

  const void* mark_;
  bool (*in_child_)(const void*);
  std::uint64_t generation_;
  std::uint32_t index_;
  std::uint32_t sequence_;
  HandlerScope* outer_;
  bool unanswered_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
