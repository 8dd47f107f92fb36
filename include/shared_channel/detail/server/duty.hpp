// The right, and the duty, to answer one call: what every kind of responder is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/passed_on.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Answers once: afterwards nothing has an effect.
class AnswerDuty {
 public:
  AnswerDuty(RefPtr<ServerLink> link, const TakenCall& call) : link_(std::move(link)), call_(call) {}
  AnswerDuty(AnswerDuty&& other) noexcept = default;
  AnswerDuty& operator=(AnswerDuty&& other) noexcept {
    if (this != &other) {
      drop();
      link_ = std::move(other.link_);
      call_ = other.call_;
    }
    return *this;
  }
  ~AnswerDuty() { drop(); }

  /// `write` leaves the answer with the server, and says how the call ends.
  template <class Write>
  void conclude(Write&& write) {
    if (!link_) return;
    link_->with_server([&](AnswerSink& sink) { sink.conclude(call_, write(sink, call_)); });
    link_ = nullptr;  // only now: if a Codec throws, the duty to answer remains
  }

  /// Where the answer is to be written; nothing if it was sent, or if the server is gone.
  [[nodiscard]] std::optional<Frame> reply_frame() const {
    std::optional<Frame> frame;
    if (link_) link_->with_server([&](const AnswerSink& sink) { frame = sink.reply_frame(call_); });
    return frame;
  }

  void fail(std::string_view text) noexcept {
    conclude([&](AnswerSink& sink, const TakenCall& call) { return sink.write_failure(call, text, PassedOn::none); });
  }
  void fail(const Error& error) {
    const std::string words = error.message();
    const std::uint32_t passed_on = PassedOn::of(error).word();
    conclude([&](AnswerSink& sink, const TakenCall& call) { return sink.write_failure(call, words, passed_on); });
  }

 private:
  void drop() noexcept {
    if (link_) link_->with_server([&](AnswerSink& sink) { sink.drop(call_); });
    link_ = nullptr;
  }

  RefPtr<ServerLink> link_;
  TakenCall call_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
