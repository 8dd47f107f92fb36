// What every function of the C interface begins and ends with: structs of other sizes, and errors as C has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <shared_channel.h>

#include <shared_channel/channel_info.hpp>
#include <shared_channel/detail/base/thread_end.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/raw.hpp>

namespace shared_channel_c {

using namespace shared_channel;
using std::chrono::nanoseconds;

inline sc_code code_of(Errc code) noexcept { return static_cast<sc_code>(code); }
/// Whether it is the code of an error. The library's own answer, so that a new Errc is asked for nowhere here.
constexpr bool is_code(sc_code code) noexcept { return detail::is_known(static_cast<Errc>(code)); }

inline Error invalid(std::string what) { return Error(Errc::invalid_argument, "", std::move(what)); }

/// Where a function's caller wants to read its error.
class Report {
 public:
  explicit Report(sc_error* error) noexcept : error_(error) {}

  /// Whether the caller's struct can take a code and some words.
  [[nodiscard]] bool is_usable() const noexcept {
    return error_ == nullptr || (error_->size >= offsetof(sc_error, message) + 4 && error_->size <= largest_struct);
  }

  sc_code success() const noexcept {
    if (error_ != nullptr) {
      error_->code = SC_OK;
      error_->native = 0;
      error_->not_executed = 0;
      error_->safe_to_retry = 0;
      error_->message[0] = '\0';
    }
    return SC_OK;
  }
  sc_code failure(Errc code, std::string_view message, int native = 0, bool not_executed = true,
                  bool safe_to_retry = false) const noexcept {
    if (error_ != nullptr) write(code_of(code), native, not_executed, safe_to_retry, message);
    return code_of(code);
  }
  sc_code failure(const Error& error) const {
    if (error_ == nullptr) return code_of(error.code());
    return failure(error.code(), error.message(), error.native(), error.not_executed(), error.safe_to_retry());
  }

  /// A struct that is larger was made for another program.
  static constexpr std::uint32_t largest_struct = 4096;

 private:
  void write(sc_code code, int native, bool not_executed, bool safe_to_retry, std::string_view text) const noexcept {
    error_->code = code;
    error_->native = native;
    error_->not_executed = not_executed;
    error_->safe_to_retry = safe_to_retry;
    std::size_t length = error_->size - offsetof(sc_error, message);
    if (length > sizeof error_->message) length = sizeof error_->message;
    if (--length > text.size()) length = text.size();
    while (length < text.size() && length != 0 && (text[length] & 0xC0) == 0x80) --length;  // no half of a character
    if (length != 0) std::memcpy(error_->message, text.data(), length);
    error_->message[length] = '\0';
  }

  sc_error* error_;
};

/// Runs a function's body, `sc_code(const Report&)`, and lets nothing out of it but a code. Only the end of
/// the thread (pthread_exit(), pthread_cancel()) goes on.
template <class Body>
sc_code guarded(sc_error* error, Body&& body) {
  const Report report(error);
  if (!report.is_usable()) [[unlikely]]
    return SC_INVALID_ARGUMENT;
  try {
    return body(report);
  } catch (const detail::ThreadEnd&) {
    throw;
  } catch (const ChannelException& exception) {
    return report.failure(exception.error().code(), exception.what(), exception.error().native(), false);
  } catch (const std::bad_alloc&) {
    return report.failure(Errc::out_of_memory, "memory ran out", 0, false);
  } catch (const std::exception& exception) {
    const char* const text = exception.what();
    return report.failure(Errc::system_error, text != nullptr ? text : "it threw an exception without a text", 0,
                          false);
  } catch (...) {
    return report.failure(Errc::system_error, "a callback threw something that is not a std::exception", 0, false);
  }
}

/// The same for functions that have no error to tell.
template <class Value, class Body>
Value guarded_value(Value otherwise, Body&& body) {
  try {
    return body();
  } catch (const detail::ThreadEnd&) {
    throw;
  } catch (...) {
    return otherwise;
  }
}

/// A caller's struct as this library knows it: what an older one lacks is zero. Nothing, if its size is none that it
/// can have, or if it says something that this library does not know.
template <class Struct>
std::optional<Struct> read(const Struct* given) noexcept {
  Struct known{};
  if (given == nullptr) return known;
  std::uint32_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < alignof(Struct) || size % alignof(Struct) != 0 || size > Report::largest_struct) return std::nullopt;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t at = sizeof known; at < size; ++at) {
    if (bytes[at] != 0) return std::nullopt;
  }
  std::memcpy(&known, given, size < sizeof known ? size : sizeof known);
  return known;
}

inline Error wrong_size(const char* name) {
  return invalid(std::string("the ") + name +
                 " has a size that it cannot have, or members that this library does not know: "
                 "begin with {sizeof(" +
                 name + ")}");
}

/// How a function waits.
class Waiting {
 public:
  /// `wait` must outlive it.
  static Result<Waiting> of(const sc_wait* wait) {
    const auto known = read(wait);
    if (!known) return wrong_size("sc_wait");
    return Waiting(*known);
  }

  /// As a call's options. This object must outlive the call.
  [[nodiscard]] CallOptions options(std::int64_t timeout) {
    CallOptions options{nanoseconds(timeout)};
    if (wait_.slot_wait != 0) options.slot_wait = nanoseconds(wait_.slot_wait);
    if (wait_.check != nullptr) {
      options.interrupt = {[](void* self) { return static_cast<Waiting*>(self)->is_over(); }, this};
    }
    return options;
  }

  [[nodiscard]] bool has_check() const noexcept { return wait_.check != nullptr; }
  [[nodiscard]] bool is_over() const { return wait_.check != nullptr && wait_.check(wait_.context) != 0; }

  /// Tries `attempt(nanoseconds)`, which waits so long and returns whether it succeeded, until it does, the time is
  /// over or the check says so. In pieces only if there is a check.
  template <class Attempt>
  Result<void> repeat(std::int64_t timeout, const char* what, Attempt&& attempt) const {
    detail::Deadline deadline{nanoseconds(timeout)};
    if (!has_check()) {
      if (attempt(nanoseconds(timeout))) return {};
      return Error(Errc::timed_out, "", what, 0, Execution::possible);
    }
    for (;;) {
      const detail::Deadline piece = deadline.within(Interrupt::interval);
      if (attempt(piece.timeout())) return {};
      if (deadline.passed()) return Error(Errc::timed_out, "", what, 0, Execution::possible);
      if (is_over()) return Error(Errc::cancelled, "", "the check function ended the wait", 0, Execution::possible);
    }
  }

 private:
  explicit Waiting(const sc_wait& wait) noexcept : wait_(wait) {}

  sc_wait wait_;
};

inline WaitPolicy policy_of(std::int64_t spin) noexcept {
  if (spin == SC_SPIN_DEFAULT) return {};
  return {nanoseconds(spin == SC_SPIN_NEVER ? 0 : spin)};  // the library refuses other negative ones
}

inline std::optional<Scope> scope_of(std::int32_t scope) noexcept {
  if (scope == SC_SCOPE_SESSION) return Scope::session;
  if (scope == SC_SCOPE_MACHINE) return Scope::machine;
  return std::nullopt;
}
inline Error no_scope() { return invalid("the scope is none: SC_SCOPE_SESSION or SC_SCOPE_MACHINE"); }

/// One of a channel's two messages, of which `null` is any bytes.
Result<MessageShape> message_of(const sc_message* given, bool is_server);

/// A shape as C has it, which owns what it points to.
class Shape final : public sc_shape {
 public:
  explicit Shape(ChannelShape shape);
  Shape(const Shape&) = delete;
  Shape& operator=(const Shape&) = delete;

 private:
  static sc_message message(const MessageShape& of) noexcept;

  ChannelShape shape_;
  sc_message request_message_;
  sc_message reply_message_;
};

sc_stats stats_of(const ServerStats& stats) noexcept;

template <class Native>
sc_handle handle_of(Native native) noexcept {
  if constexpr (std::is_pointer_v<Native>)
    return native == nullptr ? SC_NO_HANDLE : reinterpret_cast<sc_handle>(native);
  else
    return native;
}

inline std::span<const std::byte> bytes_at(const void* data, std::size_t size) noexcept {
  return {static_cast<const std::byte*>(data), size};
}

}  // namespace shared_channel_c
