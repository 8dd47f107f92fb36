// How a reply gets into its frame.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// How a handler left its call: concluded with this phase, or deferred to its Responder.
using Outcome = Phase;
inline constexpr Outcome deferred = Phase::idle;

template <class Reply>
Outcome send(const Reply& reply, const Frame& frame) {
  const std::size_t size = write_message(reply, frame);
  if (size == fits) return Phase::done;
  frame.refuse(size);
  return Phase::oversized;
}

/// Not where it is needed, because it is needed rarely: a server's loop is short without it.
inline std::string misfit_text(std::size_t bytes, std::size_t capacity) {
  return "its reply has " + std::to_string(bytes) + " bytes; a reply of this channel has exactly " +
         std::to_string(capacity);
}

/// Ends a reply whose `bytes` were written at the frame's fixed(). `fail` leaves a text for the caller.
template <class Fail>
Outcome send_written(const Frame& frame, std::size_t bytes, Fail&& fail) {
  if (frame.takes(bytes)) {
    frame.commit(bytes);
    return Phase::done;
  }
  if (frame.is_fixed()) {
    return fail(misfit_text(bytes, frame.capacity()));
  }
  frame.refuse(bytes);
  return Phase::oversized;
}

/// Lets `fill` write a reply: into the slot if it is of fixed size, else into a fresh value that is then encoded.
template <class Reply, class Fill>
Outcome send_filled(const Frame& frame, Fill&& fill) {
  if constexpr (FixedMessage<Reply>) {
    fill(fresh_object_at<Reply>(frame.fixed()));
    return Phase::done;
  } else {
    Reply reply{};
    fill(reply);
    return detail::send(reply, frame);
  }
}

/// Lets `make` make a reply. A small one comes from elsewhere: what a handler returns it may look at until then, and
/// the caller can write to the slot meanwhile. A large one is made there.
template <class Reply, class Make>
Outcome send_made(const Frame& frame, Make&& make) {
  if constexpr (FixedMessage<Reply> && sizeof(Reply) > copy_limit) {
    ::new (static_cast<void*>(frame.fixed())) Reply(make());
    return Phase::done;
  } else {
    return detail::send<Reply>(make(), frame);
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
