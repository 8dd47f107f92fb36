// How the call in a slot stands, as the slot's words tell somebody who is no party to it; slot_protocol.hpp has their
// meaning.
//
// A call s is in flight from the claim of its slot until the slot is free for the next one:
//
//     owner   request        taken       reply
//     0       withdrawn(s)   taken(s)    not s        abandoned: a worker has it, its caller has left
//     0       anything else                           free
//     c       any, while `last` is done               preparing: the words are those of the call before
//     c       posted(s)      any         s            answered
//     c       posted(s)      taken(s)    not s        running
//     c       posted(s)      else        not s        queued
//     c       withdrawn(s)   taken(s)    not s        abandoned, about to be released
//     c       anything else                           preparing
#pragma once

#include <cstdint>
#include <optional>

#include <shared_channel/channel_info.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/protocol/stated_times.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Of a copy: no word is loaded twice.
class CallView {
 public:
  explicit CallView(const Slot& slot) noexcept
      : owner_(slot.owner.load(std::memory_order_relaxed)),
        last_(slot.last.load(std::memory_order_relaxed)),
        process_(slot.process.load(std::memory_order_relaxed)),
        times_(slot),
        request_(load_request(slot)),
        taken_(load_taken(slot)),
        reply_(load_reply(slot)) {}

  [[nodiscard]] std::uint32_t owner() const noexcept { return owner_; }
  [[nodiscard]] std::uint32_t number() const noexcept {
    return is_preparing() ? State::after(last_.sequence()) : request_.sequence();
  }
  [[nodiscard]] bool is_in_flight() const noexcept { return owner_ != 0 || is_abandoned(); }

  /// Whether another look at the slot saw the same.
  [[nodiscard]] bool is_as_in(const CallView& other) const noexcept {
    return owner_ == other.owner_ && last_ == other.last_ && request_ == other.request_ && taken_ == other.taken_ &&
           reply_ == other.reply_;
  }

  /// Of a call in flight. `now` is on the caller's clock, if that can be read here.
  [[nodiscard]] CallInfo info(unsigned slot, bool is_caller_there, std::optional<std::int64_t> now) const {
    CallInfo info;
    info.slot = slot;
    info.state = state();
    info.number = number();
    info.process_id = owner_ != 0 && !is_preparing() ? process_ : 0;
    info.is_caller_alive = owner_ != 0 && is_caller_there;
    if (info.state != CallState::preparing) tell_times(info, now);
    return info;
  }

 private:
  [[nodiscard]] bool is_abandoned() const noexcept {
    const std::uint32_t sequence = request_.sequence();
    return request_.phase() == Phase::withdrawn && taken_.is(Phase::taken, sequence) && !reply_.concludes(sequence);
  }

  /// post() takes the word back that its slot was left settled.
  [[nodiscard]] bool is_preparing() const noexcept { return owner_ != 0 && last_.phase() == Phase::done; }

  [[nodiscard]] CallState state() const noexcept {
    if (is_preparing()) return CallState::preparing;
    if (is_abandoned()) return CallState::abandoned;
    if (request_.phase() != Phase::posted) return CallState::preparing;
    if (reply_.concludes(number())) return CallState::answered;
    return taken_.is(Phase::taken, number()) ? CallState::running : CallState::queued;
  }

  /// What cannot be is not told.
  void tell_times(CallInfo& info, std::optional<std::int64_t> now) const noexcept {
    if (times_.timeout == StatedTimes::never || times_.deadline == StatedTimes::never) info.left = (nanoseconds::max)();
    if (!now || !times_.are_whole()) return;
    info.left = nanoseconds(times_.deadline - *now);
    const std::int64_t posted = times_.deadline - times_.timeout;
    if (posted <= *now) info.waited = nanoseconds(*now - posted);
  }

  std::uint32_t owner_;
  State last_;
  std::uint32_t process_;
  StatedTimes times_;
  State request_;
  State taken_;
  State reply_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
