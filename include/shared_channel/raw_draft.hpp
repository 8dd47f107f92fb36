// A raw request on its way into the server's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/raw_reply.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

namespace detail {

/// Writes a raw request, or says why it cannot be one of this server's.
template <class Platform>
class RawRequestWriter {
  using Core = ClientCore<Platform>;
  using Connection = detail::Connection<Platform>;

 public:
  explicit RawRequestWriter(Core& core) noexcept : core_(core) {}

  /// `write` gets the frame and returns how many bytes it has written at fixed(), or would have.
  template <class Write>
  std::size_t operator()(const Frame& frame, const Connection& connection, Write&& write) {
    if (fault_) [[unlikely]]
      fault_.reset();
    const std::uint64_t contract = connection.contract_id();
    if (!core_.connector().is_usual(contract)) [[unlikely]] {
      if (!core_.connector().may_call(contract)) return refuse(Errc::layout_mismatch, replaced(connection));
    }
    if (written_for_ != 0 && written_for_ != contract) [[unlikely]]
      return refuse(Errc::layout_mismatch, replaced(connection));
    const std::size_t bytes = write(frame);
    if (!frame.takes(bytes)) [[unlikely]]
      return misfit(frame, bytes);
    written_for_ = contract;
    return fits;
  }

  /// Says in the call's result why the request could not be written, which the core does not know.
  template <class Ended>
  void explain(Ended& result) {
    if (!result && result.error().code() == Errc::message_too_large && fault_) result = *std::move(fault_);
  }

 private:
  static std::string replaced(const Connection& connection) {
    const Contract now = connection.contract();
    return "the server was replaced by one that takes " + now.request + " and answers " + now.reply +
           "; ask again what it takes and answers";
  }
  std::size_t misfit(const Frame& frame, std::size_t bytes) {
    if (!frame.is_fixed()) return bytes;  // the core says what is too large
    return refuse(core_.connector().has_changed() ? Errc::layout_mismatch : Errc::invalid_argument,
                  "the request has " + std::to_string(bytes) +
                      " bytes; those of the server that is there have exactly " + std::to_string(frame.capacity()));
  }
  std::size_t refuse(Errc code, std::string cause) {
    fault_.emplace(core_.names().error(code, std::move(cause)));
    return ~std::size_t{0};
  }

  Core& core_;
  std::uint64_t written_for_ = 0;  // the contract of the server for which the request was written before
  std::optional<Error> fault_;
};

}  // namespace detail

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
    if (call_->core()->is_in_child()) return call_.forget();
    call_ = nullptr;
  }

  detail::RefPtr<AsyncCall> call_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
