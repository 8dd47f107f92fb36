// Beginnings and ends of the library's channels: attaching, finding a new server, noticing a dead one, memory.
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <iostream>
#include <optional>
#include <stop_token>
#include <thread>

#include "support/clock.hpp"
#include "support/csv.hpp"
#include "support/progress.hpp"
#include "support/roles.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

namespace bench {

namespace {

namespace sc = shared_channel;

struct Message {
  std::uint64_t words[8];
};
using Channel = sc::SharedChannel<Message>;

constexpr std::uint64_t please_hang = 1;

struct Stage {
  std::byte gates[Gate::reserved];
  char channel[64];
  std::uint32_t slots;
  std::atomic<std::uint32_t> ready;
  std::atomic<std::uint32_t> hanging;
  std::atomic<double> killed_at;
  double attach_ns;
  double call_ns;
  double noticed_after_ns;
  double memory;
  std::uint32_t error;
  char failure[160];
};

Stage& stage_of(const SharedBlock& block) { return *reinterpret_cast<Stage*>(block.data()); }

template <class Outcome>
void require(const Outcome& outcome) {
  if (!outcome) throw std::runtime_error(outcome.error().message());
}

template <class Condition>
void wait_until(Condition&& condition) {
  const double deadline = seconds_now() + 10;
  while (!condition()) {
    if (seconds_now() > deadline) throw std::runtime_error("nothing happened for 10 s");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

const Role server_role("channel-server", [](const SharedBlock& block, unsigned) {
  Stage& stage = stage_of(block);
  const Gate stop(block, 0);
  const double before = mapped_shared_memory();
  sc::ServerOptions options;
  options.max_calls = stage.slots;
  Channel::Server server(stage.channel, options);
  stage.memory = mapped_shared_memory() - before;
  std::thread watcher([&] {
    stop.wait();
    server.stop();
  });
  stage.ready = 1;
  require(server.serve([&](const Message& request) {
    if (request.words[0] == please_hang) {
      stage.hanging = 1;
      std::this_thread::sleep_for(std::chrono::seconds(30));
    }
    return request;
  }));
  watcher.join();
  return 0;
});

// A call that the server will not live to answer.
const Role victim_role("victim", [](const SharedBlock& block, unsigned) {
  Stage& stage = stage_of(block);
  Channel::Client client(stage.channel);
  Message request{};
  request.words[0] = please_hang;
  const auto reply = client.call(request, std::chrono::seconds(10));
  const double now = seconds_now();
  wait_until([&] { return stage.killed_at != 0; });
  stage.noticed_after_ns = (now - stage.killed_at) * 1e9;
  stage.error = reply ? 0 : static_cast<std::uint32_t>(reply.error().code()) + 1;
  return 0;
});

class Lifecycle {
 public:
  explicit Lifecycle(const Options& options)
      : repeats_(static_cast<unsigned>(options.number("repeats", options.has("quick") ? 20 : 100))),
        csv_(options.text("csv", ".") + "/lifecycle.csv", "what,repeat,value"),
        block_(sizeof(Stage)),
        stop_(block_, 0) {}

  void run() {
    measure("attach and first call (ns)", &Lifecycle::attach);
    measure("reconnecting call (ns)", &Lifecycle::reconnect);
    measure("death noticed after (ns)", &Lifecycle::death);
    measure("cancelled after (ns)", &Lifecycle::cancellation);
    memory();
    progress_.clear();
    std::cout << "\nbeginnings and ends of a channel\n";
    table_.print();
  }

 private:
  /// The present channel's name, where the other roles find it.
  const char* name_channel() {
    Stage& stage = stage_of(block_);
    std::snprintf(stage.channel, sizeof stage.channel, "bench-life-%llx-%u", static_cast<unsigned long long>(own_pid()),
                  channel_);
    return stage.channel;
  }

  Process serve() {
    Stage& stage = stage_of(block_);
    std::memset(block_.data() + Gate::reserved, 0, sizeof(Stage) - Gate::reserved);
    stop_.close();
    name_channel();
    stage.slots = slots_;
    Process server = start("channel-server", block_, 0);
    wait_until([&] { return stage.ready != 0; });
    return server;
  }

  void stop(Process& server) {
    stop_.open();
    if (!server.ends_within(std::chrono::seconds(5))) throw std::runtime_error("the server did not stop");
  }

  void attach(std::vector<double>& results) {
    ++channel_;
    Process server = serve();
    for (unsigned i = 0; i < repeats_; ++i) {
      const double begin = seconds_now();
      Channel::Client client(stage_of(block_).channel);
      require(client.call(Message{}));
      results.push_back((seconds_now() - begin) * 1e9);
    }
    stop(server);
  }

  void reconnect(std::vector<double>& results) {
    ++channel_;
    Process first = serve();
    Channel::Client client(stage_of(block_).channel);
    require(client.call(Message{}));
    stop(first);
    for (unsigned i = 0; i < repeats_; ++i) {
      Process next = serve();
      const double begin = seconds_now();
      require(client.call(Message{}));
      results.push_back((seconds_now() - begin) * 1e9);
      stop(next);
    }
  }

  void death(std::vector<double>& results) {
    const Stage& stage = stage_of(block_);
    for (unsigned i = 0; i < repeats_; ++i) {
      ++channel_;
      Process server = serve();
      Process victim = start("victim", block_, 0);
      wait_until([&] { return stage.hanging != 0; });
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // long enough for the caller to sleep
      stage_of(block_).killed_at = seconds_now();
      server.kill();
      if (!victim.ends_within(std::chrono::seconds(15))) throw std::runtime_error("the caller did not come back");
      if (stage.error != static_cast<std::uint32_t>(sc::Errc::server_died) + 1)
        throw std::runtime_error("the caller did not see server_died");
      results.push_back(stage.noticed_after_ns);
      Process heir = serve();  // takes over what the dead one left behind, and leaves nothing
      stop(heir);
    }
  }

  /// From request_stop() to the end of a call that sleeps.
  void cancellation(std::vector<double>& results) {
    ++channel_;
    const char* const name = name_channel();
    const Channel::Server silent(name);  // nobody serves
    sc::ClientOptions sleeping;
    sleeping.wait = sc::WaitPolicy::sleep();
    Channel::Client client(name, sleeping);
    for (unsigned i = 0; i < repeats_; ++i) {
      std::stop_source source;
      double ended = 0;
      std::optional<sc::Errc> code;
      std::thread caller([&] {
        const auto reply = client.call(Message{}, std::chrono::seconds(10), source.get_token());
        ended = seconds_now();
        if (!reply) code = reply.error().code();
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // long enough for the caller to sleep
      const double begin = seconds_now();
      source.request_stop();
      caller.join();
      if (code != sc::Errc::cancelled) throw std::runtime_error("the call was not cancelled");
      results.push_back((ended - begin) * 1e9);
    }
  }

  void memory() {
    double few = 0;
    for (const unsigned slots : {1u, 16u, 256u, 1024u}) {
      ++channel_;
      slots_ = slots;
      Process server = serve();
      const double bytes_used = stage_of(block_).memory;
      stop(server);
      csv_.row(format("memory with %u slots (B)", slots), 1, bytes_used);
      table_.row({format("memory with %u slots", slots), bytes(bytes_used), "", ""});
      if (slots == 1) few = bytes_used;
      if (slots == 1024) {
        csv_.row("memory per slot (B)", 1, (bytes_used - few) / 1023);
        table_.row({"memory per slot, 64 B messages", bytes((bytes_used - few) / 1023), "", ""});
      }
    }
    slots_ = 16;
  }

  void measure(const std::string& what, void (Lifecycle::*body)(std::vector<double>&)) {
    progress_.show(what);
    std::vector<double> results;
    (this->*body)(results);
    for (std::size_t i = 0; i < results.size(); ++i) csv_.row(what, i + 1, results[i]);
    const Spread times = spread(results);
    table_.row({what.substr(0, what.rfind(" (")), duration(times.median), duration(times.low), duration(times.high)});
  }

  unsigned repeats_;
  CsvWriter csv_;
  SharedBlock block_;
  Gate stop_;
  Progress progress_;
  Table table_{{"what", "median", "fastest", "slowest"}};
  unsigned channel_ = 0;
  unsigned slots_ = 16;
};

int drive(const Options& options) {
  Lifecycle(options).run();
  return 0;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) { return bench::run_main(argc, argv, {"quick", "repeats", "csv"}, bench::drive); }
