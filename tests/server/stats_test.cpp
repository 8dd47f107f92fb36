// A server tells what became of its calls, to its own program and to others.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace stats_test {

using namespace shared_channel;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

// The caller has its answer a moment before the server has counted it.
template <class Server, class Condition>
bool comes_to(const Server& server, Condition&& condition) {
  return eventually([&] { return condition(server.stats()); });
}

}  // namespace

TEST_CASE("stats: a new server has done nothing") {
  const SharedChannel<int>::Server server(unique_name("stats"));
  const ServerStats stats = server.stats();
  CHECK(stats.done + stats.failed + stats.refused + stats.withdrawn + stats.abandoned + stats.malformed == 0);
  CHECK(stats.damaged == 0);
  CHECK(stats.running + stats.waiting == 0);
  CHECK(stats.longest_running == 0ns);
}

TEST_CASE("stats: answers and failures are told apart") {
  const auto name = unique_name("stats");
  SharedChannel<int, std::string>::Server server(name, {.max_reply_bytes = 8});
  server
      .start([](int value) -> Result<std::string> {
        if (value == 0) throw std::runtime_error("zero");
        if (value == 1) return Error(Errc::busy, "", "one");
        return std::string(static_cast<std::size_t>(value), 'x');
      })
      .value();
  SharedChannel<int, std::string>::Client client(name);
  for (int i = 0; i < 7; ++i) CHECK(client.call(8, amply));
  for (const int value : {0, 1, 9}) CHECK_FALSE(client.call(value, amply));
  CHECK(comes_to(server, [](const ServerStats& stats) { return stats.done == 7 && stats.failed == 3; }));
  const ServerStats stats = server.stats();
  CHECK(stats.refused + stats.withdrawn + stats.abandoned + stats.malformed + stats.damaged == 0);
}

TEST_CASE("stats: what cannot be decoded") {
  const auto name = unique_name("stats");
  SharedChannel<bool>::Server server(name);
  server.start([](bool value) { return value; }).value();
  SharedChannel<bool>::Client client(name);
  CHECK(error_of(client.call_in_place([](bool& value) { reinterpret_cast<char&>(value) = 7; }, [](const bool&) {},
                                      amply)) == Errc::corrupt);
  CHECK(comes_to(server, [](const ServerStats& stats) { return stats.malformed == 1 && stats.done == 0; }));
}

TEST_CASE("stats: who gives up, before and after a handler began") {
  GatedChannel channel(4);
  auto running = channel.client.call_async(nap(0, 1), amply);
  CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.running == 1 && stats.waiting == 0; }));
  {
    auto waiting = channel.client.call_async(echo(2), amply);
    CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.running == 1 && stats.waiting == 1; }));
  }
  CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.waiting == 0 && stats.withdrawn == 1; }));
  for (int i = 0; i < 3; ++i) CHECK(error_of(channel.client.call(echo(3), 1ms)) == Errc::timed_out);
  CHECK(channel.server.stats().withdrawn == 4);

  { const auto unwanted = std::move(running); }
  CHECK(channel.server.stats().running == 1);  // its handler does not know
  channel.gate.open();
  CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.running == 0 && stats.abandoned == 1; }));
  for (int i = 0; i < 20; ++i) CHECK(channel.client.call(echo(4), amply));
  CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.done == 20; }));
  const ServerStats stats = channel.server.stats();
  CHECK(stats.withdrawn == 4);
  CHECK(stats.abandoned == 1);
  CHECK(stats.failed + stats.refused + stats.malformed + stats.damaged == 0);
}

TEST_CASE("stats: what came too late") {
  const auto name = unique_name("stats");
  Channel::Server server(name);
  Channel::Client client(name);
  auto pending = client.call_async(echo(1), amply);
  server.stop();
  const ServerStats stats = server.stats();  // the caller has not looked yet
  CHECK(stats.refused == 1);
  CHECK(stats.done + stats.failed + stats.withdrawn + stats.abandoned + stats.malformed + stats.damaged == 0);
  CHECK(stats.waiting + stats.running == 0);
  CHECK(error_of(pending.get()) == Errc::server_stopped);
  CHECK(server.stats().refused == 1);
}

TEST_CASE("stats: a Responder that is kept runs") {
  const auto name = unique_name("stats");
  std::mutex mutex;
  std::vector<Responder<int>> kept;
  SharedChannel<int>::Server server(name);
  server
      .start([&](int, Responder<int> responder) {
        const std::lock_guard lock(mutex);
        kept.push_back(std::move(responder));
      })
      .value();
  SharedChannel<int>::Client client(name);
  auto first = client.call_async(1, amply);
  auto second = client.call_async(2, amply);
  CHECK(comes_to(server, [](const ServerStats& stats) { return stats.running == 2; }));
  {
    const std::lock_guard lock(mutex);
    for (auto& responder : kept) responder.reply(1);
  }
  CHECK(comes_to(server, [](const ServerStats& stats) { return stats.running == 0 && stats.done == 2; }));
}

TEST_CASE("stats: how long the longest call has been running") {
  const auto timeout = GENERATE(std::chrono::nanoseconds(amply), (std::chrono::nanoseconds::max)());
  GatedChannel channel(2);
  const Stopwatch watch;
  auto running = channel.client.call_async(nap(0, 1), timeout);
  CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.running == 1; }));
  const auto early = watch.elapsed();
  std::this_thread::sleep_for(50ms);
  const ServerStats stats = channel.server.stats();
  CHECK(stats.longest_running >= 50ms);
  CHECK(stats.longest_running <= watch.elapsed() + 5ms);
  CHECK(early >= 0ns);
  channel.gate.open();
  CHECK(running.get());
  CHECK(comes_to(channel.server, [](const ServerStats& now) { return now.running == 0; }));
  CHECK(channel.server.stats().longest_running == 0ns);
}

TEST_CASE("stats: a caller's lies about its time are not believed") {
  GatedChannel channel(1);
  auto running = channel.client.call_async(nap(0, 1), amply);
  CHECK(comes_to(channel.server, [](const ServerStats& stats) { return stats.running == 1; }));
  faults::LiveSegment segment(channel.name);
  auto& slot = segment.slot_array()[0];
  for (const std::uint64_t word : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0} >> 1,
                                   (~std::uint64_t{0} >> 1) - 1}) {
    for (const std::uint64_t timeout : {std::uint64_t{0}, std::uint64_t{1}, word, word - 1, word + 1}) {
      slot.deadline.store(word);
      slot.timeout.store(timeout);
      const auto longest = channel.server.stats().longest_running;
      CHECK(longest >= 0ns);
      CHECK(longest <= 10min);
    }
  }
  channel.gate.open();
}

TEST_CASE("stats: what was withdrawn stays so, also when the slots do not show it for a moment") {
  const auto name = unique_name("stats");
  Channel::Server server(name, GatedChannel::with(1));
  Channel::Client client(name);
  for (int i = 0; i < 2; ++i) CHECK(error_of(client.call(echo(1), 1ms)) == Errc::timed_out);
  CHECK(server.stats().withdrawn == 2);
  faults::LiveSegment segment(name);
  segment.header().high_water.store(0);
  CHECK(server.stats().withdrawn == 2);
  segment.header().high_water.store(1);
  CHECK(error_of(client.call(echo(1), 1ms)) == Errc::timed_out);
  CHECK(server.stats().withdrawn == 3);
}

TEST_CASE("stats: withdrawn never falls while calls are given up and answered") {
  GatedChannel channel(2);
  std::atomic<bool> is_over{false};
  std::thread calling([&] {
    for (std::uint64_t id = 0; id < 600; ++id) {
      auto pending = channel.client.call_async(echo(id), amply);
      if (id % 3 != 0) static_cast<void>(pending.get());  // else it is dropped
    }
    is_over = true;
  });
  std::uint64_t before = 0, falls = 0;
  while (!is_over) {
    const std::uint64_t now = channel.server.stats().withdrawn;
    falls += now < before ? 1 : 0;
    before = now;
  }
  calling.join();
  CHECK(falls == 0);
  const auto all = [](const ServerStats& stats) { return stats.done + stats.withdrawn + stats.abandoned; };
  CHECK(comes_to(channel.server, [&](const ServerStats& stats) { return all(stats) == 600; }));
}

TEST_CASE("stats: what slots say nonsense of is not counted twice, nor is anything lost") {
  const auto name = unique_name("stats");
  Channel::Server server(name, GatedChannel::with(1));
  faults::LiveSegment segment(name);
  auto& slot = segment.slot_array()[0];
  segment.header().high_water.store(1);
  slot.request.store(detail::State(0, detail::Phase::withdrawn).word());
  CHECK(server.stats().withdrawn == 0);
  slot.request.store(detail::State((1u << 27) - 1, detail::Phase::withdrawn).word());
  CHECK(server.stats().withdrawn == 0);  // it goes backwards
  slot.request.store(0xFFFF'FFFF);
  CHECK(server.stats().waiting == 0);
}

TEST_CASE("stats: another process reads them on the server's page") {
  const auto name = unique_name("stats");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  Channel::Client client(name);
  for (int i = 0; i < 5; ++i) CHECK(client.call(echo(1), amply));
  CHECK(comes_to(server, [](const ServerStats& stats) { return stats.done == 5; }));
  const detail::Names names = detail::Names::make(name, Scope::session).value();
  const std::uint64_t generation = detail::platform::ServerLease::current_generation(names).value().generation;
  const auto mapping =
      detail::platform::Mapping::open(names, names.server_page(generation), detail::platform::ForClients::read).value();
  const auto& told = reinterpret_cast<const detail::ServerPage*>(mapping.data())->statistics;
  CHECK(eventually([&] { return told.done.load() == 5; }));  // at the next upkeep
  CHECK(told.as_of.load() != 0);
  CHECK(told.failed.load() == 0);
}

TEST_CASE("stats: a moved-from server has none") {
  SharedChannel<int>::Server first(unique_name("stats"));
  const SharedChannel<int>::Server second(std::move(first));
  CHECK(first.stats().done == 0);  // NOLINT: on purpose
}

}  // namespace stats_test
