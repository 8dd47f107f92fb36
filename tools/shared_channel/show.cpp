// shared_channel show: one channel and its calls in flight.
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>

#include "arguments.hpp"
#include "channels.hpp"
#include "command.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace tool {
namespace {

void line(const char* what, const std::string& text) {
  std::printf("  %s %s\n",
              coloured(Colour::dim, std::string(what) + std::string(12 - std::string(what).size(), ' ')).c_str(),
              text.c_str());
}

std::string message_text(const shared_channel::MessageShape& message) {
  return printable(message.description) + (message.is_variable ? ", up to " : ", ") + std::to_string(message.size) +
         (message.size == 1 ? " byte" : " bytes");
}

std::string started_text(std::chrono::system_clock::time_point started) {
  const std::time_t time = std::chrono::system_clock::to_time_t(started);
  char text[64] = "";
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", std::localtime(&time));
  const auto age = std::chrono::system_clock::now() - started;
  return std::string(text) + ", " + duration_text(std::chrono::duration_cast<std::chrono::nanoseconds>(age)) + " ago";
}

std::string stats_text(const ChannelInfo& info) {
  const auto& stats = info.stats;
  std::string text = std::to_string(stats.done) + " done";
  const auto add = [&](std::uint64_t count, const char* how) {
    if (count != 0) text += ", " + std::to_string(count) + ' ' + how;
  };
  add(stats.failed, "failed");
  add(stats.refused, "refused");
  add(stats.withdrawn, "withdrawn");
  add(stats.abandoned, "abandoned");
  add(stats.malformed, "malformed");
  add(stats.damaged, "slots damaged");
  return text + ", " + duration_text(*info.stats_age) + " ago";
}

std::string time_text(const std::optional<std::chrono::nanoseconds>& time) {
  if (!time) return "-";
  return *time == (std::chrono::nanoseconds::max)() ? "forever" : duration_text(*time);
}

void print_calls(const ChannelInfo& info) {
  Table table({{"  SLOT", Colour::dim, true},
               {"STATE", Colour::dim},
               {"CALLER", Colour::dim},
               {"CALL", Colour::dim, true},
               {"WAITED", Colour::dim, true},
               {"LEFT", Colour::dim, true}});
  for (const CallInfo& call : info.calls) {
    const bool is_lost = !call.is_caller_alive && call.process_id != 0;  // who gave it up says nothing any more
    table.add({{std::to_string(call.slot), Colour::none, true},
               {std::string(to_string(call.state)), call.state == CallState::abandoned ? Colour::yellow : Colour::none},
               {is_lost ? caller_text(call) + " (dead)" : caller_text(call), is_lost ? Colour::red : Colour::none},
               {'#' + std::to_string(call.number), Colour::none, true},
               {time_text(call.waited), Colour::none, true},
               {time_text(call.left), call.left && call.left->count() < 0 ? Colour::red : Colour::none, true}});
  }
  table.print();
}

void print_channel(const ChannelInfo& info, const std::optional<double>& rate) {
  const Cell state = state_cell(info);
  std::printf("%s  %s\n", coloured(Colour::bold, info.name).c_str(), coloured(state.colour, state.text).c_str());
  if (!info.problem.empty()) line("problem", printable(info.problem));
  if (info.process_id != 0)
    line("server", server_text(info) + (info.user.empty() ? "" : ", user " + printable(info.user)));
  if (info.started) line("since", started_text(*info.started));
  if (!is_readable(info)) return;
  line("request", message_text(info.shape.request));
  line("reply", message_text(info.shape.reply));
  line("memory", bytes_text(info.memory) + ", access " + printable(info.access));
  line("clients", std::to_string(info.clients) + " attached, " + std::to_string(info.clients_so_far) + " so far");
  line("calls", std::to_string(info.calls_so_far) + " so far, " + (rate ? rate_text(*rate) + " a second, " : "") +
                    "at most " + std::to_string(info.max_calls) + " at once");
  if (info.stats_age) line("of these", stats_text(info));
  if (info.state == ChannelState::dead)
    return line("to do", std::string("start the server again, or: shared_channel clean ") +
                             (info.name[0] == '-' ? "-- " : "") + info.name);
  line("in flight", std::to_string(info.calls.size()) + ": " + std::to_string(queued(info)) + " queued, " +
                        std::to_string(running(info)) + " running" +
                        (info.stats.running != 0 ? ", the longest for " + longest_running_text(info) : "") +
                        (info.is_slot_awaited ? "; callers wait for a slot" : ""));
  if (!info.calls.empty()) print_calls(info);
}

/// A rate takes two looks.
std::optional<double> look_again(ChannelInfo& info, const Common& common) {
  Rates rates;
  rates.update(info);
  if (!is_alive(info) || !pause_for(std::chrono::milliseconds(100))) return std::nullopt;
  if (auto later = shared_channel::inspect(info.name, common.scope())) info = *std::move(later);
  return rates.update(info).calls;
}

int show(const std::string& name, const Common& common) {
  auto info = shared_channel::inspect(name, common.scope());
  if (!info) return report(common, code_of_look(info.error()), info.error());
  const auto rate = look_again(*info, common);
  if (common.json) {
    Json json = to_json(*info);
    json["calls_per_second"] = rate ? Json(*rate) : Json(nullptr);
    print(json);
  } else {
    print_channel(*info, rate);
  }
  const bool is_hidden = info->state == ChannelState::no_access || info->state == ChannelState::unreadable;
  return is_hidden ? exit_code::problem : exit_code::done;
}

}  // namespace

void add_show(CLI::App& app, Common& common, Action& action) {
  CLI::App& command = add_command(app, common, "show", "Show one channel: its messages, numbers and calls in flight",
                                  "  shared_channel show adder\n"
                                  "  shared_channel show adder --json | jq .request.description");
  const auto name = std::make_shared<std::string>();
  add_word(command, "NAME", *name, "The channel").required();
  command.callback([&common, &action, name] { action = [&common, name] { return show(*name, common); }; });
}

}  // namespace tool
