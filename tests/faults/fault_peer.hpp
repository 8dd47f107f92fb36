#pragma once

#include <string>
#include <utility>

#include "support/process.hpp"

namespace faults {

template <class... Arguments>
test_support::Process fault_peer(const char* role, Arguments&&... arguments) {
  return test_support::start_peer("shared_channel_fault_peer", role,
                                  {std::string(std::forward<Arguments>(arguments))...});
}

}  // namespace faults
