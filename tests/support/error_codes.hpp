// Every Errc that has a name, in the order of its number. They follow one another from 1.
#pragma once

#include <vector>

#include <shared_channel/error.hpp>

namespace test_support {

inline std::vector<shared_channel::Errc> error_codes() {
  std::vector<shared_channel::Errc> codes;
  for (int number = 1; to_string(static_cast<shared_channel::Errc>(number)) != "unknown"; ++number)
    codes.push_back(static_cast<shared_channel::Errc>(number));
  return codes;
}

}  // namespace test_support
