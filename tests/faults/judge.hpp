// Compares what callers were told with what the handler did.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "job.hpp"

namespace faults {

/// A journal's file, gone at the end.
struct File {
  explicit File(const std::string& name) : path((std::filesystem::temp_directory_path() / name).string()) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
  std::string path;
};

/// The id of calls that nobody keeps a record of.
inline constexpr std::uint64_t unrecorded = 1;

struct Verdict {
  Verdict() = default;
  Verdict(const std::vector<Record>& records, const std::vector<std::uint64_t>& executed) {
    std::unordered_map<std::uint64_t, int> executions;
    for (const std::uint64_t id : executed) ++executions[id];
    for (const auto& [id, count] : executions) executed_twice += id != unrecorded && count > 1;
    std::unordered_set<std::uint64_t> seen;
    for (const Record& record : records) {
      const bool ran = executions.contains(record.id);
      ++calls;
      answered += record.end == End::answered;
      wrong += record.end == End::wrong;
      safe += record.end == End::safe;
      possible += record.end == End::possible;
      told_wrongly += record.end == End::safe && ran;
      never_ran += record.end == End::answered && !ran;
      ended_twice += !seen.insert(record.id).second;
      if (record.overrun_in_microseconds > 0) late.push_back(record.overrun_in_microseconds);
    }
    std::sort(late.begin(), late.end());
  }

  [[nodiscard]] bool holds() const {
    return answered > 0 && wrong == 0 && executed_twice == 0 && told_wrongly == 0 && never_ran == 0 && ended_twice == 0;
  }

  [[nodiscard]] double late_by(double quantile) const {
    if (late.empty()) return 0;
    return 1e-3 * static_cast<double>(late[static_cast<std::size_t>(quantile * static_cast<double>(late.size() - 1))]);
  }

  void print(const std::string& what) const {
    std::printf("%s: %zu calls: %zu answered, %zu safe to retry, %zu perhaps executed; %zu wrong, %zu executed twice, %zu told wrongly, "
                "%zu answered unexecuted, %zu ended twice; past the deadline by %.2f ms (median), %.2f ms (99 %%), %.2f ms (longest)\n",
                what.c_str(), calls, answered, safe, possible, wrong, executed_twice, told_wrongly, never_ran, ended_twice, late_by(0.5),
                late_by(0.99), late_by(1));
    std::fflush(stdout);
  }

  std::size_t calls = 0, answered = 0, wrong = 0, safe = 0, possible = 0;
  std::size_t executed_twice = 0, told_wrongly = 0, never_ran = 0, ended_twice = 0;
  std::vector<std::int64_t> late;
};

}  // namespace faults
