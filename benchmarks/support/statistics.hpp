// What several samples of one thing say together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace bench {

struct Spread {
  double low = 0, median = 0, high = 0;
};

inline Spread spread(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {values.front(), median, values.back()};
}

}  // namespace bench
