// The answering end.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel/channel.hpp>
#include <shared_channel/detail/base/callable.hpp>
#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/detail/server/observer.hpp>
#include <shared_channel/detail/server/compiled.hpp>
#include <shared_channel/detail/server/core.hpp>
#include <shared_channel/detail/server/handler.hpp>
#include <shared_channel/detail/server/lifecycle.hpp>
#include <shared_channel/native_handle.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/timeout.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// Creates the channel and answers its calls. Move-only; while it lives nobody else can serve the name.
///
/// A handler is called as one of
///   Reply(const Request&)          Reply(Request)
///   Result<Reply>(const Request&)  Result<Reply>(Request)   or passes an error on, as Responder::fail() does
///   void(const Request&, Reply&)   writes the reply where the client reads it: no copy
///   void(const Request&, Responder<Reply>)   answers later, from any thread (responder.hpp)
///   void(T&)                       where request and reply are one type
///   std::size_t(std::span<const std::byte>, std::span<std::byte>)   for Bytes: returns the reply's size, or a
///                                                                   Result<std::size_t>
/// and each may take a trailing `const CallContext&` (call_context.hpp); on the thread(s) that serve. It may throw: its
/// caller alone gets handler_failed with the text, of which the first 252 bytes travel; a ChannelException too, since
/// nobody can tell what a handler had done by then: to pass its error on, return it. With ServerOptions::threads
/// above 1 it is called concurrently. Requests of up to 4096 bytes are copied before it sees them; larger ones it sees
/// where the client wrote them, and a Reply& of more than 4096 bytes holds what an earlier message left until it is
/// written. A returned Reply of more than 4096 bytes, and any Reply&, lies where the caller may write too: take nothing
/// from there that the caller must not have chosen.
///
/// Destroying the server stops it, lets running handlers finish and their callers have their answers; other
/// callers get server_stopped. In a handler of its own, or on another of its threads, as when a signal handler there
/// calls exit(), it waits for no handler: the calls that run get their answers or server_stopped. In a fork()ed child
/// the object is inert: only the parent's serves.
template <class Request, class Reply>
class SharedChannel<Request, Reply>::Server {
  using Platform = typename detail::PlatformOf<Request>::Type;
  using Core = detail::ServerCore<Platform, detail::ServerObserverOf<Request>>;

 public:
  using native_handle_type = typename detail::LoopNotice<Platform>::Native;  ///< NativeHandle

#if defined(__cpp_exceptions)
  /// As create(), but throws ChannelException.
  explicit Server(std::string_view name, const ServerOptions& options = {}) : Server(create(name, options).value()) {}
#endif

  /// Makes a channel that no other live server has. What a killed server left behind is taken over.
  /// Errors: invalid_name, invalid_argument (options), name_in_use, access_denied, not_owner (somebody else's
  /// object has the name), out_of_memory (the slots do not fit), system_error. On an error nothing is left behind.
  static Result<Server> create(std::string_view name, const ServerOptions& options = {}) {
    const auto contract = detail::contract_of<Request, Reply>(static_cast<std::uint32_t>(options.max_request_bytes),
                                                              static_cast<std::uint32_t>(options.max_reply_bytes));
    auto core = Core::create(name, options, contract);
    if (!core) return std::move(core).error();
    return Server(*std::move(core));
  }

  Server(Server&& other) noexcept = default;
  Server& operator=(Server&& other) noexcept {
    if (this != &other) {
      close();
      core_ = std::move(other.core_);
    }
    return *this;
  }
  ~Server() { close(); }

  /// Answers calls on the calling thread (and threads - 1 others) until stop(). Returns at once if stopped already.
  /// Errors: invalid_argument (an empty handler, or already serving), forked, system_error or out_of_memory (no thread
  /// to be had), server_stopped (somebody removed the channel's shared memory or its name, and nobody can give them
  /// back: the server has ended by itself).
  template <class Handler>
  Result<void> serve(Handler&& handler) {
    return serve(std::forward<Handler>(handler), std::stop_token());
  }

  /// The same, until stop() or until `token` is asked to stop.
  template <class Handler>
  Result<void> serve(Handler&& handler, std::stop_token token) {
    if (!core_) return moved_from();
    if (is_empty<std::remove_reference_t<Handler>>(handler)) return empty_handler();
    HandlerCall<std::remove_reference_t<Handler>&> call{handler};
    return core_->serve(call, token);
  }

  /// Answers at most one call on the calling thread: for programs with a loop of their own. True if it answered
  /// one; false if none came within `timeout` (zero or less: looks once), or if the server is stopped.
  /// Errors as serve().
  template <class Handler>
  Result<bool> serve_one(Handler&& handler, Timeout timeout) {
    if (!core_) return moved_from();
    if (is_empty<std::remove_reference_t<Handler>>(handler)) return empty_handler();
    HandlerCall<std::remove_reference_t<Handler>&> call{handler};
    return core_->serve_one(call, detail::Deadline(timeout));
  }

  /// Answers calls on background threads until stop() or destruction; keeps a copy of the handler, or the
  /// handler itself if it was moved in, until then. wait() tells when they have ended. Errors as serve(), and
  /// server_stopped (stopped before).
  template <class Handler>
  Result<void> start(Handler&& handler) {
    if (!core_) return moved_from();
    if (is_empty<std::decay_t<Handler>>(handler)) return empty_handler();
    using Kept = KeptHandlerCall<std::decay_t<Handler>>;
    return core_->start(detail::UniquePtr<Kept>(new Kept(std::forward<Handler>(handler))));
  }

  /// Waits until the threads that start() made have ended and their handlers have returned, so that nothing is served
  /// any more; for the program's main thread, and to learn that a server has ended by itself. Does not end it. Success
  /// after stop(). Does not use the processor.
  /// Errors: server_stopped (it ended by itself; the text says why: shared memory was removed, or handlers ended all of
  /// its threads), timed_out (it still serves), invalid_argument (not begun with start()), would_deadlock (in a handler
  /// of its own), forked. Thread-safe after start(), but nobody may wait when the server is destroyed.
  Result<void> wait(Timeout timeout = (std::chrono::nanoseconds::max)()) {
    const typename Platform::NoCancellation uncancelled;
    return core_ ? core_->wait(detail::Deadline(timeout)) : moved_from();
  }

  /// Ends serving for good: running handlers finish, waiting and later calls get server_stopped. No handler sees a call
  /// that was made after stop() had returned. From any thread, from a handler, from a signal or console handler; any
  /// number of times. Does not wait.
  void stop() noexcept {
    if (core_) core_->stop();
  }

  /// What a loop of the program's own can wait for, together with serve_one(handler, 0ns): signalled while requests
  /// wait, and for good once the server stops. Linux: a descriptor for poll or epoll (readable); Win32: a manual-reset
  /// event for MsgWaitForMultipleObjects. After a wake-up call serve_one(handler, 0ns) until it returns false, or once
  /// per round of the loop: only a serve_one() that found nothing takes the signal back. It may be signalled without a
  /// request now and then. Made on first use, with a thread that waits for requests in the loop's place, so that the
  /// first request after a pause takes two wake-ups. Owned by the server: to be neither closed nor reset nor read, and
  /// gone with it, but not if it is moved. -1 or nullptr if the system has no thread or handle to give, and in a
  /// fork()ed child.
  ///
  /// For a server whose calls one loop answers. Where other threads call serve_one() too (one at a time), none misses
  /// a request; while serve() or start() answer, it is signalled and nobody takes that back. Thread-safe.
  [[nodiscard]] native_handle_type native_handle() {
    return core_ ? core_->native_handle() : detail::LoopNotice<Platform>::none;
  }

  /// What became of the calls so far, and how many are in the making. Costs the calls nothing. Thread-safe. A
  /// moved-from server has none.
  [[nodiscard]] ServerStats stats() const { return core_ ? core_->stats() : ServerStats{}; }

  /// The same as stats().damaged, without a look at all slots. Thread-safe.
  [[nodiscard]] std::uint64_t damaged_slots() const noexcept { return core_ ? core_->damaged_slots() : 0; }

 private:
  friend class RawServer;
  explicit Server(detail::UniquePtr<Core> core) : core_(std::move(core)) {}

  /// The handler as the core calls it: given a taken call, it returns how it left that. `Held` is Handler or Handler&.
  template <class Held>
  struct HandlerCall {
    template <class Call>
    detail::Outcome operator()(const Call& call) {
      return detail::Forms<Request, Reply>::invoke(handler, call);
    }
    Held handler;
  };

  template <class Handler>
  struct KeptHandlerCall final : HandlerCall<Handler>, detail::KeptHandler {
    explicit KeptHandlerCall(Handler&& given) : HandlerCall<Handler>{std::move(given)} {}
    explicit KeptHandlerCall(const Handler& given) : HandlerCall<Handler>{given} {}
  };

  template <class Handler>
  static bool is_empty(const Handler& handler) noexcept {
    static_assert(detail::Forms<Request, Reply>::template is_handler<Handler>());
    return detail::is_empty(handler);
  }
  static Error moved_from() { return Error(Errc::invalid_argument, "", "this server was moved from"); }
  Error empty_handler() const { return core_->names().error(Errc::invalid_argument, "the handler is empty"); }

  void close() noexcept {
    // In a fork()ed child threads and locks are the parent's: let go without touching them.
    if (!core_) return;
    const typename Platform::NoCancellation uncancelled;
    if (core_->is_in_child()) return core_.forget();
    if (core_->would_wait_for_itself()) {
      core_->keep_to_process_end();
      return core_.forget();
    }
    core_->end();
    core_.reset();
  }

  detail::UniquePtr<Core> core_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI
