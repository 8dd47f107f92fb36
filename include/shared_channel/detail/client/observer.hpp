// What a client notes of one call for its observer. Empty, and gone after inlining, for requests that have none.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/client/call.hpp>
#include <shared_channel/detail/message/observed.hpp>
#include <shared_channel/detail/platform/platform.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/observer.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Request, bool is_there = HasClientObserver<Request>>
class ClientObserver {
 public:
  static_assert(check_observer<Request>());
  explicit ClientObserver(const Names&) noexcept {}

  /// The Result of a plain call, which `make` makes.
  template <class Make>
  decltype(auto) ended(Make&& make) const {
    return make();
  }
  /// That of the first half of an asynchronous one.
  template <class Make>
  decltype(auto) begun(Make&& make) const {
    return make();
  }
  /// Notes the request's alternative, before it is written.
  static void asks(const Request&) noexcept {}
  /// What writes the request into its frame, and what reads the reply from there.
  template <class Write>
  static Write&& writer(Write&& write) noexcept {
    return std::forward<Write>(write);
  }
  template <class Read>
  static Read&& reader(Read&& read) noexcept {
    return std::forward<Read>(read);
  }
};

template <class Request>
class ClientObserver<Request, true> {
 public:
  explicit ClientObserver(const Names& names) noexcept {
    record_.channel = names.channel();
    record_.began = Clock::now();
  }

  template <class Make>
  auto ended(Make&& make) {
    auto result = make();
    if (!result) fail(result.error().code(), result.error().not_executed());
    record_.ended = Clock::now();
    tell(record_);
    return result;
  }
  template <class Make>
  auto begun(Make&& make) {
    auto call = make();
    if (call) {
      (*call)->tell_at_end(new Listener<std::remove_cvref_t<decltype((**call).call())>>(record_));
    } else {
      record_.ended = Clock::now();
      fail(call.error().code(), call.error().not_executed());
      tell(record_);
    }
    return call;
  }

  void asks(const Request& request) noexcept { record_.alternative = alternative_of(request); }
  template <class Write>
  auto writer(Write&& write) noexcept {
    return [&](const Frame& frame) {
      const std::size_t answers = write(frame);
      record_.request_bytes = answers == fits ? frame.checked().size : answers;
      return answers;
    };
  }
  template <class Read>
  auto reader(Read&& read) noexcept {
    return [&](const Frame& frame) {
      record_.reply_bytes = frame.checked().size;
      return read(frame);
    };
  }

 private:
  /// An asynchronous call's record, until its end.
  template <class Call>
  class Listener final : public EndListener<Call> {
   public:
    explicit Listener(const CallRecord& record) noexcept : record_(record) {}
    void note(Call& call, bool is_answered) noexcept override {
      record_.ended = Clock::now();
      if (is_answered) {
        record_.reply_bytes = call.reply().checked().size;
      } else {
        record_.error = call.failure().code;
        record_.not_executed = call.failure().execution == Execution::none;
      }
    }
    void tell() noexcept override { ClientObserver::tell(record_); }

   private:
    CallRecord record_;
  };

  void fail(Errc code, bool not_executed) noexcept {
    record_.error = code;
    record_.not_executed = not_executed;
  }
  static void tell(const CallRecord& record) noexcept {
    const typename PlatformOf<Request>::Type::NoCancellation uncancelled;
    ObserverOf<Request>::client_done(record);
  }

  CallRecord record_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
