// The tool's commands: each adds itself to the command line, and is run if it was asked for.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include <shared_channel/error.hpp>
#include <shared_channel/options.hpp>

#include "exit_code.hpp"
#include "value.hpp"

namespace tool {

/// What every command takes.
struct Common {
  bool json = false;
  bool machine = false;

  [[nodiscard]] shared_channel::Scope scope() const {
    return machine ? shared_channel::Scope::machine : shared_channel::Scope::session;
  }
};

/// Set by the command that was asked for.
using Action = std::function<int()>;

void add_list(CLI::App& app, Common& common, Action& action);
void add_show(CLI::App& app, Common& common, Action& action);
void add_top(CLI::App& app, Common& common, Action& action);
void add_call(CLI::App& app, Common& common, Action& action);
void add_clean(CLI::App& app, Common& common, Action& action);
void add_doctor(CLI::App& app, Common& common, Action& action);
void add_metrics(CLI::App& app, Common& common, Action& action);
void add_watch(CLI::App& app, Common& common, Action& action);

/// A subcommand with its examples below its help.
CLI::App& add_command(CLI::App& app, Common& common, const char* name, const char* about, const char* examples);
/// An option that takes a duration such as 250ms.
CLI::Option& add_duration(CLI::App& command, const char* name, std::chrono::nanoseconds& value, const char* about);

/// In one line, without anything that upsets a terminal, whoever's text is in it.
std::string json_text(const Json& value);
/// The same on standard output.
void print(const Json& value);
/// Whether standard output took all that was written so far. Where it did not, that is said on standard error, once.
bool flush_output();
/// An error, as a sentence on standard error, or as JSON on standard output. Returns the code.
int report(const Common& common, int code, const shared_channel::Error& error);
int report(const Common& common, int code, std::string_view sentence);
Json to_json(const shared_channel::Error& error);

}  // namespace tool
