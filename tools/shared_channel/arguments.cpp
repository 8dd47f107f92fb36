#include "arguments.hpp"

#include <cstddef>
#include <utility>

namespace tool {
namespace {

constexpr char guard = ' ';

const CLI::App* command_of(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

/// The words of one command, from first to last.
class Words {
 public:
  Words(const CLI::App& command, std::vector<std::string> words) : command_(command), rest_(std::move(words)) {}

  std::vector<std::string> all() {
    bool is_option_possible = true;
    while (at_ < rest_.size()) {
      const std::string word = rest_[at_++];
      if (is_option_possible && word == "--") {
        is_option_possible = false;
      } else if (!is_option_possible || !looks_like_option(word)) {
        guard_word(word);
      } else if (word[1] == '-') {
        add_long(word);
      } else {
        add_short(word);
      }
    }
    return std::move(guarded_);
  }

 private:
  /// One or two dashes and a letter. -inf is a number, unless the command has an option -i.
  [[nodiscard]] bool looks_like_option(const std::string& word) const {
    const std::size_t dashes = word.starts_with("--") ? 2 : word.starts_with('-') ? 1 : 0;
    if (dashes == 0 || word.size() == dashes) return false;
    const char first = word[dashes];
    const bool is_letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    return is_letter && (word != "-inf" || option("i", false) != nullptr);
  }

  [[nodiscard]] const CLI::Option* option(const std::string& name, bool is_long) const {
    for (const CLI::Option* const one : command_.get_options()) {
      if (is_long ? one->check_lname(name) : one->check_sname(name)) return one;
    }
    return nullptr;
  }
  static bool takes_value(const CLI::Option* option) {
    return option != nullptr && option->get_items_expected_max() != 0;
  }

  /// --name, --name VALUE or --name=VALUE.
  void add_long(const std::string& word) {
    const std::size_t equals = word.find('=');
    if (!takes_value(option(word.substr(2, equals - 2), true))) return guarded_.push_back(word);
    guarded_.push_back(word.substr(0, equals));
    equals == std::string::npos ? guard_next() : guard_word(word.substr(equals + 1));
  }

  /// -abc, where the last one may have a value: -cVALUE or -c VALUE.
  void add_short(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const CLI::Option* const one = option(word.substr(i, 1), false);
      if (one == nullptr) return guarded_.push_back('-' + word.substr(i));  // which CLI11 does not know either
      guarded_.push_back({'-', word[i]});
      if (!takes_value(one)) continue;
      return i + 1 == word.size() ? guard_next() : guard_word(word.substr(i + 1));
    }
  }

  void guard_word(const std::string& word) { guarded_.push_back(guard + word); }
  void guard_next() {
    if (at_ < rest_.size()) guard_word(rest_[at_++]);
  }

  const CLI::App& command_;
  std::vector<std::string> rest_, guarded_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::string> guarded(const CLI::App& app, const std::vector<std::string>& words) {
  // What stands before the command are options of the whole program, which take no values.
  std::size_t at = 0;
  while (at < words.size() && words[at].starts_with('-')) ++at;
  const CLI::App* const command = at < words.size() ? command_of(app, words[at]) : nullptr;
  if (command == nullptr) return words;
  const auto first = words.begin() + static_cast<std::ptrdiff_t>(at) + 1;
  std::vector<std::string> all(words.begin(), first);
  for (std::string& word : Words(*command, {first, words.end()}).all()) all.push_back(std::move(word));
  return all;
}

CLI::Option& add_word(CLI::App& command, const char* name, std::string& word, const char* about) {
  const auto take = [&word](const CLI::results_t& words) {
    word = words.front().substr(1);
    return true;
  };
  return *command.add_option(name, take, about);
}

CLI::Option& add_words(CLI::App& command, const char* name, std::vector<std::string>& words, const char* about) {
  const auto take = [&words](const CLI::results_t& guarded_words) {
    for (const std::string& word : guarded_words) words.push_back(word.substr(1));
    return true;
  };
  return *command.add_option(name, take, about)->expected(1, -1)->allow_extra_args();
}

}  // namespace tool
