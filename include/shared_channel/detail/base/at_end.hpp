// Does something when a scope is left.
#pragma once

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Calls `end` when it goes out of scope, by a return, an exception or the end of the thread.
template <class End>
class AtEnd {
 public:
  explicit AtEnd(End end) noexcept : end_(end) {}
  ~AtEnd() { end_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  End end_;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
