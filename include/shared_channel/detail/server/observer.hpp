// What a server notes of its calls for its observer. Empty, and gone after inlining, for requests that have none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/message/observed.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/passed_on.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/server/invocation.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/observer.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

struct NoServerObserver {
  NoServerObserver(const Names&, std::uint32_t) noexcept {}

  /// The handler is about to be called with this.
  static const Invocation& began(const Invocation& invocation, TakenCall) noexcept { return invocation; }
  /// The call ends so; its slot is still ours.
  struct Record {};
  static Record ended(const SlotArray&, TakenCall, Phase) noexcept { return {}; }
  static void tell(Record) noexcept {}
};

/// Thread-safe: what it notes of a call belongs to whoever has the call's slot.
template <class Request>
class ServerObserver {
  struct Begun {
    Clock::time_point at;
    std::size_t bytes = 0;
    std::size_t alternative = CallRecord::no_alternative;
  };

 public:
  ServerObserver(const Names& names, std::uint32_t slot_count) : names_(names), begun_(slot_count) {}

  /// An invocation that hears what the decoded request is.
  class Seen : public Invocation {
   public:
    Seen(const Invocation& invocation, Begun& begun) noexcept : Invocation(invocation), begun_(begun) {}
    void saw(const Request& request) const noexcept { begun_.alternative = alternative_of(request); }

   private:
    Begun& begun_;
  };
  Seen began(const Invocation& invocation, TakenCall call) noexcept {
    Begun& begun = begun_[call.index];
    begun = Begun{};
    begun.bytes = invocation.request().checked().size;
    begun.at = Clock::now();
    return Seen(invocation, begun);
  }

  using Record = CallRecord;
  Record ended(const SlotArray& slot_array, TakenCall call, Phase outcome) noexcept {
    const Begun& begun = begun_[call.index];
    Record record;
    record.channel = names_.channel();
    record.began = begun.at;
    record.ended = Clock::now();
    record.request_bytes = begun.bytes;
    record.alternative = begun.alternative;
    const Frame reply = slot_array.reply(*call.slot);
    if (outcome == Phase::done) {
      record.reply_bytes = reply.checked().size;
    } else if (outcome == Phase::failed) {
      const std::optional<PassedOn> error = PassedOn::of(call.slot->passed_on.load(std::memory_order_relaxed));
      record.error = error ? error->code : Errc::handler_failed;
      record.not_executed = error && error->execution == Execution::none;
    } else if (outcome == Phase::oversized) {
      record.error = Errc::message_too_large;
      record.reply_bytes = reply.length();
    } else {
      record.error = Errc::corrupt;
      record.not_executed = true;
    }
    return record;
  }
  static void tell(const Record& record) noexcept {
    const typename PlatformOf<Request>::Type::NoCancellation uncancelled;
    ObserverOf<Request>::server_done(record);
  }

 private:
  const Names& names_;
  UniquePtr<Begun[]> begun_;  // of each slot's call
};

template <class Request>
using ServerObserverOf = std::conditional_t<HasServerObserver<Request> && check_observer<Request>(),
                                            ServerObserver<Request>, NoServerObserver>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
