#include "text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "terminal.hpp"

namespace tool {
namespace {

std::string with_unit(double value, const char* unit) {
  char text[48];
  const int digits = std::fabs(value) < 9.95 && value != std::floor(value) ? 1 : 0;
  std::snprintf(text, sizeof text, "%.*f %s", digits, value, unit);
  return text;
}

/// Characters, not bytes: what we write is UTF-8.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string cut(std::string text, std::size_t width) {
  while (width_of(text) > width) {
    while ((static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    text.pop_back();
  }
  return text;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text) {
  using std::chrono::nanoseconds;
  if (text == "inf") return (nanoseconds::max)();
  struct Unit {
    std::string_view name;
    double ns;
  };
  constexpr Unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}};
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !(number >= 0)) return std::nullopt;
  const std::string_view name = end;
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    const double ns = number * unit.ns;
    return ns < 9e18 ? nanoseconds(static_cast<nanoseconds::rep>(ns)) : (nanoseconds::max)();
  }
  return number == 0 && name.empty() ? std::optional(nanoseconds::zero()) : std::nullopt;
}

std::string duration_text(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<double>(duration.count());
  const double size = std::fabs(ns);
  if (size < 1e3) return with_unit(ns, "ns");
  if (size < 1e6) return with_unit(ns / 1e3, "us");
  if (size < 1e9) return with_unit(ns / 1e6, "ms");
  if (size < 120e9) return with_unit(ns / 1e9, "s");
  if (size < 7200e9) return with_unit(ns / 60e9, "min");
  return with_unit(ns / 3600e9, "h");
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 999.5 && unit + 1 < units.size(); ++unit) amount /= 1000;
  return with_unit(amount, units[unit]);
}

std::string rate_text(double per_second) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", per_second > 0.04 && per_second < 9.95 ? 1 : 0, per_second);
  return text;
}

std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return shown;
}

bool has_colours() {
  static const bool has = [] {
    const char* const no_colour = std::getenv("NO_COLOR");
    return (no_colour == nullptr || *no_colour == '\0') && is_terminal() && understands_escapes();
  }();
  return has;
}

std::string coloured(Colour colour, std::string_view text) {
  constexpr std::array codes{"", "1", "2", "32", "33", "31"};
  if (colour == Colour::none || !has_colours()) return std::string(text);
  return std::string("\x1b[") + codes[static_cast<std::size_t>(colour)] + 'm' + std::string(text) + "\x1b[0m";
}

std::vector<std::string> Table::lines(std::size_t width) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize((std::max)(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = (std::max)(widths[i], width_of(row[i].text));
  }
  std::vector<std::string> lines;
  for (const auto& row : rows_) {
    std::string line;
    std::size_t at = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t gap = i == 0 ? 0 : 2;
      if (width != 0 && at + gap >= width) break;
      const std::size_t room = width == 0 ? widths[i] : (std::min)(widths[i], width - at - gap);
      const std::string text = cut(row[i].text, room);
      const std::string rest(room - width_of(text), ' ');
      const bool is_last = i + 1 == row.size() && !row[i].is_number;
      line += std::string(gap, ' ') + (row[i].is_number ? rest : "") + coloured(row[i].colour, text) +
              (row[i].is_number || is_last ? "" : rest);
      at += gap + room;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

void Table::print() const {
  for (const std::string& line : lines()) std::printf("%s\n", line.c_str());
}

}  // namespace tool
