// Many callers at once, and many handlers at once.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace concurrency_test {

using namespace shared_channel;
using namespace test_support;

namespace {

Answer answer(const Ask& ask) { return {ask.id, 0}; }

ServerOptions with(unsigned slots, unsigned threads) {
  ServerOptions options;
  options.max_calls = slots;
  options.threads = threads;
  return options;
}

// How many of `count` calls from each of `callers` threads bring their own answers.
unsigned own_answers(Channel::Client& client, unsigned callers, unsigned count) {
  std::atomic<unsigned> right{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned caller = 0; caller < callers; ++caller) {
      threads.emplace_back([&, caller] {
        for (unsigned i = 0; i < count; ++i) {
          const std::uint64_t id = std::uint64_t{caller} << 32 | i;
          const auto reply = client.call(echo(id), amply);
          if (reply && reply->id == id) ++right;
        }
      });
    }
  }
  return right;
}

// How many handlers run at the same time when `callers` threads call.
template <class Serve>
unsigned handlers_side_by_side(unsigned threads, Serve&& serve) {
  const auto name = unique_name("side-by-side");
  Channel::Server server(name, with(16, threads));
  std::atomic<unsigned> inside{0};
  std::atomic<unsigned> most{0};
  const auto handler = [&](const Ask& ask) {
    const unsigned now = ++inside;
    for (unsigned seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    eventually([&] { return most >= threads; });
    --inside;
    return answer(ask);
  };
  serve(server, handler, [&] {
    Channel::Client client(name);
    CHECK(own_answers(client, threads, 1) == threads);
  });
  return most;
}

}  // namespace

TEST_CASE("concurrency: each thread of one client gets its own answers") {
  const auto name = unique_name("threads");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  Channel::Client client(name);
  CHECK(own_answers(client, 8, 200) == 8 * 200);
}

TEST_CASE("concurrency: threads that race to attach share one connection") {
  const auto name = unique_name("threads");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  for (int round = 0; round < 20; ++round) {
    Channel::Client client(name);
    REQUIRE(own_answers(client, 4, 1) == 4);
  }
}

TEST_CASE("concurrency: each of many processes gets its own answers") {
  const auto name = unique_name("processes");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start(answer)));
  std::vector<Process> callers;
  for (std::uint64_t caller = 0; caller < 6; ++caller)
    callers.push_back(peer("call", name, "300", std::to_string(caller << 32)));
  Channel::Client client(name);
  CHECK(own_answers(client, 2, 300) == 2 * 300);
  for (auto& caller : callers) CHECK(caller.read_line() == "ok");
}

TEST_CASE("concurrency: more processes than slots all get their own answers") {
  const auto name = unique_name("processes");
  Channel::Server server(name, with(2, 2));
  CHECK_FALSE(error_of(server.start(answer)));
  std::vector<Process> callers;
  for (std::uint64_t caller = 0; caller < 6; ++caller)
    callers.push_back(peer("call", name, "100", std::to_string(caller << 32)));
  for (auto& caller : callers) CHECK(caller.read_line() == "ok");
}

TEST_CASE("concurrency: many clients in one process") {
  const auto name = unique_name("clients");
  Channel::Server server(name, with(2, 1));
  CHECK_FALSE(error_of(server.start(answer)));
  std::vector<Channel::Client> clients;
  for (int i = 0; i < 50; ++i) clients.emplace_back(name);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    for (auto& client : clients) REQUIRE(client.call(echo(id), amply).value().id == id);
  }
}

TEST_CASE("concurrency: started handlers run side by side") {
  const auto run = [](Channel::Server& server, auto& handler, auto&& call) {
    CHECK_FALSE(error_of(server.start(handler)));
    call();
  };
  CHECK(handlers_side_by_side(4, run) == 4);
}

TEST_CASE("concurrency: served handlers run side by side") {
  const auto run = [](Channel::Server& server, auto& handler, auto&& call) {
    std::jthread serving([&] { (void)server.serve(handler); });
    call();
    server.stop();
  };
  CHECK(handlers_side_by_side(4, run) == 4);
}

TEST_CASE("concurrency: one thread runs one handler at a time") {
  const auto name = unique_name("one-thread");
  Channel::Server server(name, with(16, 1));
  std::atomic<unsigned> inside{0};
  std::atomic<bool> alone{true};
  CHECK_FALSE(error_of(server.start([&](const Ask& ask) {
    if (++inside != 1) alone = false;
    std::this_thread::yield();
    --inside;
    return answer(ask);
  })));
  Channel::Client client(name);
  CHECK(own_answers(client, 6, 50) == 6 * 50);
  CHECK(alone);
}

TEST_CASE("concurrency: several servers in one process do not mix") {
  const auto first = unique_name("first");
  const auto second = unique_name("second");
  Channel::Server first_server(first);
  Channel::Server second_server(second);
  CHECK_FALSE(error_of(first_server.start([](const Ask& ask) { return Answer{ask.id, 1}; })));
  CHECK_FALSE(error_of(second_server.start([](const Ask& ask) { return Answer{ask.id, 2}; })));
  Channel::Client first_client(first);
  Channel::Client second_client(second);
  for (std::uint64_t id = 0; id < 50; ++id) {
    REQUIRE(first_client.call(echo(id), amply).value().runs == 1);
    REQUIRE(second_client.call(echo(id), amply).value().runs == 2);
  }
}

}  // namespace concurrency_test
