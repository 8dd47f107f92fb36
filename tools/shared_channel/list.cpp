// shared_channel list: every channel, one a line.
#include "channels.hpp"
#include "command.hpp"
#include "text.hpp"

namespace tool {
namespace {

std::vector<Cell> row_of(const ChannelInfo& info) {
  const auto number = [&](std::uint64_t value) {
    return Cell{is_alive(info) ? std::to_string(value) : "-", Colour::none, true};
  };
  return {{printable(info.name), Colour::bold},
          state_cell(info),
          {server_text(info)},
          {in_flight_text(info), Colour::none, true},
          number(queued(info)),
          number(running(info)),
          {longest_running_text(info), Colour::none, true},
          number(info.clients),
          number(info.calls_so_far),
          {info.memory == 0 ? "-" : bytes_text(info.memory), Colour::none, true},
          {info.access.empty() ? "-" : printable(info.access)},
          {info.user.empty() ? "-" : printable(info.user)}};
}

int list(const Common& common) {
  const auto channels = inspect_all(common.scope());
  if (!channels) return report(common, exit_code::problem, channels.error());
  if (common.json) {
    Json all = Json::array();
    for (const ChannelInfo& info : *channels) all.push_back(to_json(info));
    print({{"channels", std::move(all)}});
    return exit_code::done;
  }
  if (channels->empty()) {
    std::fputs("no channels\n", stderr);
    return exit_code::done;
  }
  Table table({{"NAME", Colour::dim},
               {"STATE", Colour::dim},
               {"SERVER", Colour::dim},
               {"IN FLIGHT", Colour::dim, true},
               {"QUEUED", Colour::dim, true},
               {"RUNNING", Colour::dim, true},
               {"LONGEST", Colour::dim, true},
               {"CLIENTS", Colour::dim, true},
               {"CALLS", Colour::dim, true},
               {"MEMORY", Colour::dim, true},
               {"ACCESS", Colour::dim},
               {"USER", Colour::dim}});
  for (const ChannelInfo& info : *channels) table.add(row_of(info));
  table.print();
  return exit_code::done;
}

}  // namespace

void add_list(CLI::App& app, Common& common, Action& action) {
  CLI::App& command =
      add_command(app, common, "list", "List all channels and how they stand",
                  "  shared_channel list\n"
                  "  shared_channel list --json | jq -r '.channels[] | select(.state == \"dead\").name'");
  command.callback([&] { action = [&common] { return list(common); }; });
}

}  // namespace tool
