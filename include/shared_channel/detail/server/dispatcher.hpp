// Has a taken call handled, and ends it: with the handler's answer, or what its Responder sends later.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>

#include <shared_channel/detail/base/handler_scope.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/thread_end.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/passed_on.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/server/generation.hpp>
#include <shared_channel/detail/server/handler.hpp>
#include <shared_channel/detail/server/invocation.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/detail/server/observer.hpp>
#include <shared_channel/detail/server/slots.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Everything is thread-safe.
template <class Platform, class Observer>
class Dispatcher final : private AnswerSink {
  using Generation = detail::Generation<Platform>;
  using ServerSlots = detail::ServerSlots<Platform>;
  using ForkMark = typename Platform::ForkMark;

 public:
  Dispatcher(Generation& generation, ServerSlots& server_slots, unsigned threads, const std::atomic<bool>& stopping,
             const ForkMark& mark, const Names& names)
      : generation_(generation),
        slots_(server_slots),
        threads_(threads),
        observer_(names, generation.slot_array().count()),
        stopping_(stopping),
        mark_(mark) {}
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// True is a sign that this took long: the caller has gone to sleep meanwhile, or has given up.
  template <class HandlerCall>
  bool handle(TakenCall call, HandlerCall& handler) {
    pass_ring_on();
    const Outcome outcome = call_handler(call, handler);
    SHARED_CHANNEL_TEST_POINT(server_handled);
    return outcome != deferred && end_and_tell(call, outcome);
  }

  /// The way back to here, for responders and contexts.
  [[nodiscard]] ServerLink& link() const noexcept { return *link_; }

 private:
  /// Two rings that meet before a sleeper sleeps can merge into one (Win32 events do). The worker that got the one
  /// rings for the other, and for a call that had to wait for this one's T1 (order.hpp): hence the load is sequentially
  /// consistent, as R2.
  void pass_ring_on() noexcept {
    if (threads_ == 1 || generation_.exec().words().sleepers.load(std::memory_order_seq_cst) == 0) return;
    if (slots_.has_posted()) generation_.exec().ring_sleeper();
  }

  template <class HandlerCall>
  Outcome call_handler(TakenCall call, HandlerCall& handler) {
    HandlerScope scope(mark_, generation_.number(), call.index, call.sequence);
    const Invocation unobserved(*this, generation_.slot_array(), link_, call);
    const auto& invocation = observer_.began(unobserved, call);
#if defined(__cpp_exceptions)
    // A handler that gave its Responder away has left the answer to that, unless the Responder was dropped by the very
    // exception that ended the handler: drop() marks the scope then.
    const auto fail_unless_deferred = [&](std::string_view text) {
      const bool is_responders = invocation.has_responder() && !scope.is_unanswered();
      return is_responders ? deferred : write_failure(call, text);
    };
    try {
      const Outcome outcome = handler(invocation);
      return scope.is_unanswered() ? write_failure(call, dropped) : outcome;
    } catch (const ThreadEnd&) {
      const Outcome outcome = fail_unless_deferred("its thread was ended");
      if (outcome != deferred) end_and_tell(call, outcome);
      throw;
    } catch (const std::exception& exception) {
      const char* const text = exception.what();
      return fail_unless_deferred(text != nullptr ? text : "it threw an exception without a text");
    } catch (...) {  // another language's too
      return fail_unless_deferred("it threw something that is not a std::exception");
    }
#else
    return handler(invocation);
#endif
  }

  /// Ends the call, and then tells the observer, who must not delay the answer. True as in handle().
  bool end_and_tell(TakenCall call, Outcome outcome) noexcept {
    const auto record = observer_.ended(generation_.slot_array(), call, outcome);
    const bool took_long = slots_.end_and_unlock(call, outcome);
    if constexpr (!std::is_same_v<Observer, NoServerObserver>) {
      // It may call exit(), as a handler may.
      const HandlerScope scope(mark_, generation_.number(), call.index, call.sequence);
      observer_.tell(record);
    }
    return took_long;
  }

  // ---- AnswerSink: what responders and contexts ask for, from any thread ----
  [[nodiscard]] Frame reply_frame(TakenCall call) const noexcept override {
    return generation_.slot_array().reply(*call.slot);
  }

  Phase write_failure(TakenCall call, std::string_view text,
                      std::uint32_t passed_on = PassedOn::none) noexcept override {
    return slots_.write_failure(call, text, passed_on);
  }

  void conclude(TakenCall call, Phase outcome) noexcept override {
    const auto record = observer_.ended(generation_.slot_array(), call, outcome);
    slots_.end_and_unlock(call, outcome);
    slots_.fence_after_unlocking();  // a responder's thread does not come back
    if (stopping_.load(std::memory_order_seq_cst))
      slots_.refuse_all();
    else if (slots_.is_posted(call.index))
      generation_.exec().ring_sleeper();
    observer_.tell(record);
  }

  static constexpr std::string_view dropped = "the handler dropped the call without an answer";

  void drop(TakenCall call) noexcept override {
    // If the handler is throwing, call_handler() will know the text.
    if (std::uncaught_exceptions() > 0 &&
        HandlerScope::leave_unanswered(generation_.number(), call.index, call.sequence))
      return;
    conclude(call, write_failure(call, dropped));
  }

  [[nodiscard]] bool is_wanted(TakenCall call) const noexcept override { return slots_.is_wanted(call); }

  [[nodiscard]] bool is_in_child() const noexcept override { return mark_.in_child(); }

  Generation& generation_;
  ServerSlots& slots_;
  const unsigned threads_;
  Observer observer_;
  const std::atomic<bool>& stopping_;
  const ForkMark& mark_;
  const RefPtr<ServerLink> link_{new ServerLink(*this, Platform::user_of)};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
