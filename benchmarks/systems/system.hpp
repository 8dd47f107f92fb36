#pragma once

#include <string_view>
#include <thread>
#include <vector>

#include "../support/measure.hpp"
#include "../support/probe.hpp"

namespace bench {

enum class Kind { floor, peer, library, skipped };

// One way of calling a function in another process.
class System {
 public:
  virtual ~System() = default;

  virtual std::string_view name() const = 0;
  virtual Kind kind() const = 0;
  virtual bool spins() const { return false; }  // never lets go of its core
  virtual bool fits(const Shape&) const = 0;

  virtual void serve(const Session&) const = 0;                        // until session.stop opens
  virtual void run_client(const Session&, unsigned index) const = 0;   // a whole measured sample
  virtual void idle_client(const Session&, unsigned index) const = 0;  // some calls, then nothing
  virtual void clean_up(std::string_view channel) const { (void)channel; }
};

// Every system that this build knows, in the order of the report, skipped ones included.
const std::vector<const System*>& all_systems();
const System& system_named(std::string_view name);

// Runs `Server` until told to stop. A server without a stop() of its own ends with its process.
template <class Server>
void serve_until_stopped(Server& server, const Session& session) {
  std::thread watcher([&] {
    session.go.wait();
    const Usage used = own_usage();
    session.stop.wait();
    session.control().server.usage = own_usage() - used;
    if constexpr (requires { server.stop(); })
      server.stop();
    else
      leave(0);
  });
  session.control().server_ready = 1;
  answer_probe(session);
  server.serve();
  watcher.join();
}

template <class Client>
void stay_idle(Client& client, const Session& session) {
  Messages messages(session.shape().size, false);
  for (int i = 0; i < 10; ++i) {
    messages.stamp();
    client.round_trip(messages);
  }
  session.control().clients_ready.fetch_add(1);
  session.go.wait();
}

// A System from a policy: name, kind, fits(), and the classes Server (serve()) and Client (round_trip()).
template <class Policy>
class SystemOf final : public System {
 public:
  std::string_view name() const override { return Policy::name; }
  Kind kind() const override { return Policy::kind; }
  bool spins() const override {
    if constexpr (requires { Policy::spins; }) return Policy::spins;
    return false;
  }
  bool fits(const Shape& shape) const override { return Policy::fits(shape); }

  void serve(const Session& session) const override {
    typename Policy::Server server(session);
    serve_until_stopped(server, session);
  }
  void run_client(const Session& session, unsigned index) const override {
    ask_probe(session);
    const std::uint64_t started = ticks();
    typename Policy::Client client(session, index);
    measure(client, session, index, started);
  }
  void idle_client(const Session& session, unsigned index) const override {
    ask_probe(session);
    typename Policy::Client client(session, index);
    stay_idle(client, session);
  }
  void clean_up(std::string_view channel) const override {
    if constexpr (requires { Policy::clean_up(channel); }) Policy::clean_up(channel);
  }
};

}  // namespace bench
