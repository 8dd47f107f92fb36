// What a handler can learn about the call that it answers.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/server/link.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// Who asks. Stated by the client and not proven: for logs and courtesy, not for access control.
struct Caller {
  std::uint32_t process_id;
  /// Linux: the user id in decimal; Win32: the SID. It is what the system tells of process_id; empty if it does not
  /// tell.
  std::string user;
};

/// The optional last argument of every form of handler: `const CallContext&`. Copyable; a copy outlives call and
/// server safely. Thread-safe.
class CallContext {
 public:
  // No moves: a moved-from context would have lost the way to the server.
  CallContext(const CallContext&) = default;
  CallContext& operator=(const CallContext&) = default;

  /// When the caller stops waiting; time_point::max() if never. May be late by the time that the caller has spun
  /// (WaitPolicy; 1 ms if it never sleeps).
  [[nodiscard]] std::chrono::steady_clock::time_point deadline() const noexcept { return deadline_; }

  /// Whether nobody waits for the answer any more: it was given, the caller gave up or died, or the server is gone. A
  /// handler that takes long should look now and then, and stop. Costs up to a system call.
  [[nodiscard]] bool cancelled() const {
    bool wanted = false;
    link_->with_server([&](detail::AnswerSink& sink) { wanted = sink.is_wanted(call_); });
    return !wanted;
  }

  /// Who asks. Costs system calls each time; the user may be empty.
  [[nodiscard]] Caller caller() const { return {process_, link_->user_of(process_)}; }

  /// Which of the server's slots the call occupies: below ServerOptions::max_calls.
  [[nodiscard]] unsigned slot() const noexcept { return call_.index; }

 private:
  friend class detail::Invocation;
  CallContext(detail::RefPtr<detail::ServerLink> link, const detail::TakenCall& call,
              std::chrono::steady_clock::time_point deadline, std::uint32_t process)
      : link_(std::move(link)), call_(call), deadline_(deadline), process_(process) {}

  detail::RefPtr<detail::ServerLink> link_;
  detail::TakenCall call_;
  std::chrono::steady_clock::time_point deadline_;
  std::uint32_t process_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
