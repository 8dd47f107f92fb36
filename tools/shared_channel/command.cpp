#include "command.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "text.hpp"

namespace tool {

CLI::App& add_command(CLI::App& app, Common& common, const char* name, const char* about, const char* examples) {
  CLI::App& command = *app.add_subcommand(name, about);
  command.footer(std::string("Examples:\n") + examples);
  command.add_flag("--json", common.json, "JSON instead of text, for programs");
  command.add_flag("--machine", common.machine,
                   "Channels of Scope::machine (Win32: Global\\; elsewhere no difference)");
  return command;
}

CLI::Option& add_duration(CLI::App& command, const char* name, std::chrono::nanoseconds& value, const char* about) {
  const auto read = [&value](const CLI::results_t& words) {
    const auto duration = parse_duration(words.back());
    if (duration) value = *duration;
    return duration.has_value();
  };
  return *command.add_option(name, read, about)->type_name("TIME")->take_last();
}

void print(const Json& value) {
  std::printf("%s\n", value.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

bool flush_output() {
  static bool is_told = false;
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  const int why = errno;
  if (!is_told)
    std::fprintf(stderr, "shared_channel: cannot write to standard output%s%s\n", why != 0 ? ": " : "",
                 why != 0 ? std::strerror(why) : "");
  is_told = true;
  return false;
}

Json to_json(const shared_channel::Error& error) {
  return {{"code", std::string(to_string(error.code()))},
          {"message", printable(error.message())},
          {"native", error.native()},
          {"not_executed", error.not_executed()},
          {"safe_to_retry", error.safe_to_retry()}};
}

int report(const Common& common, const shared_channel::Error& error) {
  if (common.json)
    print({{"error", to_json(error)}});
  else
    std::fprintf(stderr, "%s\n", printable(error.message()).c_str());
  if (error.code() == shared_channel::Errc::invalid_name) return exit_code::usage;
  if (!error.not_executed()) return exit_code::perhaps_run;
  return error.safe_to_retry() ? exit_code::not_there : exit_code::refused;
}

int report(const Common& common, int code, std::string_view sentence) {
  if (common.json)
    print({{"error", {{"message", std::string(sentence)}}}});
  else
    std::fprintf(stderr, "shared_channel: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  return code;
}

}  // namespace tool
