// The way from a deferred reply or a call's context back to the server, which they may outlive.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/detail/server/taken_call.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

class Invocation;  // invocation.hpp: makes responders and contexts

/// The part of the server that answers a taken call. Thread-safe.
class AnswerSink {
 public:
  [[nodiscard]] virtual Frame reply_frame(TakenCall call) const noexcept = 0;
  /// Leaves the text that the caller's error will carry, and PassedOn's word if an error is passed on.
  virtual Phase write_failure(TakenCall call, std::string_view text, std::uint32_t passed_on) noexcept = 0;
  virtual void conclude(TakenCall call, Phase outcome) noexcept = 0;
  /// The call's Responder was destroyed without an answer.
  virtual void drop(TakenCall call) noexcept = 0;
  /// Whether the caller still waits for the answer.
  [[nodiscard]] virtual bool is_wanted(TakenCall call) const noexcept = 0;
  /// Whether this is a fork()ed child's copy of the server.
  [[nodiscard]] virtual bool is_in_child() const noexcept = 0;

 protected:
  ~AnswerSink() = default;
};

/// Leads to the server as long as it lives. Visitors do not exclude each other: encoding a long reply must not block
/// other calls.
class ServerLink : public RefCounted {
 public:
  using UserOf = std::string (*)(std::uint32_t process);

  /// `ask` is the platform's: it answers even when the server is gone.
  ServerLink(AnswerSink& server, UserOf ask) noexcept : user_of_(ask), server_(&server) {}

  /// Calls `use` with the server, whose end waits until that returns. False: the server is gone, or it is the parent of
  /// this fork()ed child.
  template <class Use>
  bool with_server(Use&& use) {
    const Visit visit(*this);  // first, so that either cut() sees us or we see that it came
    AnswerSink* const server = server_.load(std::memory_order_seq_cst);
    if (server == nullptr || server->is_in_child()) return false;
    use(*server);
    return true;
  }

  /// Lets nobody in any more.
  void close() noexcept { server_.store(nullptr, std::memory_order_seq_cst); }

  /// `rest` passes a little time while a visitor is there, or says that it is not worth while.
  template <class Rest>
  void cut(Rest&& rest) noexcept {
    close();
    while (visitors_.load(std::memory_order_seq_cst) != 0 && rest()) {
    }
  }

  /// Whether the calling thread is with the server: in a Codec, say, that writes a reply.
  [[nodiscard]] bool is_visited_here() const noexcept {
    for (const Visit* visit = Visit::innermost(); visit != nullptr; visit = visit->outer()) {
      if (&visit->link() == this) return true;
    }
    return false;
  }

  [[nodiscard]] std::string user_of(std::uint32_t process) const { return user_of_(process); }

 private:
  class Visit {
   public:
    explicit Visit(ServerLink& link) noexcept : link_(link), outer_(innermost()) {
      innermost() = this;
      link_.visitors_.fetch_add(1, std::memory_order_seq_cst);
    }
    /// Not always of the innermost: a program's fibers end in any order.
    ~Visit() {
      link_.visitors_.fetch_sub(1, std::memory_order_release);
      Visit** at = &innermost();
      while (*at != nullptr && *at != this) at = &(*at)->outer_;
      if (*at == this) *at = outer_;
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    [[nodiscard]] const ServerLink& link() const noexcept { return link_; }
    [[nodiscard]] const Visit* outer() const noexcept { return outer_; }

    /// Of those that the calling thread is at.
    static Visit*& innermost() noexcept {
      thread_local Visit* visit = nullptr;
      return visit;
    }

   private:
    ServerLink& link_;
    Visit* outer_;
  };

  UserOf user_of_;
  std::atomic<std::uint32_t> visitors_{0};
  std::atomic<AnswerSink*> server_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
