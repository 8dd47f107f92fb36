// Calls per second and fairness against the number of clients, of handlers, of slots, and of calls in flight at
// once.
#include <iostream>

#include "support/csv.hpp"
#include "support/progress.hpp"
#include "support/roles.hpp"
#include "support/sample.hpp"
#include "support/selection.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

class Run {
 public:
  explicit Run(const Options& options)
      : quick_(options.has("quick")),
        rounds_(static_cast<unsigned>(options.number("rounds", quick_ ? 2 : 3))),
        csv_(options.text("csv", ".") + "/throughput.csv",
             "round,section,system,clients,threads,slots,handler_us,calls_per_s,slowest_over_fastest,p50_ns,p99_ns,max_"
             "ns,server_cpu_s,"
             "client_cpu_s,seconds"),
        systems_(selected_systems(options)) {
    base_.placement = Placement::unpinned;
    base_.seconds = options.number("seconds", quick_ ? 0.1 : 0.25);
    base_.check = options.has("check");
    print_clock(stage_.clock());
  }

  void clients(const std::vector<std::uint32_t>& counts) {
    std::vector<std::string> heading{"clients"};
    for (const std::uint32_t count : counts) heading.push_back(format("%u", count));
    Table table(heading);
    std::vector<std::vector<std::vector<double>>> rates(systems_.size(),
                                                        std::vector<std::vector<double>>(counts.size()));
    for (unsigned round = 1; round <= rounds_; ++round)
      for (std::size_t c = 0; c < counts.size(); ++c)
        for (std::size_t s = 0; s < systems_.size(); ++s) {
          Shape shape = base_;
          shape.clients = counts[c];
          if (!suits(*systems_[s], shape)) continue;
          const Sample sample = measure("clients", round, *systems_[s], shape);
          if (sample.failure.empty()) rates[s][c].push_back(sample.calls_per_second);
        }
    for (std::size_t s = 0; s < systems_.size(); ++s) {
      std::vector<std::string> cells{std::string(systems_[s]->name())};
      bool any = false;
      for (const auto& cell : rates[s]) {
        any = any || !cell.empty();
        cells.push_back(cell.empty() ? "-" : rate(spread(cell).median));
      }
      if (any) table.row(cells);
    }
    finish("calls per second by number of clients, 64 B, unpinned", table);
  }

  void fairness() {
    Table table({"16 clients", "calls", "slowest / fastest", "p50", "p99", "max", "CPU server", "CPU clients"});
    for (const System* system : systems_) {
      Shape shape = base_;
      shape.clients = 16;
      shape.seconds = quick_ ? 1 : 5;
      if (!suits(*system, shape) || (system->kind() != Kind::library && (quick_ || system->name() != "UNIX stream")))
        continue;
      const Sample sample = measure("fairness", 1, *system, shape);
      if (!sample.failure.empty()) continue;
      table.row({std::string(system->name()), rate(sample.calls_per_second),
                 format("%.2f", sample.slowest_over_fastest), duration(sample.quantile_ns(0.5)),
                 duration(sample.quantile_ns(0.99)), duration(sample.max_ns()),
                 format("%.2f s", sample.server.cpu_seconds), format("%.2f s", sample.clients.cpu_seconds)});
    }
    finish(format("fairness, 16 clients for %d s", quick_ ? 1 : 5), table);
  }

  void threads() {
    Table table({"handler", "1 thread", "2 threads", "4 threads"});
    const System* system = find("call default");
    if (system == nullptr) return;
    for (const double handler_us : {0.0, 5.0, 50.0}) {
      std::vector<std::string> cells{format("%.0f us", handler_us)};
      for (const std::uint32_t threads : {1u, 2u, 4u}) {
        Shape shape = base_;
        shape.clients = 8;
        shape.threads = threads;
        shape.handler_ns = handler_us * 1e3;
        cells.push_back(median_rate("threads", *system, shape));
      }
      table.row(cells);
    }
    finish("calls per second by server threads, 8 clients, default policy", table);
  }

  void slots() {
    const System* system = find("call default");
    if (system == nullptr) return;
    Table table({"slots", "one caller, p50", "16 clients, calls"});
    const std::vector<std::uint32_t> counts =
        quick_ ? std::vector<std::uint32_t>{1, 16, 1024} : std::vector<std::uint32_t>{1, 4, 16, 64, 256, 1024};
    for (const std::uint32_t slots : counts) {
      Shape one = base_;
      one.placement = Placement::apart;
      one.slots = slots;
      std::vector<double> times;
      for (unsigned round = 1; round <= rounds_; ++round) {
        const Sample sample = measure("slots one caller", round, *system, one);
        if (sample.failure.empty()) times.push_back(sample.typical_ns());
      }
      Shape many = base_;
      many.clients = 16;
      many.slots = slots;
      table.row({format("%u", slots), duration(spread(times).median), median_rate("slots", *system, many)});
    }
    finish("by number of slots, 64 B, default policy", table);
  }

  void pipelined() {
    const System* in_turn = find("call default");
    const System* at_once = find("async default");
    if (in_turn == nullptr || at_once == nullptr) return;
    Table table({"handler", "16 in turn", "16 at once", "at once, 2 threads"});
    for (const double handler_us : {0.0, 5.0, 50.0}) {
      Shape shape = base_;
      shape.burst = 16;
      shape.handler_ns = handler_us * 1e3;
      std::vector<std::string> cells{format("%.0f us", handler_us), median_rate("16 in turn", *in_turn, shape),
                                     median_rate("16 at once", *at_once, shape)};
      shape.threads = 2;
      cells.push_back(median_rate("16 at once", *at_once, shape));
      table.row(cells);
    }
    finish("calls per second of one client, 64 B, default policy: one after the other, and pipelined", table);
  }

  // One client's calls, and how it learns that they have ended.
  void in_flight() {
    Table table({"in flight", "call, in turn", "PendingCall", "callback", "co_await"});
    for (const std::uint32_t burst : {1u, 4u, 16u, 64u}) {
      Shape shape = base_;
      shape.burst = burst;
      shape.slots = 64;
      std::vector<std::string> cells{format("%u", burst)};
      for (const char* name : {"call default", "async default", "callback default", "co_await default"}) {
        const System* system = find(name);
        cells.push_back(system == nullptr ? "-" : median_rate(format("%u in flight", burst), *system, shape));
      }
      table.row(cells);
    }
    finish("calls per second of one client by calls in flight, 64 B, default policy", table);
  }

  bool failed() const { return failed_; }

 private:
  // Spinning indefinitely with more processes than cores measures the scheduler's patience, not a channel.
  static bool suits(const System& system, const Shape& shape) {
    return system.fits(shape) && system.kind() != Kind::floor &&
           !(system.spins() && shape.clients >= allowed_cpus().size());
  }

  const System* find(std::string_view name) const {
    for (const System* system : systems_)
      if (system->name() == name) return system;
    return nullptr;
  }

  Sample measure(const std::string& section, unsigned round, const System& system, const Shape& shape) {
    progress_.show(format("%s: %s, %u clients, %u threads, %u slots, round %u", section.c_str(), system.name().data(),
                          shape.clients, shape.threads, shape.slots, round));
    Sample sample = stage_.measure(system, shape);
    if (!sample.failure.empty()) {
      failed_ = true;
      progress_.clear();
      std::cout << "  " << system.name() << format(", %u clients: failed: ", shape.clients) << sample.failure << '\n';
      return sample;
    }
    sample.calls_per_second *= shape.burst;
    csv_.row(round, section, system.name(), shape.clients, shape.threads, shape.slots, shape.handler_ns / 1e3,
             sample.calls_per_second, sample.slowest_over_fastest, sample.typical_ns(), sample.quantile_ns(0.99),
             sample.max_ns(), sample.server.cpu_seconds, sample.clients.cpu_seconds, shape.seconds);
    return sample;
  }

  std::string median_rate(const std::string& section, const System& system, const Shape& shape) {
    std::vector<double> rates;
    for (unsigned round = 1; round <= rounds_; ++round) {
      const Sample sample = measure(section, round, system, shape);
      if (sample.failure.empty()) rates.push_back(sample.calls_per_second);
    }
    return rates.empty() ? "failed" : rate(spread(rates).median);
  }

  void finish(const std::string& title, const Table& table) {
    progress_.clear();
    if (table.empty()) return;
    std::cout << '\n' << title << '\n';
    table.print();
  }

  bool quick_;
  unsigned rounds_;
  CsvWriter csv_;
  std::vector<const System*> systems_;
  Stage stage_;
  Shape base_;
  Progress progress_;
  bool failed_ = false;
};

int drive(const Options& options) {
  Run run(options);
  const auto sections = options.list("sections", {"clients", "fairness", "threads", "slots", "pipelined"});
  for (const std::string& section : sections) {
    if (section == "clients")
      run.clients(numbers(options, "clients",
                          options.has("quick") ? std::vector<std::string>{"1", "16"}
                                               : std::vector<std::string>{"1", "2", "4", "8", "16", "64"}));
    if (section == "fairness") run.fairness();
    if (section == "threads") run.threads();
    if (section == "slots") run.slots();
    if (section == "pipelined") {
      run.in_flight();
      run.pipelined();
    }
  }
  return run.failed() ? 1 : 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_main(argc, argv, {"quick", "check", "systems", "sections", "clients", "rounds", "seconds", "csv"},
                         bench::drive);
}
