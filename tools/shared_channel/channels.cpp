#include "channels.hpp"

#include <algorithm>

#include <shared_channel/detail/platform/inspection.hpp>

namespace tool {
namespace {

template <class Duration>
double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Json seconds_or_null(const std::optional<std::chrono::nanoseconds>& duration) {
  if (!duration) return nullptr;
  if (*duration == (std::chrono::nanoseconds::max)()) return "inf";
  return seconds(*duration);
}

Json json_of(const shared_channel::MessageShape& message) {
  return {{"description", message.description},
          {"size", message.size},
          {"align", message.align},
          {"variable", message.is_variable}};
}

Json json_of(const CallInfo& call) {
  return {{"slot", call.slot},
          {"state", std::string(to_string(call.state))},
          {"number", call.number},
          {"process_id", call.process_id},
          {"caller_alive", call.is_caller_alive},
          {"waited", seconds_or_null(call.waited)},
          {"left", seconds_or_null(call.left)}};
}

Json json_of(const shared_channel::ServerStats& stats) {
  return {{"done", stats.done},           {"failed", stats.failed},
          {"refused", stats.refused},     {"withdrawn", stats.withdrawn},
          {"abandoned", stats.abandoned}, {"malformed", stats.malformed},
          {"damaged", stats.damaged},     {"running", stats.running},
          {"waiting", stats.waiting},     {"longest_running", seconds(stats.longest_running)}};
}

unsigned count(const ChannelInfo& info, auto... states) {
  const auto is_one = [&](const CallInfo& call) { return ((call.state == states) || ...); };
  return static_cast<unsigned>(std::count_if(info.calls.begin(), info.calls.end(), is_one));
}

}  // namespace

shared_channel::Result<std::vector<ChannelInfo>> inspect_all(shared_channel::Scope scope) {
  auto names = shared_channel::list_channels(scope);
  if (!names) return std::move(names).error();
  std::vector<ChannelInfo> channels;
  for (const std::string& name : *names) {
    if (auto info = shared_channel::inspect(name, scope)) channels.push_back(*std::move(info));
  }
  return channels;
}

unsigned queued(const ChannelInfo& info) { return count(info, CallState::queued); }
unsigned running(const ChannelInfo& info) { return count(info, CallState::running, CallState::abandoned); }

std::optional<std::chrono::nanoseconds> oldest(const ChannelInfo& info) {
  std::optional<std::chrono::nanoseconds> longest;
  for (const CallInfo& call : info.calls) {
    if (call.waited && (!longest || *call.waited > *longest)) longest = call.waited;
  }
  return longest;
}

bool is_alive(const ChannelInfo& info) {
  return info.state == ChannelState::open || info.state == ChannelState::stopping;
}
bool is_readable(const ChannelInfo& info) { return is_alive(info) || info.state == ChannelState::dead; }

std::uint64_t failures(const ChannelInfo& info) {
  const auto& stats = info.stats;
  return stats.failed + stats.refused + stats.withdrawn + stats.abandoned + stats.malformed;
}

Cell state_cell(const ChannelInfo& info) {
  const bool is_bad = info.state == ChannelState::dead || info.state == ChannelState::unreadable;
  const Colour colour = info.state == ChannelState::open ? Colour::green : is_bad ? Colour::red : Colour::yellow;
  std::string text(to_string(info.state));
  std::replace(text.begin(), text.end(), '_', ' ');
  return {std::move(text), colour};
}

bool is_imported(const ChannelInfo& info) { return info.program == "channel-bridge"; }

std::string server_text(const ChannelInfo& info) {
  if (info.process_id == 0) return "-";
  return std::to_string(info.process_id) + (info.program.empty() ? "" : ' ' + printable(info.program)) +
         (is_imported(info) ? " (imported)" : "");
}

std::string in_flight_text(const ChannelInfo& info) {
  if (!is_alive(info)) return "-";
  return std::to_string(info.calls.size()) + '/' + std::to_string(info.max_calls);
}

std::string longest_running_text(const ChannelInfo& info) {
  return is_alive(info) && info.stats.running != 0 ? duration_text(info.stats.longest_running) : "-";
}

std::string caller_text(const CallInfo& call) {
  if (call.process_id == 0) return "-";
  const std::string program = call.is_caller_alive ? shared_channel::detail::platform::program_of(call.process_id) : "";
  return std::to_string(call.process_id) + (program.empty() ? "" : ' ' + printable(program));
}

Json to_json(const ChannelInfo& info) {
  Json calls = Json::array();
  for (const CallInfo& call : info.calls) calls.push_back(json_of(call));
  char generation[17];
  std::snprintf(generation, sizeof generation, "%016llx", static_cast<unsigned long long>(info.generation));
  Json json{{"name", info.name},
            {"state", std::string(to_string(info.state))},
            {"problem", info.problem.empty() ? Json(nullptr) : Json(printable(info.problem))},
            {"process_id", info.process_id},
            {"program", printable(info.program)},
            {"imported", is_imported(info)},
            {"user", info.user},
            {"access", info.access},
            {"memory", info.memory},
            {"generation", generation},
            {"protocol_version", info.protocol_version},
            {"started", nullptr},
            {"request", json_of(info.shape.request)},
            {"reply", json_of(info.shape.reply)},
            {"max_calls", info.max_calls},
            {"in_flight", info.calls.size()},
            {"queued", queued(info)},
            {"running", running(info)},
            {"calls", std::move(calls)},
            {"slot_awaited", info.is_slot_awaited},
            {"clients", info.clients},
            {"clients_so_far", info.clients_so_far},
            {"calls_so_far", info.calls_so_far},
            {"sleeping_threads", info.sleeping_threads},
            {"slots_used", info.slots_used},
            {"stats", json_of(info.stats)},
            {"stats_age", seconds_or_null(info.stats_age)}};
  if (info.started) json["started"] = seconds(info.started->time_since_epoch());
  return json;
}

Rates::Rate Rates::update(const ChannelInfo& info) {
  Rate rate;
  if (!is_alive(info)) return rate;
  const auto now = std::chrono::steady_clock::now();
  const auto key = std::pair(info.name, info.generation);
  if (const auto before = looks_.find(key); before != looks_.end()) {
    const double time = seconds(now - before->second.when);
    // Sums of numbers that wrap around may also fall.
    if (time > 0 && info.calls_so_far >= before->second.calls)
      rate.calls = static_cast<double>(info.calls_so_far - before->second.calls) / time;
  }
  looks_[key] = {now, info.calls_so_far};
  if (!info.stats_age) return rate;
  // The server writes its numbers every second or two: what counts is when it did.
  const auto written = now - *info.stats_age;
  const auto [at, is_first] = failures_.try_emplace(key, Failures{written, failures(info), 0});
  if (is_first) return rate;
  Failures& known = at->second;
  if (written - known.when > std::chrono::milliseconds(100)) {
    const std::uint64_t count = (std::max)(failures(info), known.count);  // withdrawn calls may fall for a moment
    known.per_second = static_cast<double>(count - known.count) / seconds(written - known.when);
    known.when = written;
    known.count = count;
  }
  rate.failures = known.per_second;
  return rate;
}

}  // namespace tool
