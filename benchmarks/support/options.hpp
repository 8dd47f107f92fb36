// A program's command line.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text.hpp"

namespace bench {

// `--key value` and `--flag`.
class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (!word.starts_with("--")) {
        strays_.emplace_back(word);
        continue;
      }
      const bool has_value = i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--");
      values_[std::string(word.substr(2))] = has_value ? argv[++i] : "";
    }
  }

  // A sentence about the first word that is no option of the program's; empty if there is none.
  std::string complaint(std::initializer_list<std::string_view> known) const {
    std::string stray = strays_.empty() ? "" : strays_.front();
    for (const auto& [key, value] : values_)
      if (std::find(known.begin(), known.end(), key) == known.end()) stray = "--" + key;
    if (stray.empty()) return "";
    std::string sentence = "no option '" + stray + "'; there are";
    for (const std::string_view key : known) sentence.append(" --").append(key);
    return sentence;
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
  std::vector<std::string> strays_;
};

}  // namespace bench
