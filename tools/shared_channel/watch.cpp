// shared_channel watch: a line for each call of one channel that failed or took long, as far as looking now and then
// shows. What begins and ends between two looks is seen in the server's numbers only.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "arguments.hpp"
#include "channels.hpp"
#include "command.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace tool {
namespace {

using std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;

struct WatchSettings {
  std::string channel;
  nanoseconds over = std::chrono::milliseconds(100);
  nanoseconds interval = std::chrono::milliseconds(20);
  nanoseconds time = (nanoseconds::max)();
};

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t time = std::chrono::system_clock::to_time_t(now);
  char text[32] = "";
  std::strftime(text, sizeof text, "%H:%M:%S", std::localtime(&time));
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  char whole[48];
  std::snprintf(whole, sizeof whole, "%s.%03d", text, static_cast<int>(ms));
  return whole;
}

class Watch {
 public:
  Watch(const WatchSettings& settings, const Common& common) : settings_(settings), common_(common) {}

  int run() {
    catch_interrupts();
    const auto begin = Clock::now();
    auto info = shared_channel::inspect(settings_.channel, common_.scope());
    if (!info) return report(common_, code_of_look(info.error()), info.error());
    for (;;) {
      if (info) look(*info);
      if (!info && info.error().code() == shared_channel::Errc::no_server) lose();
      if (!is_heard_) return exit_code::problem;
      if (Clock::now() - begin >= settings_.time || !pause_for(settings_.interval)) return exit_code::done;
      info = shared_channel::inspect(settings_.channel, common_.scope());
    }
  }

 private:
  /// What there is to tell of a call. One that was told as slow is told again when worse befalls it.
  enum class Lot { well, slow, caller_died, abandoned };
  static constexpr const char* words[] = {"", "slow", "caller died", "abandoned"};

  struct Seen {
    Clock::time_point since;
    Lot told = Lot::well;
  };

  void look(const ChannelInfo& info) {
    look_at_server(info);
    if (info.state != ChannelState::open && info.state != ChannelState::stopping) return;
    std::map<std::pair<unsigned, std::uint32_t>, Seen> now;
    for (const CallInfo& call : info.calls) {
      const auto key = std::pair(call.slot, call.number);
      const auto before = seen_.find(key);
      Seen seen = before != seen_.end() ? before->second : Seen{Clock::now()};
      look_at_call(call, seen);
      now.emplace(key, seen);
    }
    seen_.swap(now);
    look_at_numbers(info);
  }

  void look_at_call(const CallInfo& call, Seen& seen) {
    const nanoseconds lasted = (std::max)(call.waited.value_or(nanoseconds(0)), nanoseconds(Clock::now() - seen.since));
    const Lot lot = call.state == CallState::abandoned              ? Lot::abandoned
                    : !call.is_caller_alive && call.process_id != 0 ? Lot::caller_died
                    : lasted >= settings_.over                      ? Lot::slow
                                                                    : Lot::well;
    if (lot <= seen.told) return;
    seen.told = lot;
    if (lot == Lot::abandoned) ++abandoned_told_;
    const char* const what = words[static_cast<unsigned>(lot)];
    if (common_.json) {
      Json line{{"event", what},
                {"slot", call.slot},
                {"number", call.number},
                {"state", std::string(to_string(call.state))},
                {"process_id", call.process_id},
                {"lasted", std::chrono::duration<double>(lasted).count()}};
      return print_line(std::move(line), "");
    }
    print_line({}, std::string(what) + ": call #" + std::to_string(call.number) + " in slot " +
                       std::to_string(call.slot) + ", " + std::string(to_string(call.state)) + " after " +
                       duration_text(lasted) + ", caller " + caller_text(call));
  }

  /// A call that failed is mostly gone before the next look.
  void look_at_numbers(const ChannelInfo& info) {
    if (!info.stats_age) return;
    const auto& stats = info.stats;
    const std::pair<const char*, std::uint64_t> numbers[] = {
        {"failed", stats.failed},       {"refused", stats.refused},     {"withdrawn", stats.withdrawn},
        {"abandoned", stats.abandoned}, {"malformed", stats.malformed}, {"damaged", stats.damaged}};
    for (const auto& [what, count] : numbers) {
      const std::uint64_t known = counted_.try_emplace(what, is_young_ ? 0 : count).first->second;
      if (count <= known) continue;  // withdrawn calls may fall for a moment
      counted_[what] = count;
      std::uint64_t more = count - known;
      if (std::string_view(what) == "abandoned") more -= take_told(more);
      if (more != 0) tell_number(what, more);
    }
  }

  /// Of so many calls that the server counts as abandoned, those that were told when they were seen: it counts a call
  /// when its handler ends.
  std::uint64_t take_told(std::uint64_t count) {
    const std::uint64_t told = (std::min)(abandoned_told_, count);
    abandoned_told_ -= told;
    return told;
  }

  void tell_number(const char* what, std::uint64_t more) {
    if (common_.json) return print_line({{"event", what}, {"count", more}}, "");
    for (std::uint64_t i = 0; i < (std::min<std::uint64_t>)(more, 20); ++i) print_line({}, what);
    if (more > 20) print_line({}, std::to_string(more - 20) + " more " + what);
  }

  void look_at_server(const ChannelInfo& info) {
    const auto now = std::pair(info.generation, info.state);
    if (server_ == now) return;
    if (info.generation != generation_) {
      const bool was_seen =
          !server_ || (server_->second != ChannelState::no_access && server_->second != ChannelState::unreadable);
      is_young_ = !info.stats_age || (generation_ && was_seen);
      generation_ = info.generation;
      seen_.clear();
      counted_.clear();
      abandoned_told_ = 0;
    }
    if (server_ || info.state != ChannelState::open) tell_server(std::string(to_string(info.state)), server_text(info));
    server_ = now;
  }
  void lose() {
    if (!server_) return;
    server_.reset();
    tell_server("gone", "-");
  }
  void tell_server(const std::string& state, const std::string& server) {
    if (common_.json) return print_line({{"event", "server"}, {"state", state}}, "");
    print_line({}, "server " + server + ": " + state);
  }

  void print_line(Json json, const std::string& text) {
    if (common_.json) {
      Json line{{"time", std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()},
                {"channel", settings_.channel}};
      line.update(json);
      print(line);
    } else {
      std::printf("%s %s %s\n", now_text().c_str(), settings_.channel.c_str(), text.c_str());
    }
    is_heard_ = flush_output();
  }

  const WatchSettings& settings_;
  const Common& common_;
  bool is_heard_ = true;
  std::optional<std::pair<std::uint64_t, ChannelState>> server_;
  std::optional<std::uint64_t> generation_;  // the last one that was seen; 0: none was published
  bool is_young_ = false;  // it began while it was watched, or has counted nothing yet: all its numbers are news
  std::map<std::pair<unsigned, std::uint32_t>, Seen> seen_;
  std::map<std::string, std::uint64_t> counted_;
  std::uint64_t abandoned_told_ = 0;  // when they were seen, and not yet counted by the server
};

}  // namespace

void add_watch(CLI::App& app, Common& common, Action& action) {
  CLI::App& command =
      add_command(app, common, "watch", "Print a line for each call that failed or took long, as sampling sees them",
                  "  shared_channel watch adder --over 50ms\n"
                  "  shared_channel watch adder --for 1min --json");
  const auto settings = std::make_shared<WatchSettings>();
  add_word(command, "NAME", settings->channel, "The channel").required();
  add_duration(command, "--over", settings->over, "Tell of calls that last longer [100ms]");
  add_duration(command, "--interval,-i", settings->interval, "From one look to the next [20ms]");
  add_duration(command, "--for", settings->time, "Stop after this time");
  command.callback(
      [&common, &action, settings] { action = [&common, settings] { return Watch(*settings, common).run(); }; });
}

}  // namespace tool
