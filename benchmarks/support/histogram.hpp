// Counts of values in buckets that are exact up to 512 and at most 0.4 % wide above: every sample is kept, the
// largest one exactly. Plain data, so that it can lie in shared memory.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  void record(std::uint64_t value) noexcept {
    ++counts_[bucket(value)];
    ++total_;
    sum_ += static_cast<double>(value);
    max_ = std::max(max_, value);
  }

  void add(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  // The smallest bucket that has `fraction` of all samples at or below it, by its middle.
  double quantile(double fraction) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return std::min(middle(i), static_cast<double>(max_));
    }
    return static_cast<double>(max_);
  }

  std::uint64_t count() const noexcept { return total_; }
  std::uint64_t max() const noexcept { return max_; }
  double mean() const noexcept { return total_ == 0 ? 0 : sum_ / static_cast<double>(total_); }

 private:
  static constexpr unsigned precision = 8;  // bits kept below the leading one
  static constexpr std::uint64_t half = std::uint64_t{1} << precision;
  static constexpr std::uint64_t largest = (std::uint64_t{1} << 48) - 1;

  static std::size_t bucket(std::uint64_t value) noexcept {
    value = std::min(value, largest);
    if (value < 2 * half) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - precision - 1;
    return static_cast<std::size_t>(shift * half + (value >> shift));
  }

  static double middle(std::size_t index) noexcept {
    if (index < 2 * half) return static_cast<double>(index);
    const auto shift = static_cast<unsigned>(index / half) - 1;
    const std::uint64_t low = (index - shift * half) << shift;
    return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
  }

  std::array<std::uint32_t, (48 - precision + 1) * half> counts_;
  std::uint64_t total_;
  double sum_;
  std::uint64_t max_;
};

}  // namespace bench
