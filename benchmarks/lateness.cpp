// How late calls end whose deadline passes while the machine is crowded: 240 clients of 8 processes, and a server that
// goes and comes back. Each policy in turn, round by round.
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "support/clock.hpp"
#include "support/csv.hpp"
#include "support/histogram.hpp"
#include "support/progress.hpp"
#include "support/roles.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

namespace sc = shared_channel;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Message {
  std::uint64_t words[8];
};
using Channel = sc::SharedChannel<Message>;

constexpr unsigned processes = 8, clients_of_each = 30;
constexpr auto timeout = 20ms;
constexpr auto up = 60ms,
               down = 60ms;  // a call that begins while the server is away meets its deadline, in two of three

struct Stage {
  std::byte gates[Gate::reserved];
  char channel[64];
  std::uint32_t sleeps;  // the policy: sleep at once, or else the default
  std::atomic<std::uint32_t> over;
  std::atomic<std::uint64_t> answered;
  Histogram lateness[processes];  // in ns, of the calls whose deadline passed
};

Stage& stage_of(const SharedBlock& block) { return *reinterpret_cast<Stage*>(block.data()); }

sc::WaitPolicy policy_of(const Stage& stage) { return stage.sleeps != 0 ? sc::WaitPolicy::sleep() : sc::WaitPolicy{}; }

const Role server_role("late-server", [](const SharedBlock& block, unsigned) {
  const Stage& stage = stage_of(block);
  sc::ServerOptions options;
  options.wait = policy_of(stage);
  while (stage.over == 0) {
    Channel::Server server(stage.channel, options);
    if (const auto started = server.start([](const Message& request) { return request; }); !started)
      throw std::runtime_error(started.error().message());
    std::this_thread::sleep_for(up);
    server.stop();
    std::this_thread::sleep_for(down);
  }
  return 0;
});

const Role clients_role("late-clients", [](const SharedBlock& block, unsigned index) {
  Stage& stage = stage_of(block);
  std::vector<std::unique_ptr<Histogram>> lateness;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < clients_of_each; ++i) {
    lateness.push_back(std::make_unique<Histogram>());
    threads.emplace_back([&stage, &late = *lateness.back()] {
      sc::ClientOptions options;
      options.wait = policy_of(stage);
      options.wait_for_server = true;
      Channel::Client client(stage.channel, options);
      std::uint64_t answered = 0;
      while (stage.over == 0) {
        const auto deadline = Clock::now() + timeout;
        const auto reply = client.call(Message{}, timeout);
        const auto now = Clock::now();
        answered += reply ? 1 : 0;
        if (now >= deadline) late.record(static_cast<std::uint64_t>(std::chrono::nanoseconds(now - deadline).count()));
      }
      stage.answered += answered;
    });
  }
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    stage.lateness[index].add(*lateness[i]);
  }
  return 0;
});

class Lateness {
 public:
  explicit Lateness(const Options& options)
      : rounds_(static_cast<unsigned>(options.number("rounds", options.has("quick") ? 2 : 5))),
        seconds_(options.number("seconds", options.has("quick") ? 1 : 3)),
        csv_(options.text("csv", ".") + "/lateness.csv", "round,policy,late_calls,answered,p50_ns,p99_ns,max_ns"),
        block_(sizeof(Stage)) {}

  void run() {
    for (unsigned round = 1; round <= rounds_; ++round)
      for (const std::string_view policy : {"default", "sleeping"}) measure(round, policy);
    progress_.clear();
    std::cout << format("\nlateness at the deadline: %u clients of %u processes, a server that goes and comes back\n",
                        processes * clients_of_each, processes);
    Table table{{"policy", "p50", "99 % within", "calls whose deadline passed", "answered"}};
    for (const Series& each : series_) {
      table.row({each.policy, duration(spread(each.p50).median), duration(spread(each.p99).median),
                 format("%.0f", spread(each.late).median), format("%.0f", spread(each.answered).median)});
    }
    table.print();
  }

 private:
  struct Series {
    std::string policy;
    std::vector<double> p50, p99, late, answered;
  };

  void measure(unsigned round, std::string_view policy) {
    progress_.show("lateness: " + std::string(policy) + format(", round %u of %u", round, rounds_));
    Stage& stage = stage_of(block_);
    std::memset(block_.data() + Gate::reserved, 0, sizeof(Stage) - Gate::reserved);
    std::snprintf(stage.channel, sizeof stage.channel, "bench-late-%llx-%u", static_cast<unsigned long long>(own_pid()),
                  ++channel_);
    stage.sleeps = policy == "sleeping" ? 1 : 0;
    Process server = start("late-server", block_, 0);
    std::vector<Process> clients;
    for (unsigned i = 0; i < processes; ++i) clients.push_back(start("late-clients", block_, i));
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_));
    stage.over = 1;
    for (Process& each : clients)
      if (!each.ends_within(30s)) throw std::runtime_error("the clients did not end");
    if (!server.ends_within(30s)) throw std::runtime_error("the server did not end");
    const auto late = std::make_unique<Histogram>();
    for (const Histogram& each : stage.lateness) late->add(each);
    if (late->count() == 0) throw std::runtime_error("no call met its deadline");
    record(round, policy, *late, static_cast<double>(stage.answered.load()));
  }

  void record(unsigned round, std::string_view policy, const Histogram& late, double answered) {
    Series& series = series_[policy == "sleeping" ? 1 : 0];
    series.p50.push_back(late.quantile(0.5));
    series.p99.push_back(late.quantile(0.99));
    series.late.push_back(static_cast<double>(late.count()));
    series.answered.push_back(answered);
    csv_.row(round, policy, late.count(), answered, series.p50.back(), series.p99.back(), late.max());
  }

  unsigned rounds_;
  double seconds_;
  CsvWriter csv_;
  SharedBlock block_;
  Progress progress_;
  Series series_[2]{{"default", {}, {}, {}, {}}, {"sleeping", {}, {}, {}, {}}};
  unsigned channel_ = 0;
};

int drive(const Options& options) {
  Lateness(options).run();
  return 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_main(argc, argv, {"quick", "rounds", "seconds", "csv"}, bench::drive);
}
