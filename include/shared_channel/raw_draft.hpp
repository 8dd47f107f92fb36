// A raw request on its way into the server's memory.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/raw/writer.hpp>
#include <shared_channel/raw_reply.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// A raw request that is being written where the server will read it. It holds one of the server's slots until it is
/// sent or destroyed; the timeout of its call runs. Move-only; distinct ones may be used from distinct threads.
class [[nodiscard]] RawDraft {
  using Core = detail::ClientCore<detail::NativePlatform>;
  using AsyncCall = detail::AsyncCall<detail::NativePlatform>;

 public:
  RawDraft(RawDraft&& other) noexcept = default;
  RawDraft& operator=(RawDraft&& other) noexcept {
    if (this != &other) {
      drop();
      call_ = std::move(other.call_);
    }
    return *this;
  }
  ~RawDraft() { drop(); }

  /// In shared memory, aligned as the server says, with what an earlier call left. Empty once sent or moved from, and
  /// in a fork()ed child.
  [[nodiscard]] std::span<std::byte> room() const noexcept {
    if (!call_ || call_->core()->is_in_child()) return {};
    const detail::Frame frame = call_->call().request();
    return detail::span_of(frame.fixed(), frame.capacity());
  }

  /// Sends the first `bytes` of room(): all of them, if requests have a fixed size. Nobody sends it again if the server
  /// has gone meanwhile. An error to send comes back in a RawPendingCall that is ready.
  RawPendingCall send(std::size_t bytes) {
    detail::RefPtr<AsyncCall> call = std::move(call_);
    if (!call)
      return RawPendingCall(
          Error(Errc::invalid_argument, "", "this RawDraft was sent already, or moved from", 0, Execution::possible));
    if (call->core()->is_in_child()) {
      Error error = call->core()->forked();
      call.forget();
      return RawPendingCall(std::move(error));
    }
    detail::RawRequestWriter<detail::NativePlatform> writer(*call->core());
    const auto count = [bytes](const detail::Frame& frame) {
      if (frame.takes(bytes)) frame.commit(bytes);
      return bytes;
    };
    auto sent = call->core()->send_reserved(
        *call, [&](const detail::Frame& frame, const auto& connection) { return writer(frame, connection, count); });
    writer.explain(sent);
    if (!sent) return RawPendingCall(std::move(sent).error());
    return RawPendingCall(std::move(call));
  }

 private:
  friend class RawClient;
  explicit RawDraft(detail::RefPtr<AsyncCall> call) noexcept : call_(std::move(call)) {}

  void drop() noexcept {
    if (!call_) return;
    if (call_->core()->must_be_left()) return call_.forget();
    call_ = nullptr;
  }

  detail::RefPtr<AsyncCall> call_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
