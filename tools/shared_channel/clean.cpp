// shared_channel clean: removes what a killed server left, if surely nobody serves.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <shared_channel/detail/base/name.hpp>
#include <shared_channel/detail/platform/platform.hpp>

#include "arguments.hpp"
#include "channels.hpp"
#include "command.hpp"
#include "text.hpp"

namespace tool {
namespace {

using shared_channel::Errc;
using shared_channel::Error;

struct Cleaned {
  int code = exit_code::done;
  std::string sentence;
};

/// Takes the name as a server does, which the system gives to one at a time and takes from the dead. Whoever takes it
/// removes what the last one left.
std::optional<Error> take_and_leave(const std::string& name, shared_channel::Scope scope) {
  auto names = shared_channel::detail::Names::make(name, scope);
  if (!names) return names.error();
  auto lease = shared_channel::detail::platform::ServerLease::acquire(*names, shared_channel::Access::current_user());
  if (!lease) return lease.error();
  return std::nullopt;
}

Cleaned clean(const std::string& name, shared_channel::Scope scope) {
  const auto info = shared_channel::inspect(name, scope);
  if (!info) return {code_of_look(info.error()), info.error().message()};
  const bool is_there = info->state == ChannelState::open || info->state == ChannelState::stopping;
  if (is_there)
    return {exit_code::served, name + " is served by process " + server_text(*info) + "; nothing was removed"};
  if (const auto error = take_and_leave(name, scope)) {
    const bool is_served = error->code() == Errc::name_in_use;
    return {is_served ? exit_code::served : exit_code::problem, error->message() + "; nothing was removed"};
  }
  return {exit_code::done, name + ": removed" + (info->memory == 0 ? "" : ", which frees " + bytes_text(info->memory))};
}

int clean_all(const std::vector<std::string>& names, const Common& common) {
  int worst = exit_code::done;
  Json all = Json::array();
  for (const std::string& name : names) {
    const Cleaned cleaned = clean(name, common.scope());
    worst = std::max(worst, cleaned.code);
    const std::string sentence = printable(cleaned.sentence);
    all.push_back({{"name", name}, {"removed", cleaned.code == exit_code::done}, {"message", sentence}});
    if (!common.json) std::fprintf(cleaned.code == exit_code::done ? stdout : stderr, "%s\n", sentence.c_str());
  }
  if (common.json) print({{"channels", std::move(all)}});
  return worst;
}

int clean_dead(const Common& common) {
  const auto channels = inspect_all(common.scope());
  if (!channels) return report(common, exit_code::problem, channels.error());
  std::vector<std::string> names;
  for (const ChannelInfo& info : *channels) {
    if (info.state == ChannelState::dead) names.push_back(info.name);
  }
  return clean_all(names, common);
}

}  // namespace

void add_clean(CLI::App& app, Common& common, Action& action) {
  CLI::App& command = add_command(app, common, "clean", "Remove what a killed server left, if surely nobody serves",
                                  "  shared_channel clean frames\n"
                                  "  shared_channel clean --dead          every channel whose server is dead");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto is_all = std::make_shared<bool>(false);
  auto* const name = &add_words(command, "NAME", *names, "The channels");
  command.add_flag("--dead", *is_all, "All channels whose servers are dead")->excludes(name);
  command.callback([&common, &action, names, is_all] {
    if (names->empty() && !*is_all) throw CLI::RequiredError("either NAME or --dead");
    action = [&common, names, is_all] { return *is_all ? clean_dead(common) : clean_all(*names, common); };
  });
}

}  // namespace tool
