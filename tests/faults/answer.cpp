// What becomes of an answer whose server, or whose caller, is gone or late.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <string>

#include "faults/fault_peer.hpp"
#include "faults/judge.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace answer_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

#ifdef _WIN32
constexpr int repetitions = 3;
#else
constexpr int repetitions = 20;
#endif

}  // namespace

TEST_CASE("answer: given in the server's last moment it is an answer") {
  ClientOptions options;
  options.wait = WaitPolicy::sleep();
  const auto name = unique_name("answer");
  for (std::uint64_t round = 0; round < repetitions; ++round) {
    const Records executions(name + ".executions");
    Process server = fault_peer("doomed_server", name, executions.path, std::to_string(round), "server_replied", "kill",
                                "1", "nowhere");
    REQUIRE(server.read_line() == "ready");
    const auto answer = Jobs::Client(name, options).call({round + 2, 1000, 0}, amply);
    INFO((answer ? "" : answer.error().message()));
    REQUIRE(answer);
    CHECK(is_answer(*answer, round + 2));
    CHECK(server.wait().killed);
  }
  CHECK_FALSE(error_of(Jobs::Server::create(name)));  // takes over what the last one left
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("answer: a call that a worker had seen and not taken when stop() returned is refused") {
  Process meeting = fault_peer("stopped_before_taking", unique_name("meeting"));
  CHECK(meeting.read_line() == "not executed");
  CHECK(meeting.read_line() == "server_stopped");
  CHECK(meeting.wait() == ExitStatus{});
}

TEST_CASE("answer: a caller that withdraws for a moment, because the server stops, waits for it") {
  Process meeting = fault_peer("withdrawn_at_stop", unique_name("meeting"));
  CHECK(meeting.read_line() == "wanted");
  CHECK(meeting.read_line() == "answered");
  CHECK(meeting.read_line() == "1 done, 0 abandoned");
  CHECK(meeting.wait() == ExitStatus{});
}

TEST_CASE("answer: while a handler writes a late one nobody else has the slot") {
  const auto name = unique_name("late");
  ServerOptions one;
  one.max_calls = 1;
  Jobs::Server server(name, one);
  std::atomic<bool> writing{false}, go_on{false};
  CHECK_FALSE(error_of(server.start([&](const Job& job, Done& done) {
    done.id = job.id;
    writing = true;
    while (job.nap_in_microseconds > 0 && !go_on) std::this_thread::yield();
    done.check = check_of(job.id);
  })));
  Jobs::Client client(name);
  auto late = std::async(std::launch::async, [&] { return client.call({2, 1, 0}, 200ms); });
  REQUIRE(eventually([&] { return writing || late.wait_for(0s) == std::future_status::ready; }));
  const Stopwatch watch;
  const auto none = late.get();
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(none) == Errc::timed_out);
  CHECK(error_of(client.call({3, 0, 0}, 50ms)) == (writing ? Errc::busy : Errc::timed_out));
  go_on = true;
  for (std::uint64_t id = 4; id < 20; ++id) CHECK(is_answer(client.call({id, 0, 0}, amply).value(), id));
}

}  // namespace answer_faults
