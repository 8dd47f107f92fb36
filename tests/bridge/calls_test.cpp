// Calls across a bridge end as they would end on one machine.
#include "world.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/raw.hpp>

#include "support/gate.hpp"
#include "support/raw.hpp"

namespace bridge_calls_test {

using namespace bridge_test;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

using Texts = SharedChannel<std::string>;

template <class Handler>
Channel::Server serving(const std::string& name, Handler&& handler, unsigned calls = 16) {
  ServerOptions options;
  options.max_calls = calls;
  options.threads = calls;
  Channel::Server server(name, options);
  server.start(std::forward<Handler>(handler)).value();
  return server;
}

Answer answered(const Ask& ask) { return {ask.id, 1}; }

/// The importer's word leaves some milliseconds before the deadline; on a busy machine it may miss its caller now and
/// then, who then knows nothing.
void check_busy_at_the_deadline(Channel::Client& client) {
  CHECK(eventually([&] {
    const Stopwatch watch;
    const auto refused = client.call(echo(3), 1s);
    CHECK(watch.elapsed() > 800ms);
    CHECK(!refused);
    return error_of(refused) == Errc::busy && refused.error().safe_to_retry();
  }));
}

}  // namespace

TEST_CASE("bridge calls: a call is answered by a server on the other side") {
  World world;
  const auto server = serving(world.far, answered);
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  for (std::uint64_t id = 1; id <= 200; ++id) REQUIRE(client.call(echo(id), amply).value().id == id);
}

TEST_CASE("bridge calls: many calls are in flight at once") {
  World world;
  const auto server = serving(world.far, answered, 64);
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  std::vector<std::jthread> callers;
  std::atomic<int> good{0};
  for (std::uint64_t caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (std::uint64_t i = 0; i < 200; ++i) {
        const std::uint64_t id = caller << 32 | i;
        const auto answer = client.call(echo(id), amply);
        good += answer && answer->id == id;
      }
    });
  }
  callers.clear();
  CHECK(good == 8 * 200);
}

TEST_CASE("bridge calls: messages of any length travel") {
  World world;
  Texts::Server texts(world.far, {.max_calls = 2, .max_request_bytes = 300'000, .max_reply_bytes = 300'000});
  texts.start([](const std::string& text) { return text; }).value();
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client<Texts>();
  for (const std::size_t size : {0u, 1u, 4096u, 4097u, 65'536u, 299'000u}) {
    const std::string text(size, static_cast<char>('a' + size % 26));
    CHECK(client.call(text, amply).value() == text);
  }
}

TEST_CASE("bridge calls: what a handler throws reaches the caller") {
  World world;
  const auto server = serving(world.far, [](const Ask&) -> Answer { throw std::runtime_error("as asked"); });
  const Process exporter = world.exports(), importer = world.imports();
  const auto answer = world.client().call(fail, amply);
  CHECK(error_of(answer) == Errc::handler_failed);
  CHECK(!answer.error().not_executed());
  CHECK(answer.error().message().find("as asked") != std::string::npos);
}

TEST_CASE("bridge calls: without an exporter, and without a far server, there is no server") {
  World world;
  const Process importer = world.imports();
  Channel::Client client(world.near), patient(world.near, {.wait_for_server = true});
  const Stopwatch watch;
  const auto none = client.call(echo(1), amply);
  CHECK(error_of(none) == Errc::no_server);
  CHECK(none.error().safe_to_retry());
  const Process exporter = world.exports();
  CHECK(error_of(client.call(echo(1), amply)) == Errc::no_server);
  CHECK(watch.elapsed() < promptly);

  std::jthread late([&] {
    std::this_thread::sleep_for(200ms);
    const auto server = serving(world.far, answered);
    std::this_thread::sleep_for(500ms);
  });
  CHECK(patient.call(echo(7), amply).value().id == 7);
  late.join();
  CHECK(eventually([&] { return error_of(client.call(echo(1), amply)) == Errc::no_server; }));
}

TEST_CASE("bridge calls: another type is a layout mismatch, and shows both") {
  World world;
  const auto server = serving(world.far, answered);
  const Process exporter = world.exports(), importer = world.imports();
  world.client();
  Texts::Client other(world.near);
  const auto answer = other.call("text", amply);
  CHECK(error_of(answer) == Errc::layout_mismatch);
  CHECK(answer.error().not_executed());
  CHECK(answer.error().message().find("u32") != std::string::npos);
}

TEST_CASE("bridge calls: a far server of other messages replaces one, and its callers see it") {
  World world;
  const Process exporter = world.exports(), importer = world.imports();
  {
    const auto server = serving(world.far, answered);
    CHECK(world.client().call(echo(1), amply).value().id == 1);
  }
  Texts::Server texts(world.far);
  texts.start([](const std::string& text) { return text; }).value();
  Texts::Client client(world.near, {.wait_for_server = true});
  CHECK(eventually([&] {
    const auto answer = client.call("other", amply);
    return answer && *answer == "other";
  }));
  Channel::Client before(world.near);
  CHECK(error_of(before.call(echo(1), amply)) == Errc::layout_mismatch);
}

TEST_CASE("bridge calls: messages that are too large are told so") {
  World world;
  Texts::Server texts(world.far, {.max_calls = 2, .max_request_bytes = 4 << 20, .max_reply_bytes = 4 << 20});
  std::atomic<std::uint64_t> runs{0};
  texts
      .start([&](const std::string& text) {
        ++runs;
        return text == "much" ? std::string(2 << 20, 'x') : text;
      })
      .value();
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client<Texts>();
  const auto request = client.call(std::string(2 << 20, 'y'), amply);
  CHECK(error_of(request) == Errc::message_too_large);
  CHECK(request.error().not_executed());
  CHECK(runs == 0);
  const auto reply = client.call("much", amply);
  CHECK(error_of(reply) == Errc::message_too_large);
  CHECK(!reply.error().not_executed());
  CHECK(runs == 1);
  CHECK(client.call("little", amply).value() == "little");
}

namespace {
struct Huge {
  char bytes[2 << 20];
};
struct Small {
  int value;
};
}  // namespace

TEST_CASE("bridge calls: a channel whose messages never fit says so at every call") {
  using Huges = SharedChannel<Small, Huge>;
  World world;
  Huges::Server server(world.far, {.max_calls = 1});
  std::atomic<int> runs{0};
  server.start([&](const Small&, Huge&) { ++runs; }).value();
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client<Huges>();
  auto reply = std::make_unique<Huge>();
  const auto answer = client.call_in_place([](Small& small) { small.value = 1; }, [](const Huge&) {}, amply);
  CHECK(error_of(answer) == Errc::message_too_large);
  CHECK(answer.error().not_executed());
  CHECK(answer.error().message().find("max_payload") != std::string::npos);
  CHECK(runs == 0);
}

TEST_CASE("bridge calls: a far channel that is full is busy at the deadline, and not before it is full") {
  World world;
  Gate gate;
  const auto server = serving(world.far, std::ref(gate), 2);
  const Process exporter = world.exports(), importer = world.imports({"--max-calls", "8", "--silence", "20s"});
  auto client = world.client();
  auto first = client.call_async(nap(0, 1), amply), second = client.call_async(nap(0, 2), amply);
  REQUIRE(eventually_runs(gate.runs, 2));
  check_busy_at_the_deadline(client);
  auto waiting = client.call_async(echo(4), amply);
  gate.open();
  CHECK(waiting.get().value().id == 4);
  CHECK(first.get().value().id == 1);
  CHECK(second.get().value().id == 2);
  CHECK(gate.runs == 3);
}

TEST_CASE("bridge calls: a far channel that its own clients fill is busy too") {
  World world;
  Gate gate;
  const auto server = serving(world.far, std::ref(gate), 1);
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  Channel::Client beside(world.far);
  auto held = beside.call_async(nap(0, 1), amply);
  REQUIRE(eventually_runs(gate.runs, 1));
  check_busy_at_the_deadline(client);
  auto waiting = client.call_async(echo(3), amply);
  gate.open();
  CHECK(held.get().value().id == 1);
  CHECK(waiting.get().value().id == 3);
  CHECK(gate.runs == 2);
}

TEST_CASE("bridge calls: a cancelled call is cancelled at the handler") {
  World world;
  std::atomic<bool> is_running{false}, was_cancelled{false};
  const auto server = serving(world.far, [&](const Ask& ask, const CallContext& context) {
    is_running = true;
    const Stopwatch watch;
    while (!(was_cancelled = context.cancelled()) && watch.elapsed() < promptly) std::this_thread::sleep_for(1ms);
    return Answer{ask.id, 1};
  });
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  auto call = client.call_async(echo(1), amply);
  REQUIRE(eventually([&] { return is_running.load(); }));
  call.cancel();
  const auto ended = call.get();
  CHECK(error_of(ended) == Errc::cancelled);
  CHECK(!ended.error().not_executed());
  CHECK(eventually([&] { return was_cancelled.load(); }));
}

TEST_CASE("bridge calls: a handler learns that its caller's deadline has passed, and the caller is not kept waiting") {
  World world;
  std::atomic<bool> was_cancelled{false};
  std::atomic<std::int64_t> left{0};
  const auto server = serving(world.far, [&](const Ask& ask, const CallContext& context) {
    left = std::chrono::nanoseconds(context.deadline() - std::chrono::steady_clock::now()).count();
    const Stopwatch watch;
    while (!(was_cancelled = context.cancelled()) && watch.elapsed() < promptly) std::this_thread::sleep_for(1ms);
    return Answer{ask.id, 1};
  });
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  const auto ended = client.call(echo(1), 400ms);
  CHECK(error_of(ended) == Errc::timed_out);
  CHECK(!ended.error().not_executed());
  CHECK(eventually([&] { return was_cancelled.load(); }));
  CHECK(left < std::chrono::nanoseconds(400ms).count());
}

TEST_CASE("bridge calls: what never reaches a handler before its deadline is told as not executed") {
  World world;
  Gate gate;
  ServerOptions options;
  options.max_calls = 4;
  Channel::Server server(world.far, options);  // one thread
  server.start(std::ref(gate)).value();
  const Process exporter = world.exports(), importer = world.imports();
  auto client = world.client();
  auto first = client.call_async(nap(0, 1), amply);
  REQUIRE(eventually_runs(gate.runs, 1));
  // The far channel's word has some milliseconds to come; on a busy machine it may miss its caller now and then.
  CHECK(eventually([&] {
    const auto queued = client.call(echo(2), 1s);
    CHECK(error_of(queued) == Errc::timed_out);
    return queued.error().safe_to_retry();
  }));
  gate.open();
  CHECK(first.get().value().id == 1);
  std::this_thread::sleep_for(50ms);
  CHECK(gate.runs == 1);
}

TEST_CASE("bridge calls: a channel that is imported is not exported again") {
  World world;
  const auto server = serving(world.far, answered);
  const Process exporter = world.exports(), importer = world.imports();
  world.client();
  const std::string further = unique_name("further");
  const Process again = bridge({"export", world.near + "=" + further, "--nats", world.broker.url()});
  const Process third = bridge({"import", further, "--nats", world.broker.url()});
  Channel::Client client(further);
  CHECK(error_of(client.wait_for_server(700ms)) == Errc::no_server);
}

TEST_CASE("bridge calls: a name that is served here is imported once it is free") {
  World world;
  const auto server = serving(world.far, answered);
  std::optional<Channel::Server> local(serving(world.near, [](const Ask&) { return Answer{99, 1}; }));
  const Process exporter = world.exports(), importer = world.imports();
  Channel::Client client(world.near);
  std::this_thread::sleep_for(300ms);
  CHECK(client.call(echo(1), amply).value().id == 99);
  local.reset();
  CHECK(eventually([&] {
    const auto answer = client.call(echo(1), amply);
    return answer && answer->id == 1;
  }));
}

TEST_CASE("bridge calls: a channel whose memory was removed here is made again") {
  World world;
  const auto server = serving(world.far, answered);
  const Process exporter = world.exports(), importer = world.imports();
  CHECK(world.client().call(echo(1), amply).value().id == 1);
  int removed = 0;
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm")) {
    if (file.path().filename().string().starts_with("shared_channel." + world.near + "."))
      removed += std::filesystem::remove(file.path());
  }
  REQUIRE(removed > 0);
  CHECK(eventually([&] {
    Channel::Client client(world.near);
    return client.wait_for_server(100ms) && client.call(echo(2), 1s);
  }));
}

}  // namespace bridge_calls_test
