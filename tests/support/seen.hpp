// What is seen of a channel from outside, for tests that wait until something has begun.
#pragma once

#include <string_view>

#include <shared_channel/inspect.hpp>

#include "support/eventually.hpp"

namespace test_support {

template <class Condition>
bool is_seen(std::string_view name, Condition&& condition) {
  return eventually([&] {
    const auto seen = shared_channel::inspect(name);
    return seen && condition(*seen);
  });
}

/// That a thread of the server has announced that it sleeps.
inline bool server_sleeps(std::string_view name) {
  return is_seen(name, [](const shared_channel::ChannelInfo& seen) { return seen.sleeping_threads != 0; });
}

/// That a caller is the head of the queue, and waits for a slot.
inline bool slot_is_awaited(std::string_view name) {
  return is_seen(name, [](const shared_channel::ChannelInfo& seen) { return seen.is_slot_awaited; });
}

}  // namespace test_support
