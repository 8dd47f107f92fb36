// Where a server expects the next call of a caller with several in flight.
#include "support/catch.hpp"

#include <shared_channel/detail/server/next_slot.hpp>

#include <array>
#include <cstdint>

namespace next_slot_test {

using shared_channel::detail::NextSlot;
using shared_channel::detail::SlotHistory;

struct Server {
  NextSlot guess;
  std::array<SlotHistory, 4> histories;

  std::uint32_t looks_after(std::uint32_t index, bool is_in_flight) {
    guess.taken(index, is_in_flight);
    return guess.learn(histories);
  }
};

TEST_CASE("next slot: it is where the next call came the last time") {
  Server server;
  for (const std::uint32_t index : {0u, 1u, 2u, 3u, 0u}) CHECK(server.looks_after(index, true) > 0);
  CHECK(server.guess.index() == 1);
  CHECK(server.looks_after(1, true) > 0);
  CHECK(server.guess.index() == 2);
  CHECK(server.looks_after(3, true) > 0);
  CHECK(server.guess.index() == 0);
  CHECK(server.histories[1].next == 3);
  CHECK(server.guess.learn(server.histories) > 0);  // a look in vain teaches nothing
  CHECK(server.guess.index() == 0);
}

TEST_CASE("next slot: nothing is expected after a plain call") {
  Server server;
  CHECK(server.looks_after(2, true) > 0);
  CHECK(server.histories[2].was_in_flight);
  CHECK(server.looks_after(2, false) == 0);
  CHECK_FALSE(server.histories[2].was_in_flight);
}

TEST_CASE("next slot: wrong guesses cost ever fewer looks, and right ones make up for them") {
  Server server;
  const auto go_round = [&] {
    std::uint32_t looks = 0;
    for (const std::uint32_t index : {0u, 1u, 2u, 3u}) looks = server.looks_after(index, true);
    return looks;
  };
  go_round();
  const std::uint32_t at_first = go_round();
  for (int i = 0; i < 20; ++i) server.guess.was_wrong();
  CHECK(server.guess.learn(server.histories) < at_first / 4);
  CHECK(server.guess.learn(server.histories) > 0);
  for (int i = 0; i < 50; ++i) go_round();
  CHECK(go_round() == at_first);
}

}  // namespace next_slot_test
