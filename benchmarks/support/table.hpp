// Columns as wide as their longest cell; the first column to the left, the others to the right.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "text.hpp"

namespace bench {

class Table {
 public:
  explicit Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }

  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.size() == 1; }

  void print(std::ostream& out = std::cout) const {
    std::vector<std::size_t> widths;
    for (const auto& cells : rows_) {
      widths.resize(std::max(widths.size(), cells.size()));
      for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
    }
    for (const auto& cells : rows_) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string fill(widths[i] - cells[i].size(), ' ');
        out << (i == 0 ? "  " + cells[i] + fill : "  " + fill + cells[i]);
      }
      out << '\n';
    }
    out << std::flush;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace bench
