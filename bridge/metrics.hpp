// What each end counts, and how a scraper reads it: the text format of Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <shared_channel/error.hpp>

namespace bridge {

/// Of one channel at one end. Any thread may count.
class Metrics {
 public:
  using Count = std::atomic<std::uint64_t>;

  void answered(std::chrono::nanoseconds took);
  void failed(shared_channel::Errc code);

  Count calls{0};        ///< Calls that came.
  Count late{0};         ///< Answers to calls that had ended.
  Count nobody{0};       ///< Messages that reached nobody.
  Count passed_over{0};  ///< Calls taken to another exporter, because one had not executed them.
  Count cancelled{0};    ///< Cancellations sent or obeyed.
  Count expired{0};      ///< Calls that came too late to be executed.
  Count in_flight{0};
  Count peers{0};      ///< Exporters or importers known now.
  Count is_served{0};  ///< Whether calls can be taken.

  /// Lines for `channel` at `end`, which is "import" or "export".
  [[nodiscard]] std::string text(std::string_view end, std::string_view channel) const;

 private:
  static constexpr std::array<double, 12> bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                 0.01,   0.025,   0.05,   0.1,   0.5,    1};
  std::array<Count, bounds.size() + 1> times_{};
  Count nanoseconds_{0};
  std::array<Count, 32> errors_{};
};

/// The lines of all channels, each family under its heading.
std::string in_families(const std::string& lines);

/// Replaces the file, so that nobody reads half of it. What is no file, such as /dev/stdout, is written to and stays
/// what it is. False if it cannot be written.
bool write_file(const std::string& path, const std::string& text);

}  // namespace bridge
