// What the handles of clients' callers point to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "support.hpp"

struct sc_client {
  shared_channel::RawClient raw;
};

/// A call in one of its states: being written (draft), in flight (pending), over (reply or failure).
struct sc_call {
  std::optional<shared_channel::RawDraft> draft;
  shared_channel::RawPendingCall pending;
  std::optional<shared_channel::RawReply> reply;
  std::optional<shared_channel::Error> failure;

  /// Waits for the end.
  void finish() {
    if (reply || failure) return;
    auto ended = pending.get();
    if (ended)
      reply.emplace(*std::move(ended));
    else
      failure.emplace(std::move(ended).error());
  }

  void cancel() {
    if (!draft) return pending.cancel();
    draft.reset();
    failure.emplace(shared_channel::Errc::cancelled, "", "the call was cancelled before it was sent", 0,
                    shared_channel::Execution::none);
  }

  /// Why a request was not even sent.
  shared_channel::Result<void> take_refusal() {
    if (!pending.is_refused()) return {};
    finish();
    return *failure;
  }
};

namespace shared_channel_c {

inline Error no_client() { return invalid("the client is NULL"); }

/// A call that waits as `wait` says.
Result<std::size_t> call_as_asked(sc_client& client, std::span<const std::byte> request, std::span<std::byte> reply,
                                  std::int64_t timeout, const sc_wait* wait);

}  // namespace shared_channel_c
