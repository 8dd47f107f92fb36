// A program's own loop can serve: it waits for native_handle() and calls serve_one() without waiting.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/loop_wait.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#endif

namespace native_handle_test {

using namespace shared_channel;
using namespace test_support;
using namespace std::chrono_literals;
using Numbers = SharedChannel<std::uint64_t>;

namespace {

constexpr auto plus_one = [](std::uint64_t number) { return number + 1; };
constexpr auto soon = std::chrono::duration_cast<std::chrono::milliseconds>(promptly);

// Until the handle has nothing to say any more. How many calls were answered.
int drain(Numbers::Server& server) {
  int answered = 0;
  while (server.serve_one(plus_one, 0ns).value()) ++answered;
  return answered;
}

#ifdef __linux__
std::set<std::string> threads() {
  std::set<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) all.insert(entry.path());
  return all;
}

// One bit each, from signal 1 on.
std::uint64_t blocked_signals(const std::string& thread) {
  std::ifstream status(thread + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return 0;
}
#endif

// A call in the background whose answer nobody needs.
struct Asked {
  explicit Asked(const std::string& name, std::chrono::nanoseconds timeout = amply)
      : client(name), pending(client.call_async(1, timeout)) {}
  Numbers::Client client;
  decltype(std::declval<Numbers::Client&>().call_async(1, 1ns)) pending;
};

// Counts how often this machine keeps a thread from running for long: others may then be as late.
class Stalls {
 public:
  Stalls()
      : thread_([this](std::stop_token over) {
          while (!over.stop_requested()) {
            const Stopwatch watch;
            std::this_thread::sleep_for(10ms);
            if (watch.elapsed() > 500ms) ++count_;
          }
        }) {}
  // Up to now, for who has just been late.
  [[nodiscard]] int count() const {
    std::this_thread::sleep_for(100ms);  // for the thread that counts may be late itself
    return count_;
  }
  [[nodiscard]] int count_so_far() const { return count_; }

 private:
  std::atomic<int> count_{0};
  std::jthread thread_;
};

// Three channels that one thread serves from one loop, which never looks without having been told.
class ThreeChannels {
 public:
  ThreeChannels() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      names[i] = unique_name("loop");
      servers_[i].emplace(Numbers::Server::create(names[i]).value());
      handles_[i] = servers_[i]->native_handle();
    }
    handles_.back() = ending_->native_handle();
    thread_ = std::thread([this] { loop(); });
  }
  ~ThreeChannels() {
    ending_->stop();
    thread_.join();
  }

  std::array<std::string, 3> names;
  std::array<std::atomic<int>, 3> answered{};
  std::atomic<long> turns{0};

 private:
  void loop() {
    while (any_signalled(handles_, no_end)) {
      ++turns;
      if (is_signalled(handles_.back(), 0ms)) return;
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        if (servers_[i]->serve_one(plus_one, 0ns).value()) ++answered[i];
      }
    }
  }

  std::optional<Numbers::Server> ending_{Numbers::Server::create(unique_name("ending")).value()};
  std::array<std::optional<Numbers::Server>, 3> servers_;
  std::array<LoopHandle, 4> handles_{};
  std::thread thread_;
};

#ifdef __linux__
// How often the threads of this process have gone to sleep.
long sleeps() {
  long all = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string word; status >> word;) {
      long count = 0;
      if (word == "voluntary_ctxt_switches:" && status >> count) all += count;
    }
  }
  return all;
}
#else
long sleeps() { return 0; }
#endif

// Neither under Wine nor under a sanitizer.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr bool is_fast = false;
#else
constexpr bool is_fast = true;
#endif
#elif defined(_WIN32) || defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool is_fast = false;
#else
constexpr bool is_fast = true;
#endif

}  // namespace

TEST_CASE("native handle: signalled while a request waits, and not before or after") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  CHECK(handle == server.native_handle());
  CHECK_FALSE(is_signalled(handle, 50ms));
  for (int round = 0; round < 20; ++round) {
    Asked asked(name);
    CHECK(is_signalled(handle, soon));
    CHECK(is_signalled(handle, 0ms));  // also for who looks twice
    CHECK(server.serve_one(plus_one, 0ns).value());
    CHECK(asked.pending.get().value() == 2);
    while (is_signalled(handle, 0ms)) CHECK_FALSE(server.serve_one(plus_one, 0ns).value());
  }
  CHECK_FALSE(is_signalled(handle, 50ms));
}

TEST_CASE("native handle: as loops wait for it") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  CHECK_FALSE(ends_event_loop(handle, 20ms));
  Asked asked(name);
  CHECK(ends_event_loop(handle, soon));
  CHECK(drain(server) == 1);
}

TEST_CASE("native handle: a request that waited before it was asked for") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  Asked asked(name);
  CHECK(is_signalled(server.native_handle(), soon));
  CHECK(drain(server) == 1);
}

TEST_CASE("native handle: one turn may answer one of many") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  std::vector<Asked> asked;
  for (int i = 0; i < 5; ++i) asked.emplace_back(name);
  for (int i = 0; i < 5; ++i) {
    CHECK(is_signalled(handle, soon));
    CHECK(server.serve_one(plus_one, amply).value());
  }
  for (Asked& one : asked) CHECK(one.pending.get().value() == 2);
}

TEST_CASE("native handle: stop() signals it for good") {
  Numbers::Server server(unique_name("native"));
  const auto handle = server.native_handle();
  CHECK_FALSE(server.serve_one(plus_one, 0ns).value());
  CHECK_FALSE(is_signalled(handle, 20ms));
  server.stop();
  CHECK(is_signalled(handle, soon));
  for (int i = 0; i < 3; ++i) CHECK_FALSE(server.serve_one(plus_one, 0ns).value());
  CHECK(is_signalled(handle, 0ms));
}

TEST_CASE("native handle: stop() while somebody waits in serve_one() signals it as well") {
  Numbers::Server server(unique_name("native"));
  const auto handle = server.native_handle();
  bool has_answered = true;
  std::thread waiting([&] { has_answered = server.serve_one(plus_one, amply).value(); });
  std::this_thread::sleep_for(20ms);  // or else it finds the server stopped: the same to us
  server.stop();
  CHECK(is_signalled(handle, soon));
  waiting.join();
  CHECK_FALSE(has_answered);
}

TEST_CASE("native handle: a moved server keeps it") {
  const auto name = unique_name("native");
  Numbers::Server first(name);
  const auto handle = first.native_handle();
  Numbers::Server server(std::move(first));
  CHECK(server.native_handle() == handle);
  Asked asked(name);
  CHECK(is_signalled(handle, soon));
  CHECK(drain(server) == 1);
}

TEST_CASE("native handle: a server that threads of its own answer is not held up") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  server.start(plus_one).value();
  Numbers::Client client(name);
  for (std::uint64_t i = 0; i < 200; ++i) {
    if (i % 20 == 0) std::this_thread::sleep_for(2ms);
    REQUIRE(client.call(i, amply).value() == i + 1);
  }
  static_cast<void>(handle);
}

TEST_CASE("native handle: a serve_one() that waits in another thread misses nothing, nor does the handle") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  std::atomic<bool> is_over{false};
  std::thread serving([&] {
    while (!is_over) {
      static_cast<void>(server.serve_one(plus_one, 3ms).value());
      while (!is_over && !is_signalled(handle, 10ms)) {
      }
    }
  });
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      Numbers::Client client(name, {.scope = Scope::session, .wait = WaitPolicy::sleep()});
      std::minstd_rand random(static_cast<unsigned>(caller + 1));
      for (std::uint64_t i = 0; i < 300; ++i) {
        if (client.call(i, amply).value_or(0) != i + 1) ++wrong;
        if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  is_over = true;
  serving.join();
  CHECK(wrong == 0);
}

TEST_CASE("native handle: damage is seen to although nobody looks") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  {
    Asked asked(name);
    CHECK(is_signalled(handle, soon));
    CHECK(drain(server) == 1);
    CHECK(asked.pending.get().value() == 2);
  }
  faults::LiveSegment segment(name);
  detail::Slot& slot = segment.slot_array()[0];
  const std::uint32_t sequence = detail::State(slot.request.load()).sequence() + 1;
  slot.request.store(detail::State(sequence, detail::Phase::withdrawn).word());
  slot.taken.store(detail::State(sequence, detail::Phase::taken).word());
  faults::Bells(name).ring();
  CHECK(eventually([&] { return server.damaged_slots() == 1; }));
}

TEST_CASE("native handle: one loop serves three channels, and none of many calls is lost") {
  constexpr int calls = is_fast ? 33'400 : 2'000;
  ThreeChannels channels;
  std::atomic<int> wrong{0}, slow{0};
  std::optional<Stalls> stalls(std::in_place);
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      std::array<std::optional<Numbers::Client>, 3> clients;
      for (std::size_t i = 0; i < clients.size(); ++i) clients[i].emplace(channels.names[i]);
      std::minstd_rand random(static_cast<unsigned>(caller + 1));
      for (std::uint64_t i = 0; i < calls; ++i) {
        const int before = stalls->count_so_far();
        const Stopwatch watch;
        if (clients[random() % 3]->call(i, amply).value_or(0) != i + 1) ++wrong;
        // Its wake-up was lost, and the upkeep found it.
        if (watch.elapsed() > 1500ms && stalls->count() == before) ++slow;
        const auto pause = random() % 64;
        if (pause == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
        if (pause < 16) std::this_thread::yield();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  stalls.reset();
  CHECK(wrong == 0);
  CHECK(slow == 0);
  const auto all = [&] { return channels.answered[0] + channels.answered[1] + channels.answered[2]; };
  CHECK(eventually([&] { return all() == 3 * calls; }));
  for (const auto& answered : channels.answered) CHECK(answered > calls / 2);

  // Whatever is left of the last wake-ups is over soon; then nothing moves.
  CHECK(eventually([&] {
    const long before = channels.turns;
    std::this_thread::sleep_for(100ms);
    return channels.turns == before;
  }));
  const long turns = channels.turns;
  const long before = sleeps();
  std::this_thread::sleep_for(1s);
  // This thread's own, and the upkeep of four servers each two seconds. Sanitizers have threads that wake.
  if (is_fast) CHECK(sleeps() - before <= 8);
  CHECK(channels.turns == turns);
}

#ifdef __linux__
TEST_CASE("native handle: a program's own file under its number is left alone") {
  const auto name = unique_name("native");
  const int foreign = ::eventfd(3, EFD_CLOEXEC);  // which to read would wait if it were 0
  int of_server = -1, of_call = -1;
  {
    Numbers::Server server(name);
    of_server = server.native_handle();
    REQUIRE(of_server >= 0);
    Asked asked(name);
    of_call = asked.pending.native_handle();
    REQUIRE(of_call >= 0);
    ::dup2(foreign, of_server);
    ::dup2(foreign, of_call);
    CHECK(server.serve_one(plus_one, amply).value());
    CHECK(asked.pending.get().value() == 2);
    CHECK_FALSE(server.serve_one(plus_one, 0ns).value());
    CHECK_FALSE(server.serve_one(plus_one, 0ns).value());
  }
  for (const int still_open : {of_server, of_call}) CHECK(::close(still_open) == 0);
  std::uint64_t count = 0;
  CHECK(::read(foreign, &count, sizeof count) == sizeof count);
  CHECK(count == 3);
  ::close(foreign);
}

TEST_CASE("native handle: its thread takes no signals, which the program's loop may wait for") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto others = threads();
  REQUIRE(server.native_handle() >= 0);
  unsigned count = 0;
  for (const auto& thread : threads()) {
    if (others.contains(thread)) continue;
    ++count;
    CHECK((blocked_signals(thread) & (1u << (SIGTERM - 1))) != 0);
  }
  CHECK(count == 1);
}

TEST_CASE("native handle: none in a fork()ed child, and the parent's goes on") {
  const auto name = unique_name("native");
  Numbers::Server server(name);
  const auto handle = server.native_handle();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(server.native_handle() == -1 ? 0 : 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  Asked asked(name);
  CHECK(is_signalled(handle, soon));
  CHECK(drain(server) == 1);
}
#endif

}  // namespace native_handle_test
