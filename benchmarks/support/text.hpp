// Figures as text.
#pragma once

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace bench {

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
inline std::string
format(const char* pattern, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(buffer, sizeof buffer, pattern, arguments);
  va_end(arguments);
  return buffer;
}

// A time in the unit a reader expects: 127 ns, 4.51 us, 1.20 ms.
inline std::string duration(double ns) {
  if (ns < 1000) return format("%.0f ns", ns);
  if (ns < 1e6) return format(ns < 1e5 ? "%.2f us" : "%.0f us", ns / 1e3);
  if (ns < 1e9) return format(ns < 1e8 ? "%.2f ms" : "%.0f ms", ns / 1e6);
  return format("%.2f s", ns / 1e9);
}

inline std::string bytes(double count) {
  if (count < 1024) return format("%.0f B", count);
  if (count < 1024 * 1024) return format("%.0f KiB", count / 1024);
  return format("%.0f MiB", count / (1024 * 1024));
}

inline std::string rate(double per_second) {
  if (per_second >= 1e6) return format("%.2f M/s", per_second / 1e6);
  if (per_second >= 1e3) return format("%.1f k/s", per_second / 1e3);
  return format("%.1f /s", per_second);
}

inline std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

}  // namespace bench
