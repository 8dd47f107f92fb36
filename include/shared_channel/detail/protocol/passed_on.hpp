// The slot's word `passed_on`: in it a handler passes on the error that another channel gave it, or one of its own.
//
// The word counts as one of the reply's bytes: a worker writes it before F1, a caller reads it after it has seen F1,
// like `text` and `length` (slot_protocol.hpp). Every `failed` writes it, so that no older one is read. Nobody else
// needs it, and a peer that does not know it takes the call for one whose handler failed.
#pragma once

#include <cstdint>
#include <optional>

#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The error that a handler passed on; or none, if the handler itself failed.
struct PassedOn {
  Errc code;
  Execution execution;

  static constexpr std::uint32_t none = 0;
  static constexpr std::uint32_t not_executed = 0x100;
  static constexpr std::uint32_t code_mask = 0xFF;

  [[nodiscard]] constexpr std::uint32_t word() const noexcept {
    if (!is_known(code)) return none;
    const auto number = static_cast<std::uint32_t>(code);
    return execution == Execution::none ? number | not_executed : number;
  }

  static PassedOn of(const Error& error) noexcept {
    return {error.code(), error.not_executed() ? Execution::none : Execution::possible};
  }

  /// What a peer wrote, which is not trusted: nothing but a word that word() makes is one of ours.
  static constexpr std::optional<PassedOn> of(std::uint32_t word) noexcept {
    const PassedOn error{static_cast<Errc>(word & code_mask),
                         (word & not_executed) != 0 ? Execution::none : Execution::possible};
    if (!is_known(error.code) || error.word() != word) return std::nullopt;
    return error;
  }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
