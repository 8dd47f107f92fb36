// shared_channel metrics: the text format of Prometheus.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <shared_channel/detail/platform/platform.hpp>

#include "arguments.hpp"
#include "channels.hpp"
#include "command.hpp"

namespace tool {
namespace {

class Exposition {
 public:
  explicit Exposition(const std::vector<ChannelInfo>& channels) : channels_(channels) {}

  std::string text() {
    metric("up", "gauge", "Whether the channel's server takes calls.",
           [&](const ChannelInfo& info) { put(info, "", info.state == ChannelState::open ? 1 : 0); });
    metric("calls_total", "counter", "Calls since the server was made, as it counted them a moment ago.",
           [&](const ChannelInfo& info) {
             const auto& stats = info.stats;
             put(info, "result=\"done\"", stats.done);
             put(info, "result=\"failed\"", stats.failed);
             put(info, "result=\"refused\"", stats.refused);
             put(info, "result=\"withdrawn\"", stats.withdrawn);
             put(info, "result=\"abandoned\"", stats.abandoned);
             put(info, "result=\"malformed\"", stats.malformed);
           });
    metric("damaged_slots_total", "counter", "Slots found in a state that no correct peer leaves, and reset.",
           [&](const ChannelInfo& info) { put(info, "", info.stats.damaged); });
    metric("in_flight", "gauge", "Calls in flight.", [&](const ChannelInfo& info) {
      put(info, "state=\"queued\"", queued(info));
      put(info, "state=\"running\"", running(info));
    });
    metric("max_calls", "gauge", "How many calls can be in flight.",
           [&](const ChannelInfo& info) { put(info, "", info.max_calls); });
    metric("slot_awaited", "gauge", "Whether a caller waits for a slot.",
           [&](const ChannelInfo& info) { put(info, "", info.is_slot_awaited ? 1 : 0); });
    metric(
        "oldest_call_seconds", "gauge", "How long the longest of the calls in flight has waited.",
        [&](const ChannelInfo& info) { put(info, "", seconds(oldest(info).value_or(std::chrono::nanoseconds(0)))); });
    metric("clients", "gauge", "Clients that are attached.",
           [&](const ChannelInfo& info) { put(info, "", info.clients); });
    metric("memory_bytes", "gauge", "Shared memory of the channel.",
           [&](const ChannelInfo& info) { put(info, "", info.memory); });
    metric("start_time_seconds", "gauge", "When the channel was made, since the epoch.", [&](const ChannelInfo& info) {
      if (info.started) put(info, "", seconds(info.started->time_since_epoch()));
    });
    return text_.str();
  }

 private:
  template <class Duration>
  static double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
  }

  template <class Put>
  void metric(const std::string& name, const char* type, const char* help, Put&& put_one) {
    name_ = "shared_channel_" + name;
    text_ << "# HELP " << name_ << ' ' << help << "\n# TYPE " << name_ << ' ' << type << '\n';
    for (const ChannelInfo& info : channels_) {
      if (is_alive(info) || name == "up") put_one(info);
    }
  }

  /// A channel's name has no character that would have to be escaped.
  void put(const ChannelInfo& info, const std::string& label, const auto& value) {
    text_.precision(15);
    text_ << name_ << "{channel=\"" << info.name << '"' << (label.empty() ? "" : "," + label) << "} " << value << '\n';
  }

  const std::vector<ChannelInfo>& channels_;
  std::string name_;
  std::ostringstream text_;
};

/// Whole, or not at all: a collector may read at any moment, and others may write the same file.
bool write_whole(const std::filesystem::path& file, const std::string& text) {
  auto part = file;
  part += '.' + std::to_string(shared_channel::detail::platform::process_id()) + ".part";
  std::ofstream out(part, std::ios::binary);
  if (!out) return false;
  out << text;
  out.close();
  std::error_code problem, ignored;
  if (out) std::filesystem::rename(part, file, problem);
  if (out && !problem) return true;
  std::filesystem::remove(part, ignored);
  return false;
}

/// A link stays one. What is no file, such as /dev/stdout, is written to and stays what it is.
bool write(const std::string& name, const std::string& text) {
  const std::filesystem::path file(std::u8string(name.begin(), name.end()));
  std::error_code unknown;
  const auto there = std::filesystem::status(file, unknown);
  if (!std::filesystem::exists(there)) return write_whole(file, text);
  if (std::filesystem::is_regular_file(there)) {
    const auto meant = std::filesystem::canonical(file, unknown);
    return write_whole(unknown ? file : meant, text);
  }
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  return !out.fail();
}

int metrics(const std::string& file, const Common& common) {
  const auto channels = inspect_all(common.scope());
  if (!channels) return report(common, exit_code::problem, channels.error());
  std::string text;
  if (common.json) {
    Json all = Json::array();
    for (const ChannelInfo& info : *channels) all.push_back(to_json(info));
    text = json_text({{"channels", std::move(all)}}) + '\n';
  } else {
    text = Exposition(*channels).text();
  }
  if (file.empty()) {
    std::fputs(text.c_str(), stdout);
  } else if (!write(file, text)) {
    return report(common, exit_code::problem, "cannot write " + file);
  }
  return exit_code::done;
}

}  // namespace

void add_metrics(CLI::App& app, Common& common, Action& action) {
  CLI::App& command = add_command(
      app, common, "metrics", "Print the numbers of all channels for Prometheus",
      "  shared_channel metrics\n"
      "  shared_channel metrics -o /var/lib/node_exporter/shared_channel.prom   for the textfile collector");
  const auto file = std::make_shared<std::string>();
  const auto read = [file](const std::string& text) {
    *file = text;
    return !text.empty();
  };
  add_value(command, "--output,-o", "FILE", "Write this file, whole, instead of standard output", "file", read);
  command.callback([&common, &action, file] { action = [&common, file] { return metrics(*file, common); }; });
}

}  // namespace tool
