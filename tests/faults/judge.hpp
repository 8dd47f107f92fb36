// Compares what callers were told with what the handler did.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "job.hpp"

namespace faults {

/// A journal's directory, gone at the end.
struct Records {
  explicit Records(const std::string& name) : path((std::filesystem::temp_directory_path() / name).string()) {
    std::filesystem::create_directory(path);
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;
  ~Records() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

/// In the unit of Verdict::late_by().
constexpr double in_milliseconds(std::chrono::nanoseconds time) { return 1e-6 * static_cast<double>(time.count()); }

/// The id of calls that nobody keeps a record of.
inline constexpr std::uint64_t unrecorded = 1;

struct Verdict {
  Verdict() = default;
  Verdict(const std::vector<Record>& records, const std::vector<std::uint64_t>& executed) {
    std::unordered_map<std::uint64_t, int> executions;
    for (const std::uint64_t id : executed) ++executions[id];
    for (const auto& [id, count] : executions) executed_twice += id != unrecorded && count > 1;
    std::unordered_set<std::uint64_t> seen;
    std::unordered_map<std::uint64_t, Span> spans;
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
      spans[record.id >> 32].add(record.id);
      timed_out += record.code == static_cast<std::uint32_t>(shared_channel::Errc::timed_out);
      if (record.overrun_in_microseconds > 0) late.push_back(record.overrun_in_microseconds);
    }
    for (const auto& [caller, span] : spans) lost += span.gaps();
    std::sort(late.begin(), late.end());
  }

  Verdict& operator+=(const Verdict& other) {
    calls += other.calls, answered += other.answered, wrong += other.wrong, safe += other.safe,
        possible += other.possible;
    timed_out += other.timed_out, executed_twice += other.executed_twice, told_wrongly += other.told_wrongly;
    never_ran += other.never_ran, ended_twice += other.ended_twice, lost += other.lost;
    late.insert(late.end(), other.late.begin(), other.late.end());
    std::sort(late.begin(), late.end());
    return *this;
  }

  [[nodiscard]] bool holds() const {
    return answered > 0 && wrong == 0 && executed_twice == 0 && told_wrongly == 0 && never_ran == 0 &&
           ended_twice == 0 && lost == 0;
  }

  [[nodiscard]] double late_by(double quantile) const {
    if (late.empty()) return 0;
    return 1e-3 * static_cast<double>(late[static_cast<std::size_t>(quantile * static_cast<double>(late.size() - 1))]);
  }

  void print(const std::string& what) const {
    std::printf(
        "%s: %zu calls: %zu answered, %zu safe to retry, %zu possibly executed; %zu wrong, %zu executed twice, %zu "
        "told "
        "wrongly, "
        "%zu answered unexecuted, %zu ended twice, %zu lost; past the deadline by %.2f ms (median), %.2f ms (99 %%), "
        "%.2f ms (longest)\n",
        what.c_str(), calls, answered, safe, possible, wrong, executed_twice, told_wrongly, never_ran, ended_twice,
        lost, late_by(0.5), late_by(0.99), late_by(1));
    std::fflush(stdout);
  }

  std::size_t calls = 0, answered = 0, wrong = 0, safe = 0, possible = 0, timed_out = 0;
  std::size_t executed_twice = 0, told_wrongly = 0, never_ran = 0, ended_twice = 0, lost = 0;
  std::vector<std::int64_t> late;  // sorted

 private:
  /// A caller's ids follow each other, and so do its calls: a hole is a call that never ended.
  struct Span {
    void add(std::uint64_t id) { first = (std::min)(first, id), last = (std::max)(last, id), ++count; }
    [[nodiscard]] std::size_t gaps() const { return static_cast<std::size_t>(last - first + 1 - count); }
    std::uint64_t first = ~std::uint64_t{0}, last = 0, count = 0;
  };
};

}  // namespace faults
