// A server that stops tells each caller exactly what became of its call.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace graceful_restart_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// Four threads that call one client without a pause, and count what no graceful restart may tell them.
class Callers {
 public:
  explicit Callers(Channel::Client& client) {
    for (std::uint64_t caller = 1; caller <= 4; ++caller) {
      threads_.emplace_back([this, &client, caller] {
        for (std::uint64_t id = caller << 32; !over_; ++id) {
          const auto answer = client.call(echo(id), amply);
          if (answer && answer->id != id) ++wrong_;
          if (!answer && !answer.error().safe_to_retry()) ++unsure_;
          if (answer) saw(answer->runs);
        }
      });
    }
  }
  ~Callers() { end(); }

  void end() {
    over_ = true;
    threads_.clear();
  }
  [[nodiscard]] std::uint64_t latest() const { return latest_; }
  [[nodiscard]] int wrong() const { return wrong_; }
  [[nodiscard]] int unsure() const { return unsure_; }

 private:
  /// A thread that stood still in between has an old number.
  void saw(std::uint64_t number) {
    std::uint64_t latest = latest_;
    while (latest < number && !latest_.compare_exchange_weak(latest, number)) {
    }
  }

  std::atomic<bool> over_{false};
  std::atomic<int> wrong_{0}, unsure_{0};
  std::atomic<std::uint64_t> latest_{0};
  std::vector<std::jthread> threads_;
};

void restart_in_background(std::uint64_t times) {
  const auto name = unique_name("graceful");
  Channel::Client client(name);
  Callers callers(client);
  for (std::uint64_t number = 1; number <= times; ++number) {
    Channel::Server server(name);
    server.start([number](const Ask& ask) { return Answer{ask.id, number}; }).value();
    const Stopwatch watch;
    while (callers.latest() != number && watch.elapsed() < amply) std::this_thread::yield();
    CHECK(callers.latest() == number);
  }
  callers.end();
  CHECK(callers.wrong() == 0);
  CHECK(callers.unsure() == 0);
}

void restart_by_hand(std::uint64_t times) {
  const auto name = unique_name("graceful");
  Channel::Client client(name);
  Callers callers(client);
  for (std::uint64_t number = 1; number <= times; ++number) {
    Channel::Server server(name);
    const auto handler = [number](const Ask& ask) { return Answer{ask.id, number}; };
    for (int call = 0; call < 3; ++call) CHECK(server.serve_one(handler, amply).value());
  }
  callers.end();
  CHECK(callers.wrong() == 0);
  CHECK(callers.unsure() == 0);
}

/// Takes a core's time away, as other programs do.
class Computing {
 public:
  explicit Computing(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([](const std::stop_token& over) {
        for (volatile std::uint64_t count = 0; !over.stop_requested();) count = count + 1;
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

}  // namespace

TEST_CASE("graceful restart: no caller is told that its request may have been executed") { restart_in_background(300); }

TEST_CASE("graceful restart: nor where the server serves one call at a time") { restart_by_hand(300); }

TEST_CASE("graceful restart: nor beside programs that compute") {
  const Computing others(2);
  restart_in_background(100);
  restart_by_hand(100);
}

TEST_CASE("graceful restart: a hundred thousand beside programs that compute", "[.soak]") {
  const Computing others(2);
  restart_in_background(50'000);
  restart_by_hand(50'000);
}

}  // namespace graceful_restart_test
