// shared_channel: looks at channels, and asks them.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <shared_channel/version.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "system.hpp"

namespace {

#define TOOL_TEXT_OF(number) #number
#define TOOL_TEXT(number) TOOL_TEXT_OF(number)
constexpr const char* version = "shared_channel " TOOL_TEXT(SHARED_CHANNEL_VERSION_MAJOR) "." TOOL_TEXT(
    SHARED_CHANNEL_VERSION_MINOR) "." TOOL_TEXT(SHARED_CHANNEL_VERSION_PATCH);

int run(int argc, char** argv) {
  CLI::App app("Looks at the shared channels of this machine, and asks them.");
  app.name("shared_channel");
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  app.allow_windows_style_options(false);
  app.footer(
      "Examples:\n"
      "  shared_channel list                  which channels there are\n"
      "  shared_channel show adder            what is going on in one\n"
      "  shared_channel call adder '[2, 3]'   asks its server\n"
      "  shared_channel show -- -odd          what follows -- is no option\n\n"
      "shared_channel COMMAND --help has more. Exit codes: 0 done, 1 something is wrong, 2 usage, 3 not there or try\n"
      "again, 4 refused, 5 a call may have been executed, 6 served.");
  tool::Common common;
  tool::Action action;
  for (const auto add : {tool::add_list, tool::add_show, tool::add_top, tool::add_call, tool::add_clean,
                         tool::add_doctor, tool::add_metrics, tool::add_watch})
    add(app, common, action);
  try {
    // CLI11 wants them from last to first.
    std::vector<std::string> words = tool::guarded(app, tool::arguments_of(argc, argv));
    std::reverse(words.begin(), words.end());
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? tool::exit_code::done : tool::exit_code::usage;
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) try {
  const int code = run(argc, argv);
  return tool::flush_output() || code != tool::exit_code::done ? code : tool::exit_code::problem;
} catch (const std::exception& error) {
  std::fprintf(stderr, "shared_channel: %s\n", error.what());
  return tool::exit_code::problem;
}
