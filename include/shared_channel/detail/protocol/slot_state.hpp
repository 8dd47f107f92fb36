// What a slot's request, reply and taken words say. What they do is told in slot_protocol.hpp, and so are the numbers
// at the loads.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

enum class Phase : std::uint32_t {
  idle = 0,
  posted = 1,     ///< request: a call waits to be taken, is being executed, or was answered
  withdrawn = 2,  ///< request: the caller gave it up
  taken = 3,      ///< taken: a worker executes it, or has
  done = 4,       ///< reply: the handler's answer is there
  failed = 5,     ///< reply: the handler failed; its text is there
  refused = 6,    ///< reply: the server stopped before it executed the call
  malformed = 7,  ///< reply: the request's bytes could not be decoded; no handler saw it
  oversized = 8,  ///< reply: the handler's answer does not fit; `length` holds its size
  damaged = 9,    ///< reply: the server's words or the request were overwritten; a handler may have run
};

/// One value of a request, reply or taken word: sequence (27 bits), waiter bit, phase (4 bits).
class State {
 public:
  constexpr explicit State(std::uint32_t word) noexcept : word_(word) {}
  constexpr State(std::uint32_t sequence, Phase phase) noexcept
      : word_((sequence << sequence_shift) | static_cast<std::uint32_t>(phase)) {}

  [[nodiscard]] constexpr std::uint32_t word() const noexcept { return word_; }
  [[nodiscard]] constexpr std::uint32_t sequence() const noexcept { return word_ >> sequence_shift; }
  [[nodiscard]] constexpr Phase phase() const noexcept { return static_cast<Phase>(word_ & phase_mask); }
  [[nodiscard]] constexpr bool has_waiter() const noexcept { return (word_ & waiter_bit) != 0; }
  [[nodiscard]] constexpr State with_waiter() const noexcept { return State(word_ | waiter_bit); }

  [[nodiscard]] constexpr bool is(Phase phase, std::uint32_t sequence) const noexcept {
    return (word_ & ~waiter_bit) == State(sequence, phase).word_;
  }
  /// Whether this reply word answers call `sequence`.
  [[nodiscard]] constexpr bool concludes(std::uint32_t sequence) const noexcept {
    return sequence_of(word_) == sequence;
  }

  /// The sequence number of the slot's next call, wrapped to the bits it has.
  static constexpr std::uint32_t after(std::uint32_t sequence) noexcept {
    return sequence_of((sequence + 1) << sequence_shift);
  }

  friend constexpr bool operator==(State, State) = default;

 private:
  static constexpr std::uint32_t phase_mask = 0xF;
  static constexpr std::uint32_t waiter_bit = 0x10;
  static constexpr unsigned sequence_shift = 5;
  static constexpr std::uint32_t sequence_of(std::uint32_t word) noexcept { return word >> sequence_shift; }

  std::uint32_t word_;
};

template <class Slot>
State load_request(const Slot& slot) noexcept {
  return State(slot.request.load(std::memory_order_seq_cst));  // (2)
}
template <class Slot>
State load_reply(const Slot& slot) noexcept {
  return State(slot.reply.load(std::memory_order_seq_cst));  // (4), (5)
}
template <class Slot>
State load_taken(const Slot& slot) noexcept {
  return State(slot.taken.load(std::memory_order_seq_cst));  // (5)
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
