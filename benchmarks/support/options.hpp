#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text.hpp"

namespace bench {

// `--key value` and `--flag`; anything else is left to the caller's usage text.
class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (!word.starts_with("--")) continue;
      const bool has_value = i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--");
      values_[std::string(word.substr(2))] = has_value ? argv[++i] : "";
    }
  }

  bool has(const std::string& key) const { return values_.contains(key); }

  std::string text(const std::string& key, std::string fallback) const {
    const auto found = values_.find(key);
    return found == values_.end() ? fallback : found->second;
  }

  double number(const std::string& key, double fallback) const {
    return has(key) ? std::stod(text(key, "0")) : fallback;
  }

  // Comma-separated.
  std::vector<std::string> list(const std::string& key, std::vector<std::string> fallback) const {
    return has(key) ? split(text(key, "")) : fallback;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace bench
