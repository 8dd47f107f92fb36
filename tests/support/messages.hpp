// The channel of most tests: what they ask of a peer that serves, and what it answers.
#pragma once

#include <cstdint>

#include <shared_channel/channel.hpp>

namespace test_support {

// What tests ask of the peers that serve. alignas: 32-bit x86 aligns 64-bit members to 4 otherwise.
struct Ask {
  enum class What : std::uint32_t {
    echo,   // answers
    nap,    // answers after some milliseconds
    hang,   // says "taken" to the test and never answers
    fail,   // throws std::runtime_error
    leave,  // ends the process from inside the handler
  };

  What what = What::echo;
  std::uint32_t milliseconds = 0;
  alignas(8) std::uint64_t id = 0;
};

struct Answer {
  alignas(8) std::uint64_t id = 0;
  alignas(8) std::uint64_t runs = 0;  // how often the handler has run, this time included
};

using Channel = shared_channel::SharedChannel<Ask, Answer>;

inline Ask echo(std::uint64_t id) { return {Ask::What::echo, 0, id}; }
inline Ask nap(std::uint32_t milliseconds, std::uint64_t id = 0) { return {Ask::What::nap, milliseconds, id}; }
inline constexpr Ask hang{Ask::What::hang, 0, 0};
inline constexpr Ask fail{Ask::What::fail, 0, 0};
inline constexpr Ask leave{Ask::What::leave, 0, 0};

// A message of many pages.
struct Block {
  static constexpr std::size_t count = std::size_t{1} << 17;
  alignas(8) std::uint64_t words[count];
};
using BlockChannel = shared_channel::SharedChannel<Block>;

}  // namespace test_support
