#include "sample.hpp"

#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <thread>

#include "roles.hpp"
#include "text.hpp"

namespace bench {

namespace {

constexpr double patience = 20;  // seconds that any one step of a sample may take beyond what it measures

void place(const Shape& shape, bool server) {
  if (shape.placement == Placement::unpinned) return;
  const std::vector<unsigned> cpus = allowed_cpus();
  pin_to(server || shape.placement == Placement::one_core || cpus.size() == 1 ? cpus[0] : cpus[1]);
}

template <class Part>
int take_part(const SharedBlock& block, bool server, Part&& part) {
  const Session session(block);
  try {
    place(session.shape(), server);
    part(system_named(session.control().system), session);
    return 0;
  } catch (const std::exception& error) {
    session.fail(error.what());
    return 1;
  }
}

const Role server_role("server", [](const SharedBlock& block, unsigned) {
  return take_part(block, true, [](const System& system, const Session& session) { system.serve(session); });
});

const Role client_role("client", [](const SharedBlock& block, unsigned index) {
  return take_part(block, false,
                   [&](const System& system, const Session& session) { system.run_client(session, index); });
});

const Role idle_client_role("idle", [](const SharedBlock& block, unsigned index) {
  return take_part(block, false,
                   [&](const System& system, const Session& session) { system.idle_client(session, index); });
});

template <class Condition>
bool soon(Condition&& condition) {
  const double deadline = seconds_now() + patience;
  while (!condition()) {
    if (seconds_now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

template <std::size_t Size>
void copy_text(char (&to)[Size], std::string_view from) {
  const std::size_t length = std::min(from.size(), Size - 1);
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

}  // namespace

Stage::Stage() : block_(sizeof(Control)), session_(block_), clock_(Clock::calibrate()) {}

std::string Stage::run(const System& system, const Shape& shape, std::string_view role,
                       const std::function<void(const std::vector<std::int64_t>&)>& when_ready) {
  Control& control = session_.control();
  session_.go.close();
  session_.stop.close();
  std::memset(block_.data() + Gate::reserved, 0, offsetof(Control, clients) - Gate::reserved);
  std::memset(static_cast<void*>(control.clients), 0, shape.clients * sizeof(ClientResult));
  std::memset(control.arena, 0, sizeof control.arena);
  control.shape = shape;
  control.clock = clock_;
  copy_text(control.system, system.name());
  copy_text(control.channel, format("bench-%llx-%u", static_cast<unsigned long long>(own_pid()), ++samples_));

  const auto failure = [&]() -> std::string { return control.failed != 0 ? control.failure : ""; };
  const auto failed = [&] { return control.failed != 0; };

  std::string outcome;
  {
    Process server = start("server", block_, 0);
    soon([&] { return control.server_ready != 0 || failed() || !server.is_running(); });
    if (control.server_ready == 0) control.failed = 1;

    std::vector<Process> clients;
    std::vector<std::int64_t> ids{server.pid()};
    for (unsigned i = 0; i < shape.clients && !failed(); ++i) {
      clients.push_back(start(role, block_, i));
      ids.push_back(clients.back().pid());
    }
    const bool ready = soon([&] { return control.clients_ready == shape.clients || failed(); });
    if (!ready && failure().empty()) session_.fail("not ready in time");
    if (ready && !failed() && when_ready) when_ready(ids);
    session_.go.open();

    using Seconds = std::chrono::duration<double>;
    const double deadline = seconds_now() + (failed() ? 0.2 : shape.seconds + patience);
    for (Process& client : clients)
      if (!client.ends_within(Seconds(std::max(deadline - seconds_now(), 0.0)))) session_.fail("did not end in time");
    session_.stop.open();
    if (!server.ends_within(Seconds(failed() ? 0.2 : 5))) session_.fail("the server did not stop");
    outcome = failed() && failure().empty() ? "did not start" : failure();
  }
  system.clean_up(control.channel);
  return outcome;
}

Sample Stage::measure(const System& system, const Shape& shape) {
  Sample sample;
  sample.failure = run(system, shape, "client", nullptr);
  sample.ns_per_tick = clock_.ns_per_tick;
  if (!sample.failure.empty()) return sample;

  const Control& control = session_.control();
  double slowest = 0, fastest = 0;
  for (unsigned i = 0; i < shape.clients; ++i) {
    const ClientResult& client = control.clients[i];
    const double rate = static_cast<double>(client.total) / client.seconds;
    sample.calls.add(client.calls);
    sample.batches.add(client.batches);
    sample.clients += client.usage;
    sample.total += client.total;
    sample.calls_per_second += rate;
    sample.attach_ns += client.attach_ns / shape.clients;
    slowest = i == 0 ? rate : std::min(slowest, rate);
    fastest = std::max(fastest, rate);
  }
  sample.slowest_over_fastest = slowest / fastest;
  sample.server = control.server.usage;
  sample.probe = control.probe;
  return sample;
}

std::string Stage::idle(const System& system, const Shape& shape,
                        const std::function<void(const std::vector<std::int64_t>&)>& observe) {
  return run(system, shape, "idle", observe);
}

}  // namespace bench
