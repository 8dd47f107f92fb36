// What its caller is told of a call whose server, exporter, importer or nats-server goes, stops, or comes back.
#include "world.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/gate.hpp"

namespace bridge_death_test {

using namespace bridge_test;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// A far server in a process of its own, and a client that has a call in its handler.
struct InFlight : World {
  explicit InFlight(std::vector<std::string> importing = {"--silence", "20s"})
      : server(peer("serve", far, "4", "4")),
        exporter(exports()),
        importer(imports(std::move(importing))),
        caller(client()) {
    REQUIRE(server.read_line() == "ready");
    call = caller.call_async(hang, amply);
    REQUIRE(server.read_line() == "taken");
  }

  /// The call ends, and nobody claims that it was not executed. How long it took.
  std::chrono::nanoseconds check_died() {
    CHECK(call.wait(promptly));
    const auto told_after = watch.elapsed();
    const auto ended = call.get();
    CHECK(error_of(ended) == Errc::server_died);
    CHECK(!ended.error().not_executed());
    return told_after;
  }

  Process server, exporter, importer;
  Channel::Client caller;
  PendingCall<Answer> call;
  Stopwatch watch;
};

/// A world to which `fault` was done, and the caller told within 300 ms: at one of five attempts, for the machine may
/// have other things to do.
template <class Fault>
std::unique_ptr<InFlight> told_soon_after(Fault&& fault, const std::vector<std::string>& importing) {
  for (int attempt = 1;; ++attempt) {
    auto world = std::make_unique<InFlight>(importing);
    world->watch = {};
    fault(*world);
    const auto told_after = world->check_died();
    std::printf("told after %.0f ms\n", std::chrono::duration<double, std::milli>(told_after).count());
    if (told_after > 300ms && attempt < 5) continue;
    CHECK(told_after <= 300ms);
    return world;
  }
}

const std::vector<std::string> patient{"--silence", "20s"}, as_ever;  // that is 200 ms

struct Counting {
  explicit Counting(const std::string& name, unsigned calls = 16) : server(name, {.max_calls = calls, .threads = 4}) {
    server
        .start([this](const Ask& ask) {
          if (ask.id >= marked) ++marked_runs;
          return Answer{ask.id, ++runs};
        })
        .value();
  }
  static constexpr std::uint64_t marked = 1000;  // ids from here on are counted apart
  std::atomic<std::uint64_t> runs{0}, marked_runs{0};
  Channel::Server server;
};

bool answers(Channel::Client& client) {
  return eventually([&] { return client.call(echo(1), 1s).has_value(); });
}

}  // namespace

TEST_CASE("bridge death: the far server is killed in mid-call") {
  const auto made = told_soon_after([](InFlight& in_flight) { in_flight.server.kill(); }, patient);
  InFlight& world = *made;
  world.server.wait();
  // Until the channel here is closed as well.
  CHECK(eventually([&] { return error_of(world.caller.call(echo(1), amply)) == Errc::no_server; }));
  world.server = peer("serve", world.far);
  CHECK(answers(world.caller));
}

TEST_CASE("bridge death: the exporter is killed in mid-call") {
  const auto made = told_soon_after([](InFlight& in_flight) { in_flight.exporter.kill(); }, patient);
  InFlight& world = *made;
  CHECK(eventually([&] { return error_of(world.caller.call(echo(1), amply)) == Errc::no_server; }));
  world.exporter = world.exports();
  CHECK(answers(world.caller));
}

TEST_CASE("bridge death: the exporter is stopped in mid-call, and goes on") {
  const auto made = told_soon_after([](InFlight& in_flight) { in_flight.exporter.suspend(); }, as_ever);
  InFlight& world = *made;
  CHECK(eventually([&] { return error_of(world.caller.call(echo(1), 100ms)) == Errc::no_server; }));
  world.exporter.resume();
  CHECK(answers(world.caller));
}

TEST_CASE("bridge death: nats-server is killed in mid-call, and comes back") {
  const auto made = told_soon_after([](InFlight& in_flight) { in_flight.broker.kill(); }, patient);
  InFlight& world = *made;
  CHECK(eventually([&] {
    const auto none = world.caller.call(echo(1), amply);
    return error_of(none) == Errc::no_server && none.error().safe_to_retry();
  }));
  world.broker.start();
  CHECK(answers(world.caller));
}

TEST_CASE("bridge death: nats-server is stopped in mid-call, and goes on") {
  const auto made = told_soon_after([](InFlight& in_flight) { in_flight.broker.process().suspend(); }, as_ever);
  InFlight& world = *made;
  world.broker.process().resume();
  CHECK(answers(world.caller));
}

TEST_CASE("bridge death: a nats-server that reads no more holds up neither the calls nor the end of the importer") {
  using Texts = SharedChannel<std::string>;
  World world;
  constexpr std::size_t size = 900'000;
  constexpr unsigned many = 32;  // more than the sockets of both sides hold
  Texts::Server texts(world.far, {.max_calls = many, .max_request_bytes = size, .max_reply_bytes = size});
  texts.start([](const std::string& text) { return text; }).value();
  const Process exporter = world.exports();
  Process importer = world.imports({});  // 200 ms of silence are enough
  auto client = world.client<Texts>();
  const std::string text(size, 'x');
  REQUIRE(eventually([&] { return client.call(text, amply).has_value(); }));
  world.broker.process().suspend();
  std::vector<PendingCall<std::string>> calls;
  for (unsigned i = 0; i < many; ++i) calls.push_back(client.call_async(text, amply));
  for (auto& call : calls) {
    REQUIRE(call.wait(promptly));
    CHECK(!call.get());
  }
  ask_to_end(importer);
  CHECK(importer.ends_within(promptly));
}

TEST_CASE("bridge death: the importer is killed in mid-call") {
  const auto made = told_soon_after([](InFlight& in_flight) { in_flight.importer.kill(); }, patient);
  InFlight& world = *made;
  world.importer.wait();
  CHECK(error_of(world.caller.call(echo(1), amply)) == Errc::no_server);
  world.importer = world.imports();
  CHECK(answers(world.caller));
}

namespace {

/// A call whose handler waits until it is cancelled.
struct Cancellable : World {
  explicit Cancellable(const std::vector<std::string>& importing)
      : server(far), exporter(exports()), importer(imports(importing)) {
    server
        .start([this](const Ask& ask, const CallContext& context) {
          is_running = true;
          const Stopwatch watch;
          while (!(was_cancelled = context.cancelled()) && watch.elapsed() < promptly) std::this_thread::sleep_for(1ms);
          return Answer{ask.id, 1};
        })
        .value();
    caller.emplace(client());
    call.emplace(caller->call_async(echo(1), amply));
    REQUIRE(eventually([&] { return is_running.load(); }));
  }
  void check_died_and_cancelled() {
    CHECK(call->wait(promptly));
    CHECK(error_of(call->get()) == Errc::server_died);
    CHECK(eventually([&] { return was_cancelled.load(); }));
  }

  std::atomic<bool> is_running{false}, was_cancelled{false};
  Channel::Server server;
  Process exporter, importer;
  std::optional<Channel::Client> caller;
  std::optional<PendingCall<Answer>> call;
};

}  // namespace

TEST_CASE("bridge death: the call of an importer that is gone is cancelled at the handler") {
  Cancellable world(as_ever);
  world.importer.kill();
  world.check_died_and_cancelled();
}

TEST_CASE("bridge death: a call that ended because its exporter was silent is cancelled at the handler") {
  Cancellable world(as_ever);
  world.exporter.suspend();
  CHECK(world.call->wait(promptly));
  world.exporter.resume();
  world.check_died_and_cancelled();
}

TEST_CASE("bridge death: a call that ended because nats-server was killed is cancelled at the handler") {
  Cancellable world(as_ever);
  world.broker.kill();
  world.broker.start();
  world.check_died_and_cancelled();
}

TEST_CASE("bridge death: an importer that bears long silences may be silent itself") {
  World world;
  Gate gate;
  Channel::Server server(world.far);
  server.start(std::ref(gate)).value();
  const Process exporter = world.exports();
  Process importer = world.imports(patient);
  auto client = world.client();
  auto call = client.call_async(nap(0, 5), amply);
  REQUIRE(eventually_runs(gate.runs, 1));
  std::this_thread::sleep_for(200ms);  // for a ping that says so
  importer.suspend();
  std::this_thread::sleep_for(1500ms);
  importer.resume();
  gate.open();
  const auto answer = call.get();
  REQUIRE(answer);
  CHECK(answer->id == 5);
}

TEST_CASE("bridge death: what was sent to a stopped exporter is never executed after its caller's deadline") {
  World world;
  Counting far(world.far);
  Process exporter = world.exports();
  const Process importer = world.imports({});
  auto client = world.client();
  REQUIRE(client.call(echo(1), amply));
  exporter.suspend();
  std::vector<PendingCall<Answer>> calls;
  for (std::uint64_t i = 0; i < 8; ++i) calls.push_back(client.call_async(echo(Counting::marked + i), 100ms));
  for (auto& call : calls) CHECK(!call.get());
  exporter.resume();
  CHECK(answers(client));
  CHECK(far.marked_runs == 0);
}

TEST_CASE("bridge death: what was sent through a stopped nats-server is never executed after its caller's deadline") {
  World world;
  Counting far(world.far);
  const Process exporter = world.exports(), importer = world.imports({});
  auto client = world.client();
  REQUIRE(client.call(echo(1), amply));
  world.broker.process().suspend();
  std::vector<PendingCall<Answer>> calls;
  for (std::uint64_t i = 0; i < 8; ++i) calls.push_back(client.call_async(echo(Counting::marked + i), 100ms));
  for (auto& call : calls) CHECK(!call.get());
  world.broker.process().resume();
  CHECK(answers(client));
  CHECK(far.marked_runs == 0);
}

TEST_CASE("bridge death: what is asked while nats-server is away is not executed later") {
  World world;
  Counting far(world.far);
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  REQUIRE(client.call(echo(1), amply));
  world.broker.kill();
  REQUIRE(eventually([&] { return error_of(client.call(echo(2), amply)) == Errc::no_server; }));
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto none = client.call(echo(Counting::marked + i), amply);
    REQUIRE(!none);
    CHECK(none.error().safe_to_retry());
  }
  world.broker.start();
  CHECK(answers(client));
  CHECK(far.marked_runs == 0);
}

TEST_CASE("bridge death: two exporters share the calls, and one that is killed loses what it had in flight") {
  World world;
  const std::string other = unique_name("other");
  Counting first(world.far), second(other);
  Process exporter = world.exports(), beside = world.exports_as(other);
  const Process importer = world.imports();
  auto client = world.client();
  REQUIRE(eventually([&] { return client.call(echo(1), amply) && first.runs > 0 && second.runs > 0; }));
  std::atomic<bool> is_over{false};
  std::atomic<int> good{0}, died{0}, bad{0};
  std::vector<std::jthread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      while (!is_over) {
        const auto answer = client.call(echo(7), amply);
        if (answer)
          ++good;
        else if (answer.error().code() == Errc::server_died && !answer.error().not_executed())
          ++died;
        else
          ++bad;
      }
    });
  }
  REQUIRE(eventually([&] { return good > 100; }));
  exporter.kill();
  const int before = good;
  REQUIRE(eventually([&] { return good > before + 200; }));
  is_over = true;
  callers.clear();
  CHECK(bad == 0);
  CHECK(died <= 4);
}

TEST_CASE("bridge death: an exporter that is asked to end loses nothing") {
  World world;
  const std::string other = unique_name("other");
  Counting first(world.far), second(other);
  const Process importer = world.imports();
  std::optional<Process> exporter(world.exports()), beside(world.exports_as(other));
  auto client = world.client();
  std::atomic<bool> is_over{false};
  std::atomic<int> good{0}, bad{0};
  std::vector<std::jthread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      while (!is_over) {
        const auto answer = client.call(echo(7), amply);
        ++(answer ? good : bad);
        if (!answer) std::printf("%s\n", answer.error().message().c_str());
      }
    });
  }
  for (int round = 0; round < 6; ++round) {
    std::optional<Process>& leaving = round % 2 == 0 ? exporter : beside;
    const std::uint64_t first_runs = first.runs, second_runs = second.runs;
    REQUIRE(eventually([&] { return first.runs > first_runs + 20 && second.runs > second_runs + 20; }));
    ask_to_end(*leaving);
    CHECK(leaving->wait() == ExitStatus{});
    leaving.emplace(round % 2 == 0 ? world.exports() : world.exports_as(other));
  }
  is_over = true;
  callers.clear();
  CHECK(bad == 0);
  CHECK(good > 0);
}

TEST_CASE("bridge death: an exporter that comes is called while another that leaves still has a call") {
  World world;
  Gate gate;
  Channel::Server slow(world.far, {.threads = 4});
  slow.start(std::ref(gate)).value();
  const Process leaving = world.exports({"--grace", "50s"}), importer = world.imports();
  auto client = world.client();
  auto call = client.call_async(nap(0, 5), amply);
  REQUIRE(eventually_runs(gate.runs, 1));
  ask_to_end(leaving);
  REQUIRE(eventually([&] {
    const auto none = client.call(echo(1), 1s);
    CHECK((none || none.error().safe_to_retry()));
    return error_of(none) == Errc::no_server;
  }));
  std::this_thread::sleep_for(200ms);  // in which the importer might close
  {
    const std::string other = unique_name("other");
    Counting second(other);
    const Process beside = world.exports_as(other);
    CHECK(answers(client));
    CHECK(second.runs > 0);
    CHECK(!call.wait(0ms));
    gate.open();
    CHECK(call.get().value().id == 5);
    ask_to_end(beside);
  }
  // With nobody there and nothing in flight it closes.
  CHECK(eventually([&] { return error_of(client.wait_for_server(10ms)) == Errc::no_server; }));
}

TEST_CASE(
    "bridge death: a call that waits for room is told when the last exporter leaves, though another has not ended") {
  World world;
  Gate gate;
  Channel::Server full(world.far, {.max_calls = 2, .threads = 2});
  full.start(std::ref(gate)).value();
  const Process leaving = world.exports({"--grace", "50s"}),
                importer = world.imports({"--max-calls", "4", "--silence", "20s"});
  auto client = world.client();
  Channel::Client local(world.far);
  auto call = client.call_async(nap(0, 1), amply), beside = local.call_async(nap(0, 2), amply);
  REQUIRE(eventually_runs(gate.runs, 2));
  auto waiting = client.call_async(echo(3), amply);
  CHECK(!waiting.wait(200ms));
  ask_to_end(leaving);
  CHECK(waiting.wait(promptly));
  const auto ended = waiting.get();
  REQUIRE(!ended);
  CHECK(ended.error().safe_to_retry());
  gate.open();
  CHECK(call.get().value().id == 1);
  CHECK(gate.runs == 2);
}

TEST_CASE("bridge death: an importer that is asked to end answers what it has, and takes no more") {
  World world;
  Gate gate;
  Channel::Server server(world.far, {.threads = 4});
  server.start(std::ref(gate)).value();
  const Process exporter = world.exports();
  Process importer = world.imports();
  auto client = world.client();
  auto call = client.call_async(nap(0, 5), amply);
  REQUIRE(eventually_runs(gate.runs, 1));
  ask_to_end(importer);
  CHECK(eventually([&] { return error_of(client.call(echo(1), 1s)) == Errc::server_stopped; }));
  gate.open();
  CHECK(call.get().value().id == 5);
  CHECK(importer.wait() == ExitStatus{});
}

TEST_CASE("bridge death: a full exporter is passed over") {
  World world;
  const std::string other = unique_name("other");
  Gate gate;
  Channel::Server full(world.far, {.max_calls = 2, .threads = 2});
  full.start(std::ref(gate)).value();
  Counting second(other, 2);
  const Process exporter = world.exports(), beside = world.exports_as(other), importer = world.imports();
  auto client = world.client();
  Channel::Client local(world.far);
  // Its own clients fill the one: only its exporter can know.
  auto one = local.call_async(nap(0, 1), amply), two = local.call_async(nap(0, 2), amply);
  REQUIRE(eventually_runs(gate.runs, 2));
  REQUIRE(eventually([&] { return client.call(echo(1), 1s).has_value(); }));
  for (std::uint64_t id = 0; id < 20; ++id) CHECK(client.call(echo(id), amply).value().id == id);
  CHECK(gate.runs == 2);
  gate.open();
}

}  // namespace bridge_death_test
