#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <shared_channel/version.hpp>

namespace bridge {
namespace {

using Json = nlohmann::json;

constexpr const char* picture = R"(
  machine A                                                  machine B (and C, ...)
  client --shared memory--> import NAME --NATS--> export NAME --shared memory--> server

  On B, beside the server:      shared_channel_bridge export adder --nats nats://broker:4222
  On A, beside the clients:     shared_channel_bridge import adder --nats nats://broker:4222
  Clients and servers stay as they are: Client("adder") on A now calls Server("adder") on B.

A channel may be imported on any number of machines, and exported on any number: calls go to the exporter with the most
room. NAME=OTHER: the channel is called NAME here and OTHER between the bridges. `run FILE` takes many from a file:

  { "nats": "tls://broker:4222", "credentials": "/etc/bridge.creds", "metrics": "/var/lib/node_exporter/bridge.prom",
    "export": ["adder", { "name": "frames", "as": "north.frames" }],
    "import": [{ "name": "phone_book", "max_calls": 64, "access": "everyone" }] }

SIGTERM or Ctrl-C ends it gracefully: no new calls, and those in flight are answered. See docs/beyond_one_machine.md.)";

/// What one channel is told, on the command line or in the file.
struct Channel {
  std::string name, as, access = "user", server = "mine";
  unsigned max_calls = 0;
};

struct Settings {
  NatsOptions nats;
  std::string prefix = "shared_channel", metrics, password_file;
  std::chrono::milliseconds silence{200}, grace{5000};
  bool must_log_calls = false;
};

[[noreturn]] void complain(const std::string& sentence) { throw std::invalid_argument(sentence); }

std::chrono::milliseconds duration_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  if (error == std::errc() && number < 1'000'000'000) {
    if (unit == "ms") return std::chrono::milliseconds(number);
    if (unit == "s") return std::chrono::seconds(number);
  }
  complain("'" + text + "' is no time such as 200ms or 5s");
}

shared_channel::Access access_of(const std::string& text) {
  if (text == "user") return shared_channel::Access::current_user();
  if (text == "everyone") return shared_channel::Access::everyone();
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size())
    complain("'" + text + "' is neither user, nor everyone, nor a mode such as 0660");
  return shared_channel::Access::mode(mode);
}

shared_channel::ServerUser server_of(const std::string& text) {
  if (text == "mine") return shared_channel::ServerUser::mine_or_system();
  if (text == "any") return shared_channel::ServerUser::any();
  std::uint32_t user = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), user);
  if (error != std::errc() || end != text.data() + text.size())
    complain("'" + text + "' is neither mine, nor any, nor the number of a user");
  return shared_channel::ServerUser::uid(user);
}

std::string valid_name(const std::string& name) {
  const auto names = shared_channel::detail::Names::make(name, shared_channel::Scope::session);
  if (!names) complain(names.error().message());
  return name;
}

/// NAME or NAME=OTHER.
Channel channel_of(const std::string& word, Channel channel) {
  const std::size_t equals = word.find('=');
  channel.name = word.substr(0, equals);
  channel.as = equals == std::string::npos ? channel.name : word.substr(equals + 1);
  return channel;
}

void add(Options& options, const Settings& settings, const Channel& channel, bool is_import) {
  if (is_import) {
    ImportOptions import;
    import.name = valid_name(channel.name);
    import.far_name = valid_name(channel.as);
    import.prefix = settings.prefix;
    import.max_calls = channel.max_calls;
    import.silence = settings.silence;
    import.access = access_of(channel.access);
    options.imports.push_back(std::move(import));
    return;
  }
  ExportOptions exported;
  exported.name = valid_name(channel.name);
  exported.far_name = valid_name(channel.as);
  exported.prefix = settings.prefix;
  exported.must_log_calls = settings.must_log_calls;
  exported.server = server_of(channel.server);
  options.exports.push_back(std::move(exported));
}

void finish(Options& options, Settings settings) {
  if (!settings.password_file.empty()) {
    std::ifstream file(settings.password_file);
    if (!std::getline(file, settings.nats.password)) complain("no password can be read from " + settings.password_file);
  }
  if (settings.nats.certificate.empty() != settings.nats.key.empty())
    complain("a certificate needs its key, and a key its certificate");
  if (settings.silence < std::chrono::milliseconds(20)) complain("less than 20ms of silence happens on any network");
  options.nats = std::move(settings.nats);
  options.nats.name = "shared_channel_bridge";
  // Whoever bears long silences has a slow network.
  if (!options.imports.empty())
    options.nats.write_deadline = std::max(settings.silence, std::chrono::milliseconds(200));
  options.metrics = std::move(settings.metrics);
  options.grace = settings.grace;
}

// ---- the file ----

void must_know(const Json& object, const std::set<std::string>& keys) {
  for (const auto& [key, value] : object.items()) {
    if (!keys.contains(key)) complain("'" + key + "' is nothing that can be set");
  }
}

Channel channel_in(const Json& value, bool is_import) {
  if (value.is_string()) return channel_of(value.get<std::string>(), {});
  using Keys = std::set<std::string>;
  must_know(value, is_import ? Keys{"name", "as", "max_calls", "access"} : Keys{"name", "as", "server"});
  Channel channel;
  channel.name = value.at("name").get<std::string>();
  channel.as = value.value("as", channel.name);
  channel.max_calls = value.value("max_calls", 0u);
  channel.access = value.value("access", channel.access);
  channel.server = value.value("server", channel.server);
  return channel;
}

Options read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) complain(path + " cannot be read");
  try {
    const Json json = Json::parse(file);
    must_know(json, {"nats", "credentials", "user", "password_file", "ca", "certificate", "key", "prefix", "metrics",
                     "silence", "grace", "log_calls", "export", "import"});
    Settings settings;
    const auto text = [&](const char* key, std::string& value) { value = json.value(key, value); };
    text("nats", settings.nats.url);
    text("credentials", settings.nats.credentials);
    text("user", settings.nats.user);
    text("password_file", settings.password_file);
    text("ca", settings.nats.ca);
    text("certificate", settings.nats.certificate);
    text("key", settings.nats.key);
    text("prefix", settings.prefix);
    text("metrics", settings.metrics);
    settings.must_log_calls = json.value("log_calls", false);
    if (json.contains("silence")) settings.silence = duration_of(json["silence"].get<std::string>());
    if (json.contains("grace")) settings.grace = duration_of(json["grace"].get<std::string>());
    Options options;
    for (const bool is_import : {false, true}) {
      for (const Json& channel : json.value(is_import ? "import" : "export", Json::array()))
        add(options, settings, channel_in(channel, is_import), is_import);
    }
    if (options.imports.empty() && options.exports.empty()) complain("it neither exports nor imports a channel");
    finish(options, std::move(settings));
    return options;
  } catch (const std::exception& error) {
    complain(path + ": " + error.what());
  }
}

// ---- the command line ----

void add_duration(CLI::App& command, const char* name, std::chrono::milliseconds& value, const char* about) {
  command
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { value = duration_of(text); }, about)
      ->type_name("TIME");
}

void add_settings(CLI::App& command, Settings& settings) {
  NatsOptions& nats = settings.nats;
  command.add_option("--nats", nats.url, "Where nats-server is, or several with commas between")->type_name("URL");
  command.add_option("--credentials", nats.credentials, "A .creds file of NATS")->type_name("FILE");
  command.add_option("--user", nats.user, "User name, unless the URL has it")->type_name("NAME");
  command.add_option("--password-file", settings.password_file, "Its first line is the password")->type_name("FILE");
  command.add_option("--ca", nats.ca, "Who signs the server's certificate (PEM); makes the connection TLS")
      ->type_name("FILE");
  command.add_option("--certificate", nats.certificate, "Our own certificate (PEM)")->type_name("FILE");
  command.add_option("--key", nats.key, "Its key (PEM)")->type_name("FILE");
  command.add_option("--prefix", settings.prefix, "Of all subjects, default shared_channel; the same at both ends")
      ->type_name("WORD");
  command.add_option("--metrics", settings.metrics, "Written each second for Prometheus")->type_name("FILE");
  add_duration(command, "--grace", settings.grace, "How long calls in flight may take at the end, default 5s");
}

}  // namespace

std::optional<Options> options_of(int argc, char** argv, int& code) {
  CLI::App app("Carries shared channels from machine to machine over NATS.");
  app.name("shared_channel_bridge");
  app.set_version_flag("--version", "shared_channel_bridge " + std::to_string(SHARED_CHANNEL_VERSION_MAJOR) + '.' +
                                        std::to_string(SHARED_CHANNEL_VERSION_MINOR) + '.' +
                                        std::to_string(SHARED_CHANNEL_VERSION_PATCH));
  app.require_subcommand(1);
  app.footer(picture);

  Settings settings;
  Channel each;
  std::vector<std::string> words;
  std::string file;
  CLI::App& exporting = *app.add_subcommand("export", "Offer channels of this machine to others");
  CLI::App& importing = *app.add_subcommand("import", "Have channels of other machines here");
  for (CLI::App* command : {&exporting, &importing}) {
    command->add_option("channel", words, "NAME, or NAME=OTHER where the other end calls it so")->required();
    add_settings(*command, settings);
    command->footer(picture);
  }
  exporting.add_flag("--log-calls", settings.must_log_calls, "A line for each call that fails, with who asked where");
  exporting.add_option("--server", each.server, "Whose servers to call: mine (and root's), any, or a user's number")
      ->type_name("USER");
  importing.add_option("--max-calls", each.max_calls, "Calls in flight, default what the exporters take")
      ->type_name("N");
  importing.add_option("--access", each.access, "Who may call here: user, everyone, or a mode such as 0660")
      ->type_name("WHO");
  add_duration(importing, "--silence", settings.silence,
               "After how long an exporter that says nothing is taken for dead, default 200ms");
  CLI::App& running = *app.add_subcommand("run", "Export and import what a file says");
  running.add_option("file", file, "JSON; see below")->required()->type_name("FILE");
  running.footer(picture);

  try {
    app.parse(argc, argv);
    if (running.parsed()) return read_file(file);
    Options options;
    for (const std::string& word : words) add(options, settings, channel_of(word, each), importing.parsed());
    finish(options, std::move(settings));
    return options;
  } catch (const CLI::ParseError& error) {
    code = app.exit(error) == 0 ? 0 : 2;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "shared_channel_bridge: %s\n", error.what());
    code = 2;
  }
  return std::nullopt;
}

}  // namespace bridge
