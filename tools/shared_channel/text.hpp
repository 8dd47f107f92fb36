// How the tool writes what it says: tables, amounts, colours.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

/// "250ms", "1.5s", "20us", "3min", "inf"; nothing for other texts.
std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

std::string duration_text(std::chrono::nanoseconds duration);  // "1.2 ms"
std::string bytes_text(std::uint64_t bytes);                   // "8.8 kB"
std::string rate_text(double per_second);                      // "55044", "0.3"

/// Whose text stands on the page of a server, which may be anybody's: nothing in it upsets a terminal.
std::string printable(std::string_view text);

enum class Colour { none, bold, dim, green, yellow, red };

/// Whether standard output takes colours: a terminal, and no NO_COLOR.
bool has_colours();
std::string coloured(Colour colour, std::string_view text);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
  bool is_number = false;  // stands at the right of its column
};

/// Columns as wide as what is in them, two spaces apart. No longer than `width`, if that is not 0.
class Table {
 public:
  explicit Table(std::vector<Cell> heading) { rows_.push_back(std::move(heading)); }
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::vector<std::string> lines(std::size_t width = 0) const;
  void print() const;

 private:
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace tool
