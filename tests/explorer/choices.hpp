// Steps may have several outcomes: which of them a step shall have.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace explorer {

/// The same numbers everywhere (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// From 0 to `count` - 1.
  std::uint32_t below(std::uint32_t count) {
    std::uint64_t mixed = state_ += 0x9E37'79B9'7F4A'7C15;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58'476D'1CE4'E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D0'49BB'1331'11EB;
    return static_cast<std::uint32_t>(mixed >> 32) % count;
  }

 private:
  std::uint64_t state_;
};

/// Which outcomes a step shall have where it may have several; enumerates them all, or draws one.
class Choices {
 public:
  void begin() { used_ = 0; }
  void draw_with(Random& random) { random_ = &random; }
  int among(int count) {
    if (count < 2) return 0;
    if (random_ != nullptr) return static_cast<int>(random_->below(static_cast<std::uint32_t>(count)));
    if (used_ == room) {
      is_full_ = true;
      return 0;
    }
    const auto at = static_cast<std::size_t>(used_++);
    if (used_ > given_) {
      chosen_[at] = 0;
      given_ = used_;
    }
    count_[at] = static_cast<std::uint8_t>(count);
    return chosen_[at];
  }
  /// Whether there was no room for all.
  [[nodiscard]] bool is_full() const { return is_full_; }
  /// False: all were tried.
  bool next() {
    for (given_ = used_; given_ > 0; --given_) {
      const auto last = static_cast<std::size_t>(given_ - 1);
      if (++chosen_[last] < count_[last]) return true;
    }
    return false;
  }

 private:
  static constexpr int room = 12;
  std::array<std::uint8_t, room> chosen_{}, count_{};
  int used_ = 0, given_ = 0;
  Random* random_ = nullptr;
  bool is_full_ = false;
};

}  // namespace explorer
