// What can go wrong, as one closed list, and the value that carries it.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <shared_channel/detail/platform/error_text.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI {

/// Every way a call can end other than in its answer. The numbers travel (Responder::fail()): new ones come last.
enum class Errc {
  invalid_name = 1,   ///< The channel name is empty, too long, or has a character outside [A-Za-z0-9._-].
  invalid_argument,   ///< An option, a size or an object (empty, moved from) cannot be used so; the message says which.
  name_in_use,        ///< A live server has this name already.
  access_denied,      ///< The operating system refuses this user the channel's objects.
  not_owner,          ///< The name is held by an object that another user or another kind of program made.
  layout_mismatch,    ///< The server's messages or protocol version differ from this program's.
  no_server,          ///< No server is running under this name.
  server_stopped,     ///< The server stopped gracefully before it took the request.
  server_died,        ///< The server's process ended without an answer.
  busy,               ///< Every slot stayed occupied until the deadline.
  timed_out,          ///< The deadline passed before the answer came.
  cancelled,          ///< The caller asked for the call to be cancelled before the answer came.
  handler_failed,     ///< The server's handler threw, dropped its Responder, or said so; the message has its text.
  message_too_large,  ///< The message does not fit the channel's slots.
  would_deadlock,     ///< A handler called the channel that it serves, or waited for its server's end.
  forked,             ///< The object was made before fork() and is used in the child.
  corrupt,            ///< Shared memory holds what no correct peer writes.
  out_of_memory,      ///< Memory, or space for shared memory, ran out.
  system_error,       ///< The operating system refused for a reason of its own; see native().
};

/// The enumerator's name, e.g. "timed_out".
constexpr std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_name:
      return "invalid_name";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::name_in_use:
      return "name_in_use";
    case Errc::access_denied:
      return "access_denied";
    case Errc::not_owner:
      return "not_owner";
    case Errc::layout_mismatch:
      return "layout_mismatch";
    case Errc::no_server:
      return "no_server";
    case Errc::server_stopped:
      return "server_stopped";
    case Errc::server_died:
      return "server_died";
    case Errc::busy:
      return "busy";
    case Errc::timed_out:
      return "timed_out";
    case Errc::cancelled:
      return "cancelled";
    case Errc::handler_failed:
      return "handler_failed";
    case Errc::message_too_large:
      return "message_too_large";
    case Errc::would_deadlock:
      return "would_deadlock";
    case Errc::forked:
      return "forked";
    case Errc::corrupt:
      return "corrupt";
    case Errc::out_of_memory:
      return "out_of_memory";
    case Errc::system_error:
      return "system_error";
  }
  return "unknown";
}

class Error;

/// Whether any handler can have seen the request that an Error speaks of.
enum class Execution {
  none,      ///< Certain: no handler saw it. Asking again cannot run it twice.
  possible,  ///< A handler may have run, in part or in full.
};

namespace detail {

template <class Platform>
class ClientCore;

/// Whether a number is one of ours. Derived from to_string(), so there is no second list.
constexpr bool is_known(Errc code) noexcept { return to_string(code) != "unknown"; }

/// Whether what the code says may be over a moment later. Without a default, so that the compiler asks for new codes.
constexpr bool passes_by_itself(Errc code) noexcept {
  switch (code) {
    case Errc::no_server:
    case Errc::server_stopped:
    case Errc::server_died:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::cancelled:
      return true;
    case Errc::invalid_name:
    case Errc::invalid_argument:
    case Errc::name_in_use:
    case Errc::access_denied:
    case Errc::not_owner:
    case Errc::layout_mismatch:
    case Errc::handler_failed:
    case Errc::message_too_large:
    case Errc::would_deadlock:
    case Errc::forked:
    case Errc::corrupt:
    case Errc::out_of_memory:
    case Errc::system_error:
      break;
  }
  return false;
}

/// What a hand-made error says of execution unless its maker says it: a code that may arise while a handler runs says
/// "possible", so that nobody asks again by mistake. Without a default, so that the compiler asks for new codes.
constexpr Execution execution_implied_by(Errc code) noexcept {
  switch (code) {
    case Errc::server_died:
    case Errc::timed_out:
    case Errc::cancelled:
    case Errc::handler_failed:
    case Errc::corrupt:
    case Errc::out_of_memory:
    case Errc::system_error:
      return Execution::possible;
    case Errc::no_server:
    case Errc::server_stopped:
    case Errc::busy:
    case Errc::invalid_name:
    case Errc::invalid_argument:
    case Errc::name_in_use:
    case Errc::access_denied:
    case Errc::not_owner:
    case Errc::layout_mismatch:
    case Errc::message_too_large:
    case Errc::would_deadlock:
    case Errc::forked:
      break;
  }
  return Execution::none;
}

class ErrorCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "shared_channel"; }
  [[nodiscard]] std::string message(int code) const override { return std::string(to_string(static_cast<Errc>(code))); }
};

}  // namespace detail

/// The category of std::error_code values made from an Errc; message() is the enumerator's name.
inline const std::error_category& error_category() noexcept {
  static const detail::ErrorCategory category;
  return category;
}

/// For std::error_code code = Errc::busy, and for comparing one with an Errc.
inline std::error_code make_error_code(Errc code) noexcept { return {static_cast<int>(code), error_category()}; }

/// Why something failed: a code to branch on and a sentence to show. An ordinary value.
class [[nodiscard]] Error {
 public:
  /// @param code what happened
  /// @param channel the channel's name, as the user gave it
  /// @param cause a clause that says what happened and what to do about it, without a full stop
  /// @param native errno or GetLastError(), 0 if the system was not at fault
  /// @param execution whether a handler may have seen the request
  Error(Errc code, std::string_view channel, std::string cause, int native, Execution execution)
      : code_(code), native_(native), execution_(execution), channel_(channel), cause_(std::move(cause)) {}

  /// The same, with what the code says by itself: "not executed" of busy and of what is refused before a call, "perhaps
  /// executed" of server_died, timed_out, cancelled, handler_failed, corrupt, out_of_memory and system_error.
  Error(Errc code, std::string_view channel, std::string cause, int native = 0)
      : Error(code, channel, std::move(cause), native, detail::execution_implied_by(code)) {}

  [[nodiscard]] Errc code() const noexcept { return code_; }

  /// The operating system's own code (errno, GetLastError()), or 0.
  [[nodiscard]] int native() const noexcept { return native_; }

  /// True if it is certain that no handler saw this request: asking again cannot execute it twice. Of an error that the
  /// handler passed on (Responder::fail()), this is the handler's word.
  [[nodiscard]] bool not_executed() const noexcept { return execution_ == Execution::none; }

  /// True if the request was not executed and the same call may succeed later: the server was away or busy, or the
  /// call ran out of time or was cancelled. Other errors stay until somebody removes their cause.
  [[nodiscard]] bool safe_to_retry() const noexcept { return not_executed() && detail::passes_by_itself(code_); }

  /// True of an error that the server's handler passed on (Responder::fail()): the channel and its server are well, and
  /// it is about something that the handler needed.
  [[nodiscard]] bool passed_on() const noexcept { return is_passed_on_; }

  /// The clause of message() that says what happened and what to do about it.
  [[nodiscard]] const std::string& cause() const noexcept { return cause_; }

  /// A sentence, without its full stop, that names the channel, the cause and, where there is one, the remedy. An error
  /// of no channel (made by hand, of an object moved from) has its cause alone.
  [[nodiscard]] std::string message() const {
    std::string text = channel_.empty() ? cause_ : "shared channel '" + channel_ + "': " + cause_;
    if (native_ != 0) {
      text += " (system error " + std::to_string(native_) + ": " + detail::platform::message_of(native_) + ")";
    }
    return text;
  }

 private:
  template <class Platform>
  friend class detail::ClientCore;

  Errc code_;
  int native_;
  Execution execution_;
  bool is_passed_on_ = false;
  std::string channel_;
  std::string cause_;
};

/// The Error of a constructor or of Result::value(), as an exception.
class ChannelException : public std::exception {
 public:
  explicit ChannelException(Error error) : error_(std::move(error)), what_(error_.message()) {}

  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  Error error_;
  std::string what_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI

template <>
struct std::is_error_code_enum<shared_channel::Errc> : std::true_type {};
