// What becomes of the reply of an asynchronous call: whoever asks for the reply takes it, or a callback gets it.
#pragma once

#include <utility>

#include <shared_channel/detail/base/without_memory.hpp>
#include <shared_channel/detail/client/async_call.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What happens by itself when a call has ended. Runs on the watcher's thread, at most once.
template <class Platform>
class Continuation {
 public:
  virtual ~Continuation() = default;
  virtual void run(AsyncCall<Platform>& call) noexcept = 0;
};

/// How a reply is made of an answered call. One that looks into the slot keeps it (RawReply).
template <class Reply>
struct Taker {
  static constexpr bool keeps_slot = false;
  template <class Platform>
  static Result<Reply> take(AsyncCall<Platform>& call) {
    return read_reply<Reply>(call.call().reply(), *call.core());
  }
};

/// Waits for the call's end and gives the slot back, unless the reply keeps it.
template <class Reply, class Platform>
Result<Reply> take_reply(AsyncCall<Platform>& call) {
  const auto take = [&]() -> Result<Reply> {
    if (call.finish()) {
      call.call().fetch_slot_after_next();
      return Taker<Reply>::take(call);
    }
    return call.core()->explain(call.failure(), call);
  };
  Result<Reply> result = take();
  const bool keeps_slot = Taker<Reply>::keeps_slot && result;
  if (!keeps_slot) call.leave();
  return result;
}

/// The same, where nobody could catch what a decoder throws when memory runs out.
template <class Reply, class Platform>
Result<Reply> take_reply_or_say_why(AsyncCall<Platform>& call) {
  return or_without_memory([&] { return take_reply<Reply>(call); },
                           [&]() -> Result<Reply> {
                             call.leave();
                             return call.core()->names().error(Errc::out_of_memory, "there is no memory for the reply",
                                                               0, Execution::possible);
                           });
}

/// Calls the user's function. The slot is free by then: the function may need it.
template <class Platform, class Reply, class F>
class Callback final : public Continuation<Platform> {
 public:
  explicit Callback(F&& done) : done_(std::move(done)) {}
  explicit Callback(const F& done) : done_(done) {}
  void run(AsyncCall<Platform>& call) noexcept override { done_(take_reply_or_say_why<Reply>(call)); }

 private:
  F done_;
};

template <class Platform, class Handle>
class Resumption final : public Continuation<Platform> {
 public:
  explicit Resumption(Handle coroutine) noexcept : coroutine_(coroutine) {}
  void run(AsyncCall<Platform>&) noexcept override { coroutine_.resume(); }

 private:
  Handle coroutine_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
