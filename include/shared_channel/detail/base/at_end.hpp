// Something to be done when a scope is left.
#pragma once

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Does `end` when it goes out of scope, however that comes about.
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
