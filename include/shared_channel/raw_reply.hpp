// The reply to a raw call, as long as it is looked at.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/client/taking.hpp>
#include <shared_channel/pending_call.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// The reply to a raw call, where the server has written it. It holds one of the server's slots until it is destroyed,
/// which may be after its client was. Move-only; distinct ones may be used from distinct threads.
class [[nodiscard]] RawReply {
  using AsyncCall = detail::AsyncCall<detail::NativePlatform>;

 public:
  RawReply(RawReply&& other) noexcept : call_(std::move(other.call_)), bytes_(std::exchange(other.bytes_, {})) {}
  RawReply& operator=(RawReply&& other) noexcept {
    if (this != &other) {
      drop();
      call_ = std::move(other.call_);
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  ~RawReply() { drop(); }

  /// In shared memory, aligned as the server says: a server of ill will can change them while you look. Empty once
  /// moved from, and in a fork()ed child.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return call_ && !is_in_child() ? bytes_ : std::span<const std::byte>();
  }

 private:
  friend struct detail::Taker<RawReply>;
  RawReply(AsyncCall& call, std::span<const std::byte> bytes) noexcept : call_(&call), bytes_(bytes) {}

  [[nodiscard]] bool is_in_child() const noexcept { return call_->core()->is_in_child(); }
  void drop() noexcept {
    if (!call_) return;
    if (call_->core()->must_be_left()) return call_.forget();
    call_->leave();
    call_ = nullptr;
  }

  detail::RefPtr<AsyncCall> call_;
  std::span<const std::byte> bytes_;
};

template <>
struct detail::Taker<RawReply> {
  static constexpr bool keeps_slot = true;
  template <class Call>
  static Result<RawReply> take(Call& call) {
    const CheckedBytes shared = call.call().reply().checked();
    if (!shared) return call.core()->undecodable();
    return RawReply(call, {shared.data, shared.size});
  }
};

/// What RawClient::call_async() returns; see PendingCall.
using RawPendingCall = PendingCall<RawReply>;

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
