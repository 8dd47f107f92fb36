// Two machines on one: a nats-server, exporters and importers, each a process. What is called `far` on the one side is
// called `near` on the other, because both share this machine's names.
#pragma once

#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/outcome.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace bridge_test {

using test_support::Process;

/// Free at this moment.
std::uint16_t free_port();
/// Whether somebody listens there.
bool is_listening(std::uint16_t port);

/// A nats-server.
class Broker {
 public:
  explicit Broker(std::vector<std::string> more = {}, std::uint16_t port = free_port());

  void start();  // again, on the same port
  void kill();
  Process& process() { return *process_; }
  [[nodiscard]] std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }

 private:
  std::vector<std::string> arguments_;
  std::uint16_t port_;
  std::optional<Process> process_;
};

Process bridge(const std::vector<std::string>& arguments);

/// SIGTERM.
void ask_to_end(const Process& process);

struct World {
  explicit World(std::vector<std::string> broker_arguments = {})
      : near(test_support::unique_name("near")),
        far(test_support::unique_name("far")),
        broker(std::move(broker_arguments)) {}

  Process exports(std::vector<std::string> more = {}) { return exports_as(far, std::move(more)); }
  Process exports_as(const std::string& name, std::vector<std::string> more = {}) {
    return started("export", name + "=" + offered(), std::move(more));
  }
  /// Unless told otherwise it bears long silences: this machine may have other things to do.
  Process imports(std::vector<std::string> more = {"--silence", "20s"}) {
    return started("import", near + "=" + offered(), std::move(more));
  }
  /// Its name between the bridges.
  [[nodiscard]] std::string offered() const { return far + ".offered"; }

  /// A client of the near channel, once there is one.
  template <class Channel = test_support::Channel>
  typename Channel::Client client() {
    typename Channel::Client made(near);
    made.wait_for_server(test_support::amply).value();
    return made;
  }

  const std::string near, far;
  Broker broker;

 private:
  Process started(const char* what, const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> arguments{what, name, "--nats", broker.url()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return bridge(arguments);
  }
};

/// Waits for the first nap or hang of a far server in this process.
inline bool eventually_runs(const std::atomic<std::uint64_t>& runs, std::uint64_t count) {
  return test_support::eventually([&] { return runs >= count; });
}

}  // namespace bridge_test
