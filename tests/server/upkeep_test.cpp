// A server looks after its words while it is busy, too: a thread that always finds the next call never wakes from
// sleep.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace upkeep_test {

using namespace shared_channel;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

using Slow = SharedChannel<int>;

/// Callers that leave a server no pause.
class Crowd {
 public:
  Crowd(const std::string& name, std::chrono::milliseconds patience) : client_(name) {
    for (std::thread& caller : callers_) {
      caller = std::thread([this, patience] {
        while (!is_over_) static_cast<void>(client_.call(1, patience));
      });
    }
  }
  ~Crowd() {
    is_over_ = true;
    for (std::thread& caller : callers_) caller.join();
  }

 private:
  Slow::Client client_;
  std::atomic<bool> is_over_{false};
  std::thread callers_[4];
};

constexpr int too_many = 40;  // calls of a tenth of a second until the server has looked after its words

/// A handler that knows after how many calls the server has first done so.
class SlowHandler {
 public:
  explicit SlowHandler(const std::string& name) : segment_(name) {}
  int operator()(int value) {
    std::this_thread::sleep_for(100ms);
    ++calls_;
    if (has_been_kept_up() || calls_ > too_many) is_over_ = true;
    return value;
  }
  [[nodiscard]] bool has_been_kept_up() const { return segment_.page().statistics.as_of != 0; }
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  faults::LiveSegment segment_;
  std::atomic<int> calls_{0};
  std::atomic<bool> is_over_{false};
};

}  // namespace

TEST_CASE("upkeep: a server whose handlers are slow and never wait for a call looks after its words") {
  const auto patience = GENERATE(1000000ms, 150ms);  // most of those that get so little give up
  const auto name = unique_name("upkeep");
  Slow::Server server(name);
  SlowHandler handler(name);
  server.start(std::ref(handler)).value();
  {
    const Crowd crowd(name, patience);
    while (!handler.is_over()) std::this_thread::sleep_for(1ms);
    server.stop();
  }
  CHECK(server.wait(amply));
  CHECK(handler.has_been_kept_up());
}

TEST_CASE("upkeep: so does one that serves one call at a time") {
  const auto name = unique_name("upkeep");
  Slow::Server server(name);
  SlowHandler handler(name);
  {
    const Crowd crowd(name, amply);
    while (!handler.is_over()) static_cast<void>(server.serve_one(handler, 100ms));
    server.stop();
  }
  CHECK(handler.has_been_kept_up());
}

TEST_CASE("upkeep: the clock is read after few of the calls that show no sign of being long") {
  detail::ClockLooks looks;
  detail::Clock::time_point now{1h};
  const auto taken_in = [&](int calls, std::chrono::nanoseconds each) {
    int taken = 0;
    for (int call = 0; call < calls; ++call) {
      now += each;
      if (!looks.are_due(false)) continue;
      looks.looked(now);
      ++taken;
    }
    return taken;
  };
  CHECK(taken_in(1000, 1us) < 30);
  CHECK(taken_in(6400, 1us) <= 101);
  static_cast<void>(taken_in(64, 150ms));           // until it has been noticed
  CHECK(taken_in(100, 150ms) >= 100 * 150 / 1000);  // at most a second apart
  CHECK(taken_in(10, 2s) >= 5);
  CHECK(looks.are_due(true));
}

}  // namespace upkeep_test
