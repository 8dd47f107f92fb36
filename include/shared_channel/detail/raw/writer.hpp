// What writes a raw request into its frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <shared_channel/detail/client/connection.hpp>
#include <shared_channel/detail/client/core.hpp>
#include <shared_channel/detail/protocol/contract.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

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

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
