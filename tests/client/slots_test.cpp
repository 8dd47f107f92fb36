// Callers beyond the slots queue.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/seen.hpp"
#include "support/time.hpp"

namespace slots_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

ServerOptions slots(unsigned count) {
  ServerOptions options;
  options.max_calls = count;
  return options;
}

Answer answer(const Ask& ask) { return {ask.id, 0}; }

// Holds one slot from construction, until let_go() sends its request.
class Holder {
 public:
  explicit Holder(const std::string& name) : client_(name), thread_([this] { hold(); }) {
    holding_.get_future().wait();
  }
  ~Holder() { let_go(); }

  std::optional<Errc> let_go() {
    if (thread_.joinable()) {
      go_.set_value();
      thread_.join();
    }
    return outcome_;
  }

 private:
  void hold() {
    const auto fill = [this](Ask& ask) {
      ask = echo(1);
      holding_.set_value();
      go_.get_future().wait();
    };
    outcome_ = error_of(client_.call_in_place(
        fill, [](const Answer&) {}, amply));
  }

  Channel::Client client_;
  std::promise<void> holding_;
  std::promise<void> go_;
  std::optional<Errc> outcome_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("slots: with one slot calls go one after the other") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(1));
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> callers;
    for (std::uint64_t caller = 0; caller < 6; ++caller) {
      callers.emplace_back([&, caller] {
        for (std::uint64_t i = 0; i < 100; ++i) {
          const auto reply = client.call(echo(caller << 32 | i), amply);
          if (reply && reply->id == (caller << 32 | i)) ++right;
        }
      });
    }
  }
  CHECK(right == 600);
}

TEST_CASE("slots: a caller without a slot is busy at its deadline and not before") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(1));
  CHECK_FALSE(error_of(server.start(answer)));
  Holder holder(name);
  Channel::Client client(name);
  const Stopwatch watch;
  const auto reply = client.call(echo(2), 50ms);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(reply) == Errc::busy);
  CHECK(reply.error().not_executed());
  CHECK_FALSE(holder.let_go());
  CHECK(client.call(echo(3), amply).value().id == 3);
}

TEST_CASE("slots: without time a caller is busy at once") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(1));
  CHECK_FALSE(error_of(server.start(answer)));
  const Holder holder(name);
  Channel::Client client(name);
  const Stopwatch watch;
  CHECK(error_of(client.call(echo(2), 0ns)) == Errc::busy);
  CHECK(error_of(client.call(echo(2), -1h)) == Errc::busy);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("slots: the waiting caller goes on as soon as a slot is free") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(1));
  CHECK_FALSE(error_of(server.start(answer)));
  Holder holder(name);
  auto waiting = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(2), amply); });
  CHECK(waiting.wait_for(50ms) == std::future_status::timeout);
  const Stopwatch watch;
  CHECK_FALSE(holder.let_go());
  CHECK(waiting.get().value().id == 2);
  CHECK(watch.elapsed() < promptly);
}

TEST_CASE("slots: a held slot does not hinder the others") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(3));
  CHECK_FALSE(error_of(server.start(answer)));
  const Holder first(name);
  const Holder second(name);
  Channel::Client client(name);
  for (std::uint64_t id = 0; id < 100; ++id) REQUIRE(client.call(echo(id), amply).value().id == id);
}

TEST_CASE("slots: nobody starves in the queue") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(1));
  CHECK_FALSE(error_of(server.start(answer)));
  constexpr unsigned callers = 6;
  constexpr unsigned enough = 100;
  std::atomic<unsigned> satisfied{0};
  std::atomic<unsigned> failed{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned caller = 0; caller < callers; ++caller) {
      threads.emplace_back([&] {
        Channel::Client client(name);
        // Those who have had enough go on asking until everybody has.
        for (unsigned calls = 1; satisfied < callers; ++calls) {
          if (!client.call(echo(calls), amply)) ++failed;
          if (calls == enough) ++satisfied;
        }
      });
    }
  }
  CHECK(failed == 0);
}

TEST_CASE("slots: processes queue too") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(1));
  CHECK_FALSE(error_of(server.start(answer)));
  Process holder = peer("hold", name);
  REQUIRE(holder.read_line() == "holding");
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(2), 20ms)) == Errc::busy);
  Process waiting = peer("call", name, "1", "1");
  REQUIRE(slot_is_awaited(name));
  holder.write_line("go");
  CHECK(holder.read_line() == "ok");
  CHECK(waiting.read_line() == "ok");
}

TEST_CASE("slots: the most that are allowed work") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(max_slots));
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  CHECK(client.call(echo(9), amply).value().id == 9);
}

TEST_CASE("slots: calls in flight use the slots of the last ones again") {
  const auto name = unique_name("slots");
  Channel::Server server(name, slots(64));
  server.start(answer).value();
  Channel::Client client(name);
  constexpr std::uint32_t at_once = 4;
  for (int round = 0; round < 8; ++round) {
    std::vector<PendingCall<Answer>> pending;
    for (std::uint64_t id = 0; id < at_once; ++id) pending.push_back(client.call_async(echo(id), amply));
    for (auto& call : pending) REQUIRE(call.get());
  }
  CHECK(faults::LiveSegment(name).header().high_water == at_once);
}

TEST_CASE("slots: the mark of a caller that died at the head of the queue keeps no free slot from those without time") {
  const auto name = unique_name("slots");
  Channel::Server server(name);
  Channel::Client client(name);
  CHECK(error_of(client.wait_for_server(amply)) == std::nullopt);
  faults::LiveSegment(name).header().slot_freed.starving = 1;

  for (std::uint64_t id = 1; id <= 2; ++id) CHECK(error_of(client.call(echo(id), 0ns)) == Errc::timed_out);
}

}  // namespace slots_test
