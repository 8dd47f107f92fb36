#include "command.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "arguments.hpp"
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
  const auto read = [&value](const std::string& text) {
    const auto duration = parse_duration(text);
    if (duration) value = *duration;
    return duration.has_value();
  };
  return add_value(command, name, "TIME", about, "time such as 250ms, 1.5s or inf", read);
}

std::string json_text(const Json& value) {
  std::string text;
  const std::string dumped = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t i = 0; i < dumped.size(); ++i) {
    const auto byte = static_cast<unsigned char>(dumped[i]);
    const auto next = i + 1 < dumped.size() ? static_cast<unsigned char>(dumped[i + 1]) : 0u;
    const bool is_control = byte == 0xC2 && next >= 0x80 && next < 0xA0;  // U+0080 to U+009F, in UTF-8
    if (byte != 0x7F && !is_control) {
      text += dumped[i];
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", is_control ? next : 0x7Fu);
    text += escaped;
    i += is_control ? 1 : 0;
  }
  return text;
}

void print(const Json& value) { std::printf("%s\n", json_text(value).c_str()); }

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
          {"safe_to_retry", error.safe_to_retry()},
          {"passed_on", error.passed_on()}};
}

int report(const Common& common, int code, const shared_channel::Error& error) {
  if (common.json)
    print({{"error", to_json(error)}});
  else
    std::fprintf(stderr, "%s\n", printable(error.message()).c_str());
  return code;
}

int report(const Common& common, int code, std::string_view sentence) {
  if (common.json)
    print({{"error", {{"message", std::string(sentence)}}}});
  else
    std::fprintf(stderr, "shared_channel: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  return code;
}

}  // namespace tool
