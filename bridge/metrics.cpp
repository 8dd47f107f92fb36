#include "metrics.hpp"

#include <cstdio>
#include <filesystem>
#include <sstream>

namespace bridge {
namespace {

constexpr std::string_view prefix = "shared_channel_bridge_";

std::string line(std::string_view name, const std::string& labels, std::uint64_t value) {
  return std::string(prefix) + std::string(name) + '{' + labels + "} " + std::to_string(value) + '\n';
}

bool write(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && is_written;
}

/// A histogram's lines have endings of their own.
bool is_of(const std::string& line, const std::string& family) {
  const std::string name = line.substr(0, line.find('{'));
  return name == family || name == family + "_bucket" || name == family + "_sum" || name == family + "_count";
}

}  // namespace

void Metrics::answered(std::chrono::nanoseconds took) {
  const double seconds = std::chrono::duration<double>(took).count();
  std::size_t at = 0;
  while (at < bounds.size() && seconds > bounds[at]) ++at;
  times_[at].fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
}

void Metrics::failed(shared_channel::Errc code) {
  static_assert(
      !shared_channel::detail::is_known(static_cast<shared_channel::Errc>(std::tuple_size_v<decltype(errors_)>)),
      "a code that is not counted: enlarge errors_");
  const auto at = static_cast<std::size_t>(code);
  if (at < errors_.size()) errors_[at].fetch_add(1, std::memory_order_relaxed);
}

std::string Metrics::text(std::string_view end, std::string_view channel) const {
  const std::string labels = "end=\"" + std::string(end) + "\",channel=\"" + std::string(channel) + '"';
  std::string text;
  const auto add = [&](std::string_view name, const Count& count) {
    text += line(name, labels, count.load(std::memory_order_relaxed));
  };
  add("served", is_served);
  add("peers", peers);
  add("in_flight", in_flight);
  add("calls_total", calls);
  add("late_answers_total", late);
  add("reached_nobody_total", nobody);
  add("passed_over_total", passed_over);
  add("cancelled_total", cancelled);
  add("expired_total", expired);
  for (std::size_t code = 1; code < errors_.size(); ++code) {
    const std::uint64_t count = errors_[code].load(std::memory_order_relaxed);
    if (count == 0) continue;
    const auto name = to_string(static_cast<shared_channel::Errc>(code));
    text += line("errors_total", labels + ",code=\"" + std::string(name) + '"', count);
  }
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < times_.size(); ++at) {
    sum += times_[at].load(std::memory_order_relaxed);
    char bound[32] = "+Inf";
    if (at < bounds.size()) std::snprintf(bound, sizeof bound, "%g", bounds[at]);
    text += line("answer_seconds_bucket", labels + ",le=\"" + bound + '"', sum);
  }
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, "} %.9f\n", static_cast<double>(nanoseconds_.load()) * 1e-9);
  text += std::string(prefix) + "answer_seconds_sum{" + labels + seconds;
  text += line("answer_seconds_count", labels, sum);
  return text;
}

std::string in_families(const std::string& lines) {
  struct Family {
    const char *name, *type, *about;
  };
  constexpr Family families[] = {
      {"served", "gauge", "Whether calls can be taken."},
      {"peers", "gauge", "Exporters that an importer knows, or importers with calls at an exporter."},
      {"in_flight", "gauge", "Calls that have not ended."},
      {"calls_total", "counter", "Calls that came."},
      {"late_answers_total", "counter", "Answers to calls that had ended."},
      {"reached_nobody_total", "counter", "Messages that reached nobody."},
      {"passed_over_total", "counter", "Calls taken to another exporter, because one had not executed them."},
      {"cancelled_total", "counter", "Cancellations sent, or obeyed."},
      {"expired_total", "counter", "Calls that came too late to be executed."},
      {"errors_total", "counter", "Calls that ended in an error, by its code."},
      {"answer_seconds", "histogram", "How long answered calls took at this end."},
  };
  std::string text;
  for (const Family& family : families) {
    const std::string name = std::string(prefix) + family.name;
    text += "# HELP " + name + ' ' + family.about + "\n# TYPE " + name + ' ' + family.type + '\n';
    std::istringstream all(lines);
    for (std::string line; std::getline(all, line);) {
      if (is_of(line, name)) text += line + '\n';
    }
  }
  return text;
}

bool write_file(const std::string& path, const std::string& text) {
  std::error_code unknown;
  const auto there = std::filesystem::status(path, unknown);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) return write(path, text);

  const auto meant = std::filesystem::canonical(path, unknown);  // a link stays one
  const std::string whole = unknown ? path : meant.string();
  const std::string beside = whole + ".new";
  return write(beside, text) && std::rename(beside.c_str(), whole.c_str()) == 0;
}

}  // namespace bridge
