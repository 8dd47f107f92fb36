// Whether others have many calls in flight.
#include "support/catch.hpp"

#include <shared_channel/detail/client/crowd.hpp>
#include <shared_channel/detail/message/message.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/messages.hpp"

namespace crowd_test {

using namespace shared_channel::detail;

namespace {

constexpr std::uint32_t me = 3, another = 5;

/// Slots that belong to nobody.
class Slots {
 public:
  explicit Slots(std::uint32_t count)
      : bytes_(Geometry::of(shape, count).total_bytes / alignof(Slot) + 1),
        array_(bytes_.data()->bytes, shape, count) {}

  void belong(std::uint32_t first, std::uint32_t last, std::uint32_t owner) {
    for (std::uint32_t index = first; index < last; ++index) array_[index].owner.store(owner);
  }
  [[nodiscard]] bool are_crowded() const { return others_hold_many(array_, me); }

 private:
  static constexpr Shape shape = shape_of<test_support::Ask, test_support::Answer>();

  struct alignas(Slot) Line {
    std::byte bytes[alignof(Slot)]{};
  };
  std::vector<Line> bytes_;
  SlotArray array_;
};

}  // namespace

TEST_CASE("crowd: many calls of others are one, wherever they are") {
  Slots slots(64);
  CHECK_FALSE(slots.are_crowded());
  slots.belong(57, 64, another);
  CHECK_FALSE(slots.are_crowded());
  slots.belong(0, 1, another);
  CHECK(slots.are_crowded());
}

TEST_CASE("crowd: one's own calls in flight are none") {
  Slots slots(64);
  slots.belong(0, 64, me);
  CHECK_FALSE(slots.are_crowded());
}

TEST_CASE("crowd: a channel with few calls has none") {
  Slots slots(7);
  slots.belong(0, 7, another);
  CHECK_FALSE(slots.are_crowded());
}

}  // namespace crowd_test
