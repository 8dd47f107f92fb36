#pragma once

#include <algorithm>

#include "../support/message.hpp"

namespace bench {

// The work of both in-place systems, the library's and the one by hand.
inline void answer_in_place(ConstWords request, Words reply) noexcept {
  std::copy(request.begin(), request.end(), reply.begin());
}

inline void read_in_place(ConstWords reply, Messages& messages) noexcept {
  if (holds(reply, messages.sequence())) messages.look_at(reply.data());
}

}  // namespace bench
