// Round trips of one client, every system beside every other: sizes, placements, policies.
#include <iostream>
#include <map>

#include "support/csv.hpp"
#include "support/progress.hpp"
#include "support/roles.hpp"
#include "support/sample.hpp"
#include "support/selection.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

Placement placement_named(const std::string& name) {
  for (const Placement placement : {Placement::apart, Placement::one_core, Placement::unpinned})
    if (name == name_of(placement)) return placement;
  throw std::invalid_argument("no such placement: " + name);
}

// All rounds of one system at one point.
struct Series {
  std::vector<double> typical;
  std::vector<double> one_line, two_lines;
  Sample all;
  unsigned rounds = 0;
  std::string failure;

  void add(const Sample& sample) {
    if (!sample.failure.empty()) {
      failure = sample.failure;
      return;
    }
    ++rounds;
    typical.push_back(sample.typical_ns());
    one_line.push_back(sample.probe.one_line_ns);
    two_lines.push_back(sample.probe.two_lines_ns);
    all.ns_per_tick = sample.ns_per_tick;
    all.calls.add(sample.calls);
    all.total += sample.total;
    all.calls_per_second += sample.calls_per_second;
    all.server += sample.server;
    all.clients += sample.clients;
    all.attach_ns += sample.attach_ns;
  }
};

std::string per_call(double total, std::uint64_t calls, const char* pattern) {
  return format(pattern, total / static_cast<double>(calls));
}

void print(const std::vector<std::pair<const System*, Series>>& group) {
  Table table(
      {"system", "p50", "spread", "p90", "p99", "p99.9", "max", "calls", "CPU s+c", "waits", "1 line", "2 lines"});
  for (const auto& [system, series] : group) {
    const std::string name(system->name());
    if (series.rounds == 0) {
      table.row({name, "failed: " + series.failure});
      continue;
    }
    const Spread typical = spread(series.typical);
    const Sample& all = series.all;
    table.row(
        {name, duration(typical.median),
         format("%+.0f %+.0f %%", (typical.low / typical.median - 1) * 100, (typical.high / typical.median - 1) * 100),
         duration(all.quantile_ns(0.9)), duration(all.quantile_ns(0.99)), duration(all.quantile_ns(0.999)),
         duration(all.max_ns()), rate(all.calls_per_second / series.rounds),
         per_call(all.server.cpu_seconds * 1e6, all.total, "%.2f") +
             per_call(all.clients.cpu_seconds * 1e6, all.total, "+%.2f us"),
         per_call(static_cast<double>(all.server.waits + all.clients.waits), all.total, "%.2f"),
         format("%.0f", spread(series.one_line).median), format("%.0f", spread(series.two_lines).median)});
  }
  table.print();
}

using Group = std::vector<std::pair<const System*, Series>>;

class Latency {
 public:
  explicit Latency(const Options& options)
      : quick_(options.has("quick")),
        rounds_(static_cast<unsigned>(options.number("rounds", quick_ ? 3 : 7))),
        samples_(options.text("csv", ".") + "/latency.csv",
                 "round,placement,size,system,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,calls_per_s,calls,server_cpu_us,"
                 "client_cpu_us,server_waits,client_waits,attach_us,probe_one_line_ns,probe_two_lines_ns"),
        percentiles_(options.text("csv", ".") + "/percentiles.csv", "placement,size,system,percentile,ns"),
        systems_(selected_systems(options)) {
    shape_.seconds = options.number("seconds", quick_ ? 0.01 : 0.03);
    shape_.check = options.has("check");
    print_clock(stage_.clock());
  }

  int run(const std::vector<std::string>& placements, const std::vector<std::uint32_t>& sizes) {
    for (const std::string& placement : placements)
      for (const std::uint32_t size : sizes) {
        if (quick_ && placement != "apart" && size != sizes.front()) continue;
        shape_.placement = placement_named(placement);
        shape_.size = size;
        Group group = of_systems(size == sizes.front());
        measure(placement, group);
        report(placement, group);
      }
    return failed_ ? 1 : 0;
  }

 private:
  // The systems that can be measured at this point; peers at the first size only, if it is to be quick.
  Group of_systems(bool with_peers) const {
    Group group;
    for (const System* system : systems_)
      if (system->fits(shape_) && !(system->spins() && shape_.placement == Placement::one_core) &&
          !(quick_ && system->kind() == Kind::peer && !with_peers))
        group.emplace_back(system, Series());
    return group;
  }

  void measure(const std::string& placement, Group& group) {
    for (unsigned round = 1; round <= rounds_; ++round)
      for (auto& [system, series] : group) {
        progress_.show(format("%s, %s, round %u of %u: %s", placement.c_str(), bytes(shape_.size).c_str(), round,
                              rounds_, system->name().data()));
        const Sample sample = stage_.measure(*system, shape_);
        series.add(sample);
        if (sample.failure.empty())
          write(round, placement, *system, sample);
        else
          failed_ = true;
      }
    progress_.clear();
  }

  void write(unsigned round, const std::string& placement, const System& system, const Sample& sample) {
    const auto calls = static_cast<double>(sample.total);
    samples_.row(round, placement, shape_.size, system.name(), sample.typical_ns(), sample.quantile_ns(0.9),
                 sample.quantile_ns(0.99), sample.quantile_ns(0.999), sample.max_ns(), sample.calls_per_second, calls,
                 sample.server.cpu_seconds / calls * 1e6, sample.clients.cpu_seconds / calls * 1e6,
                 static_cast<double>(sample.server.waits) / calls, static_cast<double>(sample.clients.waits) / calls,
                 sample.attach_ns / 1e3, sample.probe.one_line_ns, sample.probe.two_lines_ns);
  }

  void report(const std::string& placement, const Group& group) {
    std::cout << format("\n%s, %s: p50, median of %u rounds, percentiles over all of them\n", placement.c_str(),
                        bytes(shape_.size).c_str(), rounds_);
    print(group);
    for (const auto& [system, series] : group)
      if (series.rounds > 0)
        for (const double percentile :
             {1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 100.0})
          percentiles_.row(placement, shape_.size, system->name(), percentile,
                           series.all.quantile_ns(percentile / 100));
  }

  const bool quick_;
  const unsigned rounds_;
  CsvWriter samples_;
  CsvWriter percentiles_;
  Stage stage_;
  const std::vector<const System*> systems_;
  const Progress progress_;
  Shape shape_;
  bool failed_ = false;
};

int drive(const Options& options) {
  const bool quick = options.has("quick");
  const auto sizes = numbers(options, "sizes",
                             quick ? std::vector<std::string>{"48", "4096", "1048576"}
                                   : std::vector<std::string>{"8", "48", "64", "256", "4096", "65536", "1048576"});
  const auto placements = options.list("placements", quick ? std::vector<std::string>{"apart", "one core"}
                                                           : std::vector<std::string>{"apart", "one core", "unpinned"});
  return Latency(options).run(placements, sizes);
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_main(argc, argv, {"quick", "check", "systems", "sizes", "placements", "rounds", "seconds", "csv"},
                         bench::drive);
}
