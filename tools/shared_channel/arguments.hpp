// The command line, word by word as it was given. A command-line library has ideas of its own about some words: CLI11
// takes "[1,2]" apart at its commas, looks for options in "-inf" and "/path", lets "++" end a command, and drops what
// is empty. So it gets each word that is no option, and each option's value, with a blank in front, which means nothing
// to it; the functions below take the blank away again.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace tool {

/// What is to be given to `app`, of what the user gave, without the program's name. After "--" there are no options.
std::vector<std::string> guarded(const CLI::App& app, const std::vector<std::string>& words);

/// A word by its place, one or any number, for commands that are parsed from guarded words.
CLI::Option& add_word(CLI::App& command, const char* name, std::string& word, const char* about);
CLI::Option& add_words(CLI::App& command, const char* name, std::vector<std::string>& words, const char* about);

/// An option with a value: `read` says whether the text is one, and is told of the last where it is given repeatedly.
/// `wanted` completes the complaint "'soon' is no …".
template <class Read>
CLI::Option& add_value(CLI::App& command, const std::string& name, const char* type, const char* about,
                       const std::string& wanted, Read read) {
  const auto take = [=](const CLI::results_t& words) {
    const std::string text = words.back().substr(1);
    if (!read(text)) throw CLI::ValidationError(name.substr(0, name.find(',')), "'" + text + "' is no " + wanted);
    return true;
  };
  return *command.add_option(name, take, about)->type_name(type)->take_last();
}

}  // namespace tool
