// The waiting policies beside each other in every situation that a program may find: idle, with pauses, beside
// programs that compute, on one core, in a crowd, with handlers that take a while, with large messages.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "support/csv.hpp"
#include "support/progress.hpp"
#include "support/roles.hpp"
#include "support/sample.hpp"
#include "support/selection.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

// A program that computes on one core: its index is twice the CPU, plus one at lower priority.
const Role computing_role("computing", [](const SharedBlock&, unsigned index) {
  pin_to(index / 2);
  if (index % 2 != 0) lower_own_priority();
  for (volatile std::uint64_t work = 0;;) work = work + 1;
  return 0;
});

enum class Others { none, equal, lower };  // the priority of the programs that compute, two on each core

struct Situation {
  std::string name;
  Shape shape;
  Others others = Others::none;
  std::string form = "call";  // of the calls
};

std::vector<Situation> situations(double seconds) {
  Shape base;
  base.size = 48;
  base.placement = Placement::unpinned;
  base.seconds = seconds;
  std::vector<Situation> all;
  const auto add = [&](std::string name, const Shape& shape, Others others = Others::none, std::string form = "call") {
    all.push_back({std::move(name), shape, others, std::move(form)});
  };
  const auto with_pause = [&](double pause) {
    Shape shape = base;
    shape.pause_seconds = pause;
    shape.seconds = seconds * (pause < 5e-3 ? 2 : 4);
    return shape;
  };
  Shape apart = base;
  apart.placement = Placement::apart;
  add("back to back apart", apart);
  add("back to back", base);
  add("pauses of 100 us", with_pause(1e-4));
  add("pauses of 1 ms", with_pause(1e-3));
  add("pauses of 10 ms", with_pause(1e-2));
  Shape beside = with_pause(1e-3);
  beside.seconds = seconds * 6;
  add("busy with pauses of 1 ms", beside, Others::equal);
  add("the same at low priority", beside, Others::lower);
  Shape one_core = base;
  one_core.placement = Placement::one_core;
  add("one core", one_core);
  for (const std::uint32_t clients : {4u, 16u, 64u}) {
    Shape crowd = base;
    crowd.size = 64;
    crowd.clients = clients;
    // How equal many clients are shows only after many time slices: 4 s in a full run.
    crowd.seconds = seconds * (clients < 64 ? 2 : 27);
    add(format("%u clients", clients), crowd);
  }
  for (const double handler_us : {5.0, 50.0}) {
    Shape handler = base;
    handler.handler_ns = handler_us * 1e3;
    add(format("handler of %.0f us", handler_us), handler);
  }
  Shape large = base;
  large.size = largest_message;
  add("1 MiB in place", large, Others::none, "in place");
  return all;
}

// All rounds of one policy in one situation.
struct Series {
  std::vector<double> cost_ns, p50_ns, p99_ns, calls_per_s, fairness;

  void add(const Sample& sample, const Shape& shape) {
    p50_ns.push_back(sample.typical_ns());
    p99_ns.push_back(sample.quantile_ns(0.99));
    calls_per_s.push_back(sample.calls_per_second);
    fairness.push_back(sample.slowest_over_fastest);
    // The median call of a crowd is that of its luckiest client.
    cost_ns.push_back(shape.clients == 1 ? p50_ns.back() : 1e9 / sample.calls_per_second);
  }
};

std::string median_and_range(const std::vector<double>& values, std::string (*show)(double)) {
  const Spread measured = spread(values);
  return show(measured.median) + " (" + show(measured.low) + " .. " + show(measured.high) + ")";
}

class Matrix {
 public:
  explicit Matrix(const Options& options)
      : options_(options),
        quick_(options.has("quick")),
        rounds_(static_cast<unsigned>(options.number("rounds", quick_ ? 2 : 3))),
        csv_(options.text("csv", ".") + "/matrix.csv",
             "round,situation,policy,cost_ns,p50_ns,p99_ns,max_ns,calls_per_s,slowest_over_fastest,probe_one_line_ns") {
  }

  void measure() {
    std::cout << "  CPU: " << cpu_name() << format(", %u rounds\n", rounds_);
    const std::vector<std::string> wanted = options_.list("situations", {});
    for (const Situation& situation : situations(options_.number("seconds", quick_ ? 0.05 : 0.15)))
      if (wanted.empty() || std::find(wanted.begin(), wanted.end(), situation.name) != wanted.end()) measure(situation);
    progress_.clear();
    std::cout << "\ncost of a call under each policy: the median of the rounds' p50, with several clients of the time "
                 "per call; and their range (the best one in pauses: of those that sleep)\n";
    costs_.print();
    std::cout << "\nbeside it, as medians: 99 % within, calls per second, slowest over fastest client\n";
    details_.print();
  }

  bool failed() const { return failed_; }

 private:
  static constexpr const char* policies[] = {"default", "spinning", "sleeping"};

  void measure(const Situation& situation) {
    const std::vector<Process> others = computing(situation.others);
    Series series[3];
    for (unsigned round = 1; round <= rounds_; ++round)
      for (std::size_t policy = 0; policy < 3; ++policy) measure(situation, policies[policy], round, series[policy]);
    report(situation, series);
  }

  std::vector<Process> computing(Others others) const {
    std::vector<Process> programs;
    if (others == Others::none) return programs;
    for (const unsigned cpu : allowed_cpus())
      for (unsigned program = 0; program < 2; ++program)
        programs.push_back(start("computing", stage_.block(), 2 * cpu + (others == Others::lower ? 1 : 0)));
    return programs;
  }

  void measure(const Situation& situation, const std::string& policy, unsigned round, Series& series) {
    const System& system = system_named(situation.form + " " + policy);
    const Shape& shape = situation.shape;
    // A system that never sleeps measures the scheduler's time slice where processes outnumber cores.
    const bool is_crowded = shape.placement == Placement::one_core || shape.clients >= allowed_cpus().size();
    if (!system.fits(shape) || (system.spins() && is_crowded)) return;
    progress_.show(situation.name + ": " + policy + format(", round %u of %u", round, rounds_));
    const Sample sample = stage_.measure(system, shape);
    if (!sample.failure.empty()) {
      failed_ = true;
      progress_.clear();
      std::cout << "  " << situation.name << ", " << policy << ": failed: " << sample.failure << '\n';
      return;
    }
    series.add(sample, shape);
    csv_.row(round, situation.name, policy, series.cost_ns.back(), series.p50_ns.back(), series.p99_ns.back(),
             sample.max_ns(), sample.calls_per_second, sample.slowest_over_fastest, sample.probe.one_line_ns);
  }

  void report(const Situation& situation, const Series (&series)[3]) {
    std::vector<std::string> costs{situation.name}, details{situation.name};
    for (const Series& each : series) {
      const bool any = !each.cost_ns.empty();
      costs.push_back(any ? median_and_range(each.cost_ns, duration) : "-");
      details.push_back(any ? duration(spread(each.p99_ns).median) : "-");
      details.push_back(any ? rate(spread(each.calls_per_s).median) : "-");
      details.push_back(any && situation.shape.clients > 1 ? format("%.2f", spread(each.fairness).median) : "-");
    }
    const auto median = [](const Series& each) { return spread(each.cost_ns).median; };
    double best = median(series[2]);
    // Spinning through a pause costs two whole cores: it is not the best there.
    if (!series[1].cost_ns.empty() && situation.shape.pause_seconds == 0) best = std::min(best, median(series[1]));
    const bool any = best > 0 && !series[0].cost_ns.empty();
    costs.push_back(any ? format("%.2f", median(series[0]) / best) : "-");
    costs_.row(costs);
    details_.row(details);
  }

  const Options& options_;
  bool quick_;
  unsigned rounds_;
  CsvWriter csv_;
  Stage stage_;
  Progress progress_;
  Table costs_{{"situation", "default", "spinning", "sleeping", "default / best"}};
  Table details_{{"situation", "default: p99", "calls", "fair", "spinning: p99", "calls", "fair", "sleeping: p99",
                  "calls", "fair"}};
  bool failed_ = false;
};

int drive(const Options& options) {
  Matrix matrix(options);
  matrix.measure();
  return matrix.failed() ? 1 : 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_main(argc, argv, {"quick", "situations", "rounds", "seconds", "csv"}, bench::drive);
}
