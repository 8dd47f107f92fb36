// Memory of asynchronous calls is used again.
#include "support/catch.hpp"

#include <shared_channel/detail/base/spares.hpp>

#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace spares_test {

using shared_channel::detail::Spares;

TEST_CASE("spares: what was given back is taken again, the last first") {
  Spares spares(40);
  void* const one = spares.take();
  void* const two = spares.take();
  spares.give(one);
  spares.give(two);
  CHECK(spares.take() == two);
  CHECK(spares.take() == one);
  spares.give(one);
  spares.give(two);
}

TEST_CASE("spares: more blocks than are kept go back to the allocator") {
  Spares spares(16);
  std::set<void*> blocks;
  for (int i = 0; i < 200; ++i) blocks.insert(spares.take());
  CHECK(blocks.size() == 200);
  for (void* const block : blocks) spares.give(block);
}

TEST_CASE("spares: no two threads have one block") {
  constexpr std::size_t bytes = 64;
  Spares spares(bytes);
  const auto use = [&](unsigned char mark) {
    std::vector<unsigned char*> mine;
    for (int round = 0; round < 20'000; ++round) {
      for (int i = 0; i < round % 5; ++i) {
        mine.push_back(static_cast<unsigned char*>(spares.take()));
        std::memset(mine.back(), mark, bytes);
      }
      bool is_mine = true;
      for (unsigned char* const block : mine) {
        for (std::size_t at = 0; at < bytes; ++at) is_mine = is_mine && block[at] == mark;
        spares.give(block);
      }
      mine.clear();
      if (!is_mine) return false;
    }
    return true;
  };
  std::vector<char> are_alone(3);
  std::vector<std::thread> threads;
  for (std::size_t at = 0; at < are_alone.size(); ++at)
    threads.emplace_back([&, at] { are_alone[at] = use(static_cast<unsigned char>(at + 1)) ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  for (const char is_alone : are_alone) CHECK(is_alone == 1);
}

}  // namespace spares_test
