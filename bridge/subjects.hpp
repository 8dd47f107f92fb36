// The subjects under which the ends of one channel speak; each is a permission that an account can give or withhold.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bridge {

inline std::string hexadecimal(std::uint64_t number) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, number, 16).ptr;
  return {text, end};
}

class Subjects {
 public:
  Subjects(const std::string& prefix, std::string_view channel) : base_(prefix + '.') {
    // A point parts a subject's tokens; a colon is in no channel's name.
    for (const char character : channel) base_ += character == '.' ? ':' : character;
    base_ += '.';
  }

  [[nodiscard]] std::string find() const { return base_ + "find"; }  ///< from importers to all exporters
  [[nodiscard]] std::string news() const { return base_ + "news"; }  ///< from exporters to all importers
  [[nodiscard]] std::string at(std::uint64_t exporter) const { return base_ + "at." + hexadecimal(exporter); }
  /// What an importer is answered; it ends in a letter and a number, which say to what.
  [[nodiscard]] std::string to(std::uint64_t importer) const { return base_ + "to." + hexadecimal(importer) + '.'; }

 private:
  std::string base_;
};

/// What an answer to an importer belongs to.
struct AnswerTo {
  /// 'f' to Find, 'p' to a Ping (and the exporter), 'b' to Calls (and the number of that batch: it reached nobody),
  /// 'a' to calls that the message names.
  char kind = 0;
  std::uint64_t number = 0;
};

inline std::optional<AnswerTo> answer_to(std::string_view subject) {
  const std::size_t point = subject.rfind('.');
  if (point == std::string_view::npos || point + 1 == subject.size()) return std::nullopt;
  AnswerTo to{subject[point + 1]};
  const std::string_view digits = subject.substr(point + 2);
  if (!digits.empty() && std::from_chars(digits.data(), digits.data() + digits.size(), to.number, 16).ec != std::errc())
    return std::nullopt;
  return to;
}

}  // namespace bridge
