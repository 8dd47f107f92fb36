// The figures that the library must reach, from the CSV files of a run: --linux DIRECTORY --win32 DIRECTORY. With
// --complete a figure that was not measured counts as missed, with --no-win32 but for those of Win32.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "support/csv.hpp"
#include "support/roles.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

using Rows = std::vector<CsvRow>;
using Values = std::vector<double>;

struct Figures {
  explicit Figures(const std::string& directory)
      : latency(read_csv(directory + "/latency.csv")),
        throughput(read_csv(directory + "/throughput.csv")),
        matrix(read_csv(directory + "/matrix.csv")),
        idle(read_csv(directory + "/idle.csv")),
        lifecycle(read_csv(directory + "/lifecycle.csv")),
        lateness(read_csv(directory + "/lateness.csv")),
        include(read_csv(directory + "/include.csv")) {}

  Rows latency, throughput, matrix, idle, lifecycle, lateness, include;
};

Rows of_system(const Rows& rows, std::string_view placement, std::string_view size, std::string_view system) {
  Rows found;
  for (const CsvRow& row : rows)
    if (row.matches({{"placement", placement}, {"size", size}, {"system", system}})) found.push_back(row);
  return found;
}

// Whether the two cores were equally far apart in both samples, as far as anybody looked.
bool same_distance(const CsvRow& a, const CsvRow& b) {
  const double x = a.number("probe_one_line_ns"), y = b.number("probe_one_line_ns");
  return x == 0 || y == 0 || std::max(x, y) <= 1.2 * std::min(x, y);
}

struct Ratio {
  double value;
  double probe_ns;
};

// Every sample of `system` over the sample of `base` that is nearest in time among those at the same distance.
std::vector<Ratio> latency_ratios(const Figures& figures, std::string_view placement, std::string_view size,
                                  std::string_view system, std::string_view base) {
  std::vector<Ratio> ratios;
  const Rows bases = of_system(figures.latency, placement, size, base);
  for (const CsvRow& row : of_system(figures.latency, placement, size, system)) {
    const CsvRow* partner = nullptr;
    const auto apart = [&](const CsvRow& other) { return std::abs(other.number("round") - row.number("round")); };
    for (const CsvRow& candidate : bases)
      if (same_distance(row, candidate) && (partner == nullptr || apart(candidate) < apart(*partner)))
        partner = &candidate;
    if (partner != nullptr)
      ratios.push_back({row.number("p50_ns") / partner->number("p50_ns"), row.number("probe_one_line_ns")});
  }
  return ratios;
}

// Where a virtual machine's host moved the cores during a run, the ratios fall into two groups that must not be mixed.
std::vector<Values> by_distance(const std::vector<Ratio>& ratios) {
  if (ratios.empty()) return {};
  const auto closer = [](const Ratio& a, const Ratio& b) { return a.probe_ns < b.probe_ns; };
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end(), closer);
  const bool moved = least->probe_ns > 0 && most->probe_ns > 2 * least->probe_ns;
  const double border = moved ? std::sqrt(least->probe_ns * most->probe_ns) : most->probe_ns;
  std::vector<Values> groups(moved ? 2 : 1);
  for (const Ratio& ratio : ratios) groups[ratio.probe_ns <= border ? 0 : 1].push_back(ratio.value);
  return groups;
}

Values inverse(const std::vector<Ratio>& ratios) {
  Values values;
  for (const Ratio& ratio : ratios) values.push_back(1 / ratio.value);
  return values;
}

// Calls per second of the default policy over the best of `peers`, round by round.
Values throughput_ratios(const Figures& figures, std::string_view clients, const std::vector<std::string_view>& peers) {
  Values ratios;
  for (const CsvRow& row : figures.throughput) {
    if (!row.matches({{"section", "clients"}, {"clients", clients}, {"system", "call default"}})) continue;
    double best = 0;
    for (const CsvRow& other : figures.throughput)
      for (const std::string_view peer : peers)
        if (other.matches(
                {{"section", "clients"}, {"clients", clients}, {"system", peer}, {"round", row.text("round")}}))
          best = std::max(best, other.number("calls_per_s"));
    if (best > 0) ratios.push_back(row.number("calls_per_s") / best);
  }
  return ratios;
}

// What a call of the default policy costs over what it costs under `policy`, round by round.
Values policy_ratios(const Figures& figures, std::string_view situation, std::string_view policy) {
  Values ratios;
  for (const CsvRow& row : figures.matrix) {
    if (!row.matches({{"situation", situation}, {"policy", "default"}})) continue;
    for (const CsvRow& other : figures.matrix)
      if (other.matches({{"situation", situation}, {"policy", policy}, {"round", row.text("round")}}))
        ratios.push_back(row.number("cost_ns") / other.number("cost_ns"));
  }
  return ratios;
}

// The default policy over the best of the fixed ones, round by round. In pauses of those that sleep: who spins through
// a pause pays two whole cores for it.
Values best_policy_ratios(const Figures& figures, std::string_view situation) {
  const bool has_pauses = situation.find("pauses") != std::string_view::npos;
  Values ratios = policy_ratios(figures, situation, "sleeping");
  if (has_pauses) return ratios;
  const Values spinning = policy_ratios(figures, situation, "spinning");
  for (std::size_t i = 0; i < ratios.size() && i < spinning.size(); ++i) ratios[i] = std::max(ratios[i], spinning[i]);
  return ratios;
}

// How late the default policy is over sleeping at once, round by round.
Values lateness_ratios(const Figures& figures) {
  Values ratios;
  for (const CsvRow& row : figures.lateness) {
    if (row.text("policy") != "default") continue;
    for (const CsvRow& other : figures.lateness)
      if (other.matches({{"policy", "sleeping"}, {"round", row.text("round")}}))
        ratios.push_back(row.number("p99_ns") / other.number("p99_ns"));
  }
  return ratios;
}

// Calls per second side by side over one after the other, round by round.
Values in_flight_ratios(const Figures& figures, std::string_view section) {
  Values ratios;
  for (const CsvRow& row : figures.throughput) {
    if (!row.matches({{"section", section}, {"system", "async default"}})) continue;
    for (const CsvRow& other : figures.throughput)
      if (other.matches({{"section", section}, {"system", "call default"}, {"round", row.text("round")}}))
        ratios.push_back(row.number("calls_per_s") / other.number("calls_per_s"));
  }
  return ratios;
}

Values column(const Rows& rows, std::initializer_list<std::pair<const char*, std::string_view>> wanted,
              const std::string& name, double scale = 1) {
  Values values;
  for (const CsvRow& row : rows)
    if (row.matches(wanted)) values.push_back(row.number(name) * scale);
  return values;
}

enum class Better { less, more };

class Verdicts {
 public:
  explicit Verdicts(const Options& options) : complete_(options.has("complete")), win32_(!options.has("no-win32")) {}

  void row(const std::string& what, const Values& values, const char* pattern, double must, double aim, Better better) {
    const std::string limit = (better == Better::less ? "<= " : ">= ");
    const std::string must_text = limit + format(pattern, must), aim_text = limit + format(pattern, aim);
    if (values.empty()) {
      if (complete_ && (win32_ || what.find("Win32") == std::string::npos)) ++missed_;
      return unmeasured(what, must_text, aim_text, "not measured in this run");
    }
    const Spread measured = spread(values);
    const auto reached = [&](double goal) {
      return better == Better::less ? measured.median <= goal : measured.median >= goal;
    };
    std::string range =
        values.size() == 1 ? "" : format(pattern, measured.low) + " .. " + format(pattern, measured.high);
    table_.row({what, format(pattern, measured.median), range, must_text, aim_text,
                reached(aim)    ? "target met"
                : reached(must) ? "requirement met"
                                : "not met"});
    missed_ += reached(must) ? 0 : 1;
  }

  void unmeasured(const std::string& what, const std::string& must, const std::string& aim, const std::string& why) {
    table_.row({what, "-", "", must, aim, why});
  }

  int print() const {
    std::cout << "\nwhat the library must reach: the median of all rounds, and their range\n";
    table_.print();
    return missed_ == 0 ? 0 : 1;
  }

 private:
  Table table_{{"what", "measured", "rounds", "required", "target", "verdict"}};
  bool complete_, win32_;
  int missed_ = 0;
};

/// The table of requirements, in parts.
class Report {
 public:
  explicit Report(const Options& options)
      : linux_(options.text("linux", "linux")), win32_(options.text("win32", "win32")), verdicts_(options) {}

  int print() {
    latencies();
    many_clients();
    policies();
    idle_and_death();
    compile_times();
    return verdicts_.print();
  }

 private:
  void latencies() {
    ratio("call, 48 B, spinning / one line", linux_, "apart", "48", "call spinning", "one line", 2, 1.25);
    ratio("call, 48 B, spinning / one line, Win32", win32_, "apart", "48", "call spinning", "one line", 2, 1.25);
    ratio("call, 48 B, spinning / copies by hand", linux_, "apart", "48", "call spinning", "copies by hand", 1.1, 0.9);
    ratio("call, 4 KiB, spinning / copies by hand", linux_, "apart", "4096", "call spinning", "copies by hand", 1.1, 1);
    ratio("in place, 1 MiB, spinning / by hand", linux_, "apart", mebibyte, "in place spinning", "in place by hand",
          1.05, 1);
    ratio("C, call, 48 B, spinning / C++", linux_, "apart", "48", "C call spinning", "call spinning", 1.1, 1.03);
    ratio("C, call, 48 B, default / C++", linux_, "apart", "48", "C call default", "call default", 1.1, 1.03);
    ratio("C, in place, 1 MiB, spinning / C++", linux_, "apart", mebibyte, "C in place spinning", "in place spinning",
          1.1, 1.03);
    ratio("C, in place, 1 MiB, default / C++", linux_, "apart", mebibyte, "C in place default", "in place default", 1.1,
          1.03);
    ratio("call, 48 B, sleeping / raw futex", linux_, "apart", "48", "call sleeping", "futex", 1.05, 1);
    ratio("call, 48 B, sleeping / raw Exec/Done, Win32", win32_, "apart", "48", "call sleeping", "Exec/Done events",
          1.05, 1);
    faster("published recipe / call spinning, Win32", "call spinning", 500, 1000);
    faster("published recipe / call sleeping, Win32", "call sleeping", 1.6, 3);
  }

  void many_clients() {
    verdicts_.row("8 clients, calls / named pipe's, Win32", throughput_ratios(win32_, "8", {"named pipe"}), "%.1fx", 5,
                  50, Better::more);
    verdicts_.row("16 clients, calls / named pipe's, Win32", throughput_ratios(win32_, "16", {"named pipe"}), "%.1fx",
                  5, 50, Better::more);
    verdicts_.unmeasured("16 calls in flight / Tachyon's pipelined", "as fast", "1.5x faster",
                         "compared outside the project");
    const std::vector<std::string_view> peers{"UNIX stream", "UNIX seqpacket",      "ZeroMQ",          "nng",
                                              "POSIX mq",    "Boost message_queue", "iceoryx sleeping"};
    verdicts_.row("16 clients, calls / best peer's", throughput_ratios(linux_, "16", peers), "%.1fx", 4, 8,
                  Better::more);
    verdicts_.row("64 clients, calls / best peer's", throughput_ratios(linux_, "64", peers), "%.1fx", 2, 4,
                  Better::more);
    verdicts_.row("16 calls in flight / one after the other", in_flight_ratios(linux_, "16 in flight"), "%.1fx", 2, 4,
                  Better::more);
    verdicts_.row("16 calls in flight / one after the other, Win32", in_flight_ratios(win32_, "16 in flight"), "%.2fx",
                  0.3, 1, Better::more);
    verdicts_.row(
        "16 clients, slowest / fastest",
        column(linux_.throughput, {{"section", "fairness"}, {"system", "call default"}}, "slowest_over_fastest"),
        "%.2f", 0.3, 0.5, Better::more);
    verdicts_.row("64 clients, slowest / fastest",
                  column(linux_.matrix, {{"situation", "64 clients"}, {"policy", "default"}}, "slowest_over_fastest"),
                  "%.2f", 0.3, 0.5, Better::more);
  }

  void policies() {
    policy("busy machine, a call each ms, default / sleeping", "busy with pauses of 1 ms", "sleeping", 1.5, 1.1);
    policy("the same at low priority, default / sleeping", "the same at low priority", "sleeping", 1.5, 1.1);
    policy("idle machine, a call each ms, default / sleeping", "pauses of 1 ms", "sleeping", 0.8, 0.6);
    for (const char* situation : {"back to back apart", "back to back", "pauses of 100 us", "pauses of 1 ms",
                                  "pauses of 10 ms", "busy with pauses of 1 ms", "one core", "4 clients", "16 clients",
                                  "64 clients", "handler of 5 us", "handler of 50 us", "1 MiB in place"})
      verdicts_.row(std::string("default / best fixed policy: ") + situation, best_policy_ratios(linux_, situation),
                    "%.2f", 1.5, 1.1, Better::less);
    verdicts_.row("lateness at the deadline, 240 clients, default / sleeping", lateness_ratios(linux_), "%.2f", 1.5,
                  1.1, Better::less);
  }

  void idle_and_death() {
    verdicts_.row("idle, 1 + 8 processes, CPU of a core",
                  column(linux_.idle, {{"system", "call default"}}, "cpu_percent"), "%.3f %%", 0.01, 0.005,
                  Better::less);
    verdicts_.row("idle, 1 + 8 processes, wake-ups a second",
                  column(linux_.idle, {{"system", "call default"}}, "wakeups_per_s"), "%.1f", 1, 0, Better::less);
    for (const auto& [name, figures] : {std::pair{"", &linux_}, std::pair{", Win32", &win32_}})
      verdicts_.row(std::string("death of the server noticed") + name,
                    column(figures->lifecycle, {{"what", "death noticed after (ns)"}}, "value", 1e-6), "%.2f ms", 1,
                    0.2, Better::less);
  }

  void compile_times() {
    for (const auto& row : linux_.include)
      verdicts_.row("cost of the #include, " + row.text("compiler"), {row.number("cost_s")}, "%.2f s", 0.6, 0.3,
                    Better::less);
    for (const auto& row : linux_.include)
      if (const double count = row.number("minstructions"); count > 0)
        verdicts_.row("including, thousand million instructions of " + row.text("compiler"), {count / 1e3}, "%.2f", 2.3,
                      1.8, Better::less);
    for (const auto& row : linux_.include) {
      for (const auto& [form, words] : {std::pair{"", ", "}, std::pair{"_compiled", ", compiled form, "}}) {
        const double includes = row.number("only_includes" + std::string(form) + "_o2_s");
        if (includes <= 0) continue;
        for (const std::string what : {"calls", "serves"})
          verdicts_.row("a file that " + what + " / one that includes" + words + row.text("compiler"),
                        {row.number(what + form + "_o2_s") / includes}, "%.1f", 2, 1.3, Better::less);
      }
    }
  }

  void ratio(const char* what, const Figures& figures, const char* placement, const char* size, const char* system,
             const char* base, double must, double aim) {
    const std::vector<Values> groups = by_distance(latency_ratios(figures, placement, size, system, base));
    if (groups.size() < 2)
      return verdicts_.row(what, groups.empty() ? Values{} : groups[0], "%.2f", must, aim, Better::less);
    verdicts_.row(std::string(what) + " (cores near)", groups[0], "%.2f", must, aim, Better::less);
    verdicts_.row(std::string(what) + " (cores far)", groups[1], "%.2f", must, aim, Better::less);
  }

  void faster(const char* what, const char* system, double must, double aim) {
    verdicts_.row(what, inverse(latency_ratios(win32_, "apart", "48", system, "published recipe")), "%.3gx", must, aim,
                  Better::more);
  }

  void policy(const char* what, const char* situation, const char* over, double must, double aim) {
    verdicts_.row(what, policy_ratios(linux_, situation, over), "%.2f", must, aim, Better::less);
  }

  static constexpr const char* mebibyte = "1048576";

  const Figures linux_;
  const Figures win32_;
  Verdicts verdicts_;
};

int drive(const Options& options) { return Report(options).print(); }

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_main(argc, argv, {"linux", "win32", "complete", "no-win32"}, bench::drive);
}
