// Asynchronous calls from many threads, in forked children, and what an idle completion thread costs.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/outcome.hpp"
#include "support/process.hpp"

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#endif

namespace async_threads_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

TEST_CASE("async threads: many threads share a client, in all forms, and every call ends in its own answer") {
  constexpr std::uint64_t callers = 4;
  constexpr std::uint64_t rounds = 200;
  std::atomic<std::uint64_t> callbacks{0};
  std::atomic<std::uint64_t> wrong{0};
  const auto name = unique_name("async");
  ServerOptions options;
  options.max_calls = 8;
  options.threads = 2;
  Channel::Server server(name, options);
  Gate gate;
  server.start(std::ref(gate)).value();
  {
    Channel::Client client(name);
    std::vector<std::jthread> threads;
    for (std::uint64_t caller = 0; caller < callers; ++caller) {
      threads.emplace_back([&, caller] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
          const auto id = caller << 32 | round;
          const auto is_right = [id](const Result<Answer>& answer) { return answer && answer->id == id; };
          { const auto dropped = client.call_async(echo(0), amply); }
          const auto done = [&, is_right](Result<Answer> answer) {
            if (!is_right(answer)) ++wrong;
            ++callbacks;
          };
          if (!client.call_async(echo(id), amply, done)) ++wrong;
          auto pending = client.call_async(echo(id), amply);
          if (!is_right(pending.get())) ++wrong;
          auto watched = client.call_async(echo(id), amply);
          (void)watched.native_handle();
          if (round % 2 == 0 && !is_right(watched.get())) ++wrong;
        }
      });
    }
  }
  CHECK(callbacks == callers * rounds);
  CHECK(wrong == 0);
}

TEST_CASE("async threads: every callback is called once, however its call ends") {
  constexpr int rounds = 20;
  constexpr int calls = 10;
  std::atomic<int> ends{0};
  int begun = 0;
  const auto name = unique_name("async");
  const auto done = [&](Result<Answer>) { ++ends; };
  for (int round = 0; round < rounds; ++round) {
    std::optional<Channel::Server> server(std::in_place, name);
    Gate gate;
    gate.open();
    Channel::Client client(name);
    for (int i = 0; i < calls; ++i) {
      if (client.call_async(nap(0), i % 2 == 0 ? 200us : 60s, done)) ++begun;
      if (i == 5) server->start(std::ref(gate)).value();
      if (i == 8) server.reset();
    }
  }
  CHECK(ends == begun);
}

#ifdef __linux__

TEST_CASE("async threads: a forked child neither ends its parent's calls nor uses them") {
#if defined(__SANITIZE_THREAD__)
  SKIP_TEST("ThreadSanitizer knows no threads in a forked child");
#endif
  const auto name = unique_name("async");
  Gate gate;
  Channel::Server server(name);
  server.start(std::ref(gate)).value();
  std::optional<Channel::Client> client(std::in_place, name);
  std::optional waited(client->call_async(nap(0, 1), amply));
  std::optional watched(client->call_async(nap(0, 2), amply));
  const auto handle = watched->native_handle();
  Outcome<Answer> outcome;
  CHECK_FALSE(error_of(client->call_async(nap(0, 3), amply, outcome.callback())));

  const pid_t child = ::fork();
  if (child == 0) {
    bool right = waited->ready() && waited->wait(amply) && watched->native_handle() == -1;
    right = right && error_of(client->call_async(echo(1), amply).get()) == Errc::forked;
    for (auto* sent : {&*waited, &*watched}) {
      const auto ended = sent->get();
      right = right && error_of(ended) == Errc::forked && !ended.error().not_executed();  // the parent's may run
    }
    waited.reset();
    watched.reset();
    client.reset();
    ::_exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(outcome.count() == 0);
  CHECK_FALSE(is_signalled(handle, 0ms));
  gate.open();
  CHECK(waited->get().value().id == 1);
  CHECK(is_signalled(handle, 60s));
  CHECK(watched->get().value().id == 2);
  REQUIRE(outcome.comes());
  CHECK(outcome.last().value().id == 3);
}

// How often a thread of this process has gone to sleep; -1 while it is awake.
static long sleeps_of(pid_t thread) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string key; status >> key;) {
    long value = 0;
    if (std::string state; key == "State:" && status >> state && state != "S") return -1;
    if (key == "voluntary_ctxt_switches:" && status >> value) return value;
  }
  return -1;
}

TEST_CASE("async threads: a completion thread with nothing to watch sleeps through") {
  const auto name = unique_name("async");
  Gate gate;
  Channel::Server server(name);
  server.start(std::ref(gate)).value();
  Channel::Client client(name);
  std::atomic<pid_t> completion_thread{0};
  Outcome<Answer> outcome;
  CHECK_FALSE(error_of(client.call_async(echo(1), amply, [&](Result<Answer> answer) {
    completion_thread = ::gettid();
    outcome.put(std::move(answer));
  })));
  REQUIRE(outcome.comes());
  long before = -1;
  REQUIRE(eventually([&] {
    before = sleeps_of(completion_thread);
    std::this_thread::sleep_for(100ms);
    return before > 0 && sleeps_of(completion_thread) == before;
  }));
  for (int i = 0; i < 10; ++i) CHECK(client.call_async(echo(2), amply).get());
  std::this_thread::sleep_for(1500ms);
  CHECK(sleeps_of(completion_thread) == before);
}

#endif

}  // namespace async_threads_test
