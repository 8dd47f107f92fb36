// Tables of comma-separated values, written and read again.
#pragma once

#include <cstddef>
#include <fstream>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "text.hpp"

namespace bench {

// Names and plain numbers only: nothing here needs quotes.
class CsvWriter {
 public:
  CsvWriter(const std::string& path, std::string_view heading) : out_(path, std::ios::binary) {
    out_ << heading << '\n';
  }

  template <class... Cells>
  void row(const Cells&... cells) {
    const char* comma = "";
    ((out_ << comma << cell(cells), comma = ","), ...);
    out_ << '\n' << std::flush;
  }

 private:
  template <class Cell>
  static std::string cell(const Cell& value) {
    if constexpr (std::is_arithmetic_v<Cell>)
      return format("%.7g", static_cast<double>(value));
    else
      return std::string(value);
  }

  std::ofstream out_;
};

class CsvRow {
 public:
  explicit CsvRow(std::map<std::string, std::string> cells) : cells_(std::move(cells)) {}

  std::string text(const std::string& column) const {
    const auto found = cells_.find(column);
    return found == cells_.end() ? "" : found->second;
  }
  double number(const std::string& column) const {
    const std::string value = text(column);
    return value.empty() ? 0 : std::stod(value);
  }
  bool matches(std::initializer_list<std::pair<const char*, std::string_view>> wanted) const {
    for (const auto& [column, value] : wanted)
      if (text(column) != value) return false;
    return true;
  }

 private:
  std::map<std::string, std::string> cells_;
};

inline std::vector<CsvRow> read_csv(const std::string& path) {
  std::vector<CsvRow> rows;
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) return rows;
  const std::vector<std::string> heading = split(line);
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = split(line);
    std::map<std::string, std::string> named;
    for (std::size_t i = 0; i < cells.size() && i < heading.size(); ++i) named[heading[i]] = cells[i];
    rows.emplace_back(std::move(named));
  }
  return rows;
}

}  // namespace bench
