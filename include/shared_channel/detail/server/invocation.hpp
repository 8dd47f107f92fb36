// What a handler is called with.
#pragma once

#include <cstdint>
#include <string_view>

#include <shared_channel/call_context.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/detail/protocol/stated_times.hpp>
#include <shared_channel/detail/server/duty.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// The taken call's frames, and what else the handler's form asks for. It must not outlive its arguments.
class Invocation {
 public:
  Invocation(AnswerSink& server, const SlotArray& slot_array, const RefPtr<ServerLink>& link, TakenCall call) noexcept
      : server_(server), slot_array_(slot_array), link_(link), call_(call) {}

  [[nodiscard]] Frame request() const noexcept { return slot_array_.request(*call_.slot); }
  [[nodiscard]] Frame reply() const noexcept { return slot_array_.reply(*call_.slot); }

  [[nodiscard]] CallContext context() const {
    const Slot& slot = *call_.slot;
    return CallContext(link_, call_, StatedTimes(slot).deadline_by_now(), slot.process.load(std::memory_order_relaxed));
  }

  /// A Responder<Reply>, or a raw one.
  template <class Responder>
  [[nodiscard]] Responder responder() const {
    has_responder_ = true;
    return Responder(AnswerDuty(link_, call_));
  }
  /// Leaves the error that the caller gets; see AnswerSink.
  Phase write_failure(std::string_view text, std::uint32_t passed_on) const noexcept {
    return server_.write_failure(call_, text, passed_on);
  }

  /// Whether the duty to answer went over to a Responder.
  [[nodiscard]] bool has_responder() const noexcept { return has_responder_; }

 private:
  AnswerSink& server_;
  const SlotArray& slot_array_;
  const RefPtr<ServerLink>& link_;
  TakenCall call_;
  mutable bool has_responder_ = false;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
