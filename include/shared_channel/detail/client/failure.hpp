// Why a call has failed.
#pragma once

#include <cstddef>

#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What keeps a call from blocking, if anything: words of what failed, and the system's code.
struct Obstacle {
  const char* what = nullptr;
  int native = 0;
  explicit operator bool() const noexcept { return what != nullptr; }
};

/// Why a call did not end in its answer.
struct Failure {
  Errc code;
  Execution execution;
  Obstacle obstacle;          // system_error
  std::size_t size;           // message_too_large: of the message
  std::size_t limit;          // and of the slot
  bool is_passed_on = false;  // the handler's words about another channel: it says nothing of this one
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
