// A server that ends in a handler of its own: the handler calls exit(), or destroys the server.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/scoped_env.hpp"
#include "support/time.hpp"

namespace exit_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

constexpr Ask quit{Ask::What::leave, 0, 7};
constexpr ExitStatus as_asked{7, false};

Process quitting(const std::string& name, const char* how) {
  Process server = peer("quit", name, how);
  REQUIRE(server.read_line() == "ready");
  return server;
}

bool is_free(const std::string& name) {
  Channel::Server next(name);
  next.start([](const Ask& ask) { return Answer{ask.id, 1}; }).value();
  return Channel::Client(name).call(echo(1), amply).value().id == 1;
}

bool is_clean(const std::string& name) { return shm_entries("shared_channel." + name).empty(); }

// What ThreadSanitizer is told in the children that are begun meanwhile: it is not to say what they do wrong on
// purpose.
class TsanOptions {
 public:
  explicit TsanOptions(const std::string& more) : scoped_("TSAN_OPTIONS", before() + ' ' + more) {}

 private:
  static std::string before() {
    const char* const options = std::getenv("TSAN_OPTIONS");
    return options != nullptr ? options : "";
  }

  ScopedEnv scoped_;
};

#ifdef __linux__
// A child whose handler of a signal calls exit(), as handlers should not, and do; and serve() has not joined its
// threads then.
Process quitting_on_signal(const char* role, const std::string& name, const std::string& how) {
  const TsanOptions unreported("report_signal_unsafe=0 report_thread_leaks=0");
  Process child = peer(role, name, how);
  REQUIRE(child.read_line() == "ready");
  return child;
}

// Of a child that has told us what it does next.
bool has_first_thread_asleep(const Process& process) {
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(process.pid()) + "/stat"), line);
  return line.find(") S ") != std::string::npos;
}
#endif

bool is_answered_or_told(const Result<Answer>& answer) { return answer || error_of(answer) == Errc::server_stopped; }

}  // namespace

TEST_CASE("exit: in a handler of a server of static storage, which is gone then") {
  for (const char* how : {"serve", "serve elsewhere", "start", "start, two threads", "static"}) {
    INFO(how);
    const auto name = unique_name("exit");
    Process server = quitting(name, how);
    Channel::Client client(name);
    CHECK(client.call(echo(1), amply).value().id == 1);
    const Stopwatch watch;
    const auto answer = client.call(quit, amply);
    CHECK(error_of(answer) == Errc::server_stopped);
    CHECK(server.wait(20s) == as_asked);
    CHECK(watch.elapsed() < 20s);
    CHECK(is_clean(name));
    CHECK(is_free(name));
    CHECK(is_clean(name));
  }
}

TEST_CASE("exit: in a handler of a local server, which counts as death") {
  const auto name = unique_name("exit");
  Process server = quitting(name, "local");
  Channel::Client client(name);
  CHECK(error_of(client.call(quit, amply)) == Errc::server_died);
  CHECK(server.wait(20s) == as_asked);
  CHECK(is_free(name));
  CHECK(is_clean(name));
}

TEST_CASE("exit: it does not wait for another thread's handler") {
  const auto name = unique_name("exit");
  Process server = quitting(name, "start, two threads");
  Channel::Client client(name);
  auto hanging = std::async(std::launch::async, [&] { return client.call(hang, amply); });
  REQUIRE(server.read_line() == "taken");
  CHECK(error_of(client.call(quit, amply)) == Errc::server_stopped);
  CHECK(server.wait(20s) == as_asked);
  CHECK(error_of(hanging.get()) == Errc::server_stopped);
  CHECK(is_clean(name));
  CHECK(is_free(name));
}

TEST_CASE("exit: main returns while another thread serves") {
  const auto name = unique_name("exit");
  Process server = quitting(name, "main returns");
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server.write_line("return");
  CHECK(server.wait(20s) == as_asked);
  CHECK(is_clean(name));
  CHECK(is_free(name));
}

TEST_CASE("exit: main returns while other threads call by a client of static storage") {
  const auto name = unique_name("exit");
  std::mutex mutex;
  std::vector<Responder<Answer>> kept;
  Channel::Server server(name);
  server
      .start([&](const Ask&, Responder<Answer> responder) {
        const std::lock_guard lock(mutex);
        kept.push_back(std::move(responder));
      })
      .value();
  const TsanOptions unreported("report_bugs=0 atexit_sleep_ms=0");
  for (const char* how : {"call", "get", "wait_for_server"}) {
    INFO(how);
    const bool has_server = std::string(how) != "wait_for_server";
    for (int time = 0; time < 3; ++time) {
      Process calling = peer("quit_amid_calls", has_server ? name : unique_name("exit"), how);
      REQUIRE(calling.read_line() == "ending");
      {
        const std::lock_guard lock(mutex);
        for (Responder<Answer>& responder : std::exchange(kept, {})) responder.reply(Answer{});
      }
      calling.write_line("end");
      REQUIRE(calling.wait(20s) == as_asked);
    }
  }
}

TEST_CASE("exit: a call goes on whose client another thread destroys, which is an error of the program") {
  const auto name = unique_name("exit");
  std::promise<Responder<Answer>> taken;
  Channel::Server server(name);
  server.start([&](const Ask&, Responder<Answer> responder) { taken.set_value(std::move(responder)); }).value();
  const TsanOptions unreported("report_bugs=0 atexit_sleep_ms=0");
  Process calling = peer("destroy_amid_call", name);
  auto responder = taken.get_future().get();
  calling.write_line("now");
  CHECK(calling.read_line() == "destroyed");
  responder.reply(Answer{1, 1});
  CHECK(calling.read_line() == "answered");
  CHECK(calling.wait(20s) == ExitStatus{});
}

TEST_CASE("exit: in the callback of a client of static storage") {
  const auto name = unique_name("exit");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 1}; }).value();
  CHECK(peer("quit_in_callback", name).wait(20s) == as_asked);
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("exit: in the codec of a deferred reply, on a thread of the program's") {
  const auto name = unique_name("exit");
  Process server = peer("quit_in_codec", name);
  REQUIRE(server.read_line() == "ready");
  Process asking = peer("ask_last_word", name);
  CHECK(asking.read_line() == "server_stopped");
  CHECK(server.wait(20s) == as_asked);
  CHECK(is_clean(name));
}

TEST_CASE("exit: in an observer, which is told of a call after its answer") {
  for (const char* how : {"start", "serve", "deferred"}) {
    INFO(how);
    const auto name = unique_name("exit");
    Process server = peer("quit_in_observer", name, how);
    REQUIRE(server.read_line() == "ready");
    CHECK(peer("ask_observed", name).read_line() == "answered");
    CHECK(server.wait(20s) == as_asked);
    CHECK(is_clean(name));
  }
}

TEST_CASE("exit: in the observer of an asynchronous call, whoever ended it") {
  for (const char* how : {"token", "cancel", "drop", "timeout"}) {
    INFO(how);
    const auto name = unique_name("exit");
    CHECK(peer("quit_when_asked", name, how).wait(20s) == as_asked);
    CHECK(is_clean(name));
  }
}

TEST_CASE("exit: in a callback of the token that asks a server to stop") {
  for (const char* when : {"before", "after"}) {  // the server's own callback
    INFO(when);
    const auto name = unique_name("exit");
    CHECK(peer("quit_when_stopped", name, when).wait(20s) == as_asked);
    CHECK(is_clean(name));
  }
}

#ifdef __linux__
TEST_CASE("exit: in a signal handler on a thread that serves or waits for the server's end") {
  for (const char* how :
       {"serve", "serve, two threads", "serve_one", "serve_one, with a handle", "wait", "in a worker", "raw"}) {
    INFO(how);
    const auto name = unique_name("exit");
    Process server = quitting_on_signal("quit_on_signal", name, how);
    CHECK(Channel::Client(name).call(echo(1), amply));
    REQUIRE(eventually([&] { return has_first_thread_asleep(server); }));
    server.terminate();
    CHECK(server.wait(20s) == as_asked);
    CHECK(is_clean(name));
    CHECK(is_free(name));
  }
}

TEST_CASE("exit: a thread that has the system's number of an ended worker, or all of a joined one's, is no worker") {
  struct OneNumber {
    using Thread = std::thread;
    static std::uint32_t thread_number() noexcept { return 7; }
  };
  const auto names = detail::Names::make(unique_name("exit"), Scope::session).value();
  detail::Workers<OneNumber> workers;
  std::promise<bool> is_worker;
  workers.start(names, 1, 1, [&] { is_worker.set_value(workers.has_this_thread()); }).value();
  CHECK(is_worker.get_future().get());
  CHECK_FALSE(workers.has_this_thread());
  workers.join();
  CHECK_FALSE(std::async(std::launch::async, [&] { return workers.has_this_thread(); }).get());
}

TEST_CASE("exit: the upkeep is not waited for by the thread that is at it") {
  detail::Upkeep upkeep;
  REQUIRE(eventually([&] { return upkeep.begin(5); }));
  int rests = 0;
  const auto rest = [&] { return ++rests < 3; };
  upkeep.close(5, rest);
  CHECK(rests == 0);
  upkeep.close(6, rest);
  CHECK(rests == 3);
}

TEST_CASE("exit: in a signal handler on a thread that makes asynchronous calls, at any moment") {
  const auto name = unique_name("exit");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 1}; }).value();
  const TsanOptions unreported("report_bugs=0 atexit_sleep_ms=0");
  for (const char* how : {"callback", "handle", "get", "drop", "call"}) {
    INFO(how);
    const Stopwatch watch;
    for (int time = 0; time < 50 && watch.elapsed() < 3s; ++time) {
      Process calling = peer("signalled_amid_calls", name, how, std::to_string(1 + time * 7919 % 8000));
      REQUIRE(calling.wait(20s) == as_asked);
    }
  }
}

TEST_CASE("exit: in a signal handler on a thread for whose mutex a handler of the program's own server waits") {
  const auto name = unique_name("exit");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 1}; }).value();
  const TsanOptions unreported("report_bugs=0 atexit_sleep_ms=0");
  const Stopwatch watch;
  for (int time = 0; time < 100 && watch.elapsed() < 5s; ++time) {
    Process calling = peer("signalled_amid_forwarding", name, "callback", std::to_string(1 + time * 7919 % 8000));
    REQUIRE(calling.wait(20s) == as_asked);
  }
}

TEST_CASE("exit: in a signal handler on a thread that waits for an answer") {
  const auto name = unique_name("exit");
  Channel::Server server(name);
  std::promise<Responder<Answer>> taken;
  server.start([&](const Ask&, Responder<Answer> responder) { taken.set_value(std::move(responder)); }).value();
  Process calling = quitting_on_signal("quit_on_signal", name, "call");
  const auto kept = taken.get_future().get();
  REQUIRE(eventually([&] { return has_first_thread_asleep(calling); }));
  calling.terminate();
  CHECK(calling.wait(20s) == as_asked);
}
#endif

TEST_CASE("exit: a handler of a server with its own threads destroys it") {
  for (const unsigned threads : {1U, 2U}) {
    const auto name = unique_name("exit");
    ServerOptions options;
    options.threads = threads;
    std::optional<Channel::Server> server(std::in_place, name, options);
    std::atomic<bool> is_free_at_once{false};
    server
        ->start([&](const Ask& ask) {
          server.reset();
          is_free_at_once = is_clean(name) && is_free(name);
          return Answer{ask.id, 1};
        })
        .value();
    const auto threads_before = thread_count() - threads - 1;  // the workers, and the liveness word's
    Channel::Client client(name);
    CHECK(is_answered_or_told(client.call(echo(1), amply)));
    CHECK(eventually([&] { return is_free_at_once.load(); }));
    CHECK(eventually([&] { return thread_count() <= threads_before; }));
    CHECK(is_clean(name));
  }
}

TEST_CASE("exit: a handler of a server that serves the calling thread destroys it") {
  for (const unsigned threads : {1U, 2U}) {
    const auto name = unique_name("exit");
    ServerOptions options;
    options.threads = threads;
    std::optional<Channel::Server> server(std::in_place, name, options);
    auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(1), amply); });
    const auto served = server->serve([&](const Ask& ask) {
      server.reset();
      return Answer{ask.id, 1};
    });
    CHECK_FALSE(error_of(served));
    CHECK(is_answered_or_told(asked.get()));
    CHECK(is_clean(name));
    CHECK(is_free(name));
  }
}

TEST_CASE("exit: a handler of a server that answers one call destroys it") {
  const auto name = unique_name("exit");
  std::optional<Channel::Server> server(std::in_place, name);
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(1), amply); });
  const auto answered = server->serve_one(
      [&](const Ask& ask) {
        server.reset();
        return Answer{ask.id, 1};
      },
      amply);
  CHECK(answered.value());
  CHECK(is_answered_or_told(asked.get()));
  CHECK(is_clean(name));
  CHECK(is_free(name));
}

TEST_CASE("exit: a deferred reply of a server that its handler destroyed is told so") {
  const auto name = unique_name("exit");
  std::optional<Channel::Server> server(std::in_place, name);
  std::promise<Responder<Answer>> kept;
  auto future = kept.get_future();
  server
      ->start([&](const Ask&, Responder<Answer> responder) {
        server.reset();
        kept.set_value(std::move(responder));
      })
      .value();
  Channel::Client client(name);
  CHECK(error_of(client.call(echo(1), amply)) == Errc::server_stopped);
  Responder<Answer> late = future.get();
  late.reply(Answer{1, 1});
  CHECK(is_clean(name));
}

namespace {

// A program whose workers keep it, by what their threads destroy when they end.
struct Application {
  explicit Application(const std::string& name, unsigned threads) : server(name, options_of(threads)) {}
  static ServerOptions options_of(unsigned threads) {
    ServerOptions options;
    options.threads = threads;
    return options;
  }

  struct Flag {
    ~Flag() { *is_set = true; }
    std::atomic<bool>* is_set;
  };
  static inline std::atomic<bool> is_gone{false};

  Flag flag{&is_gone};  // goes after the server
  Channel::Server server;
};

// On a worker's thread, so that it goes with that.
void keep_until_the_thread_ends(const std::shared_ptr<Application>& application) {
  thread_local std::shared_ptr<Application> kept;
  kept = application;
}

}  // namespace

TEST_CASE("exit: the last reference to a server goes with a thread of its own") {
  for (const unsigned threads : {1U, 2U}) {
    const auto name = unique_name("exit");
    Application::is_gone = false;
    auto application = std::make_shared<Application>(name, threads);
    application->server
        .start([weak = std::weak_ptr(application)](const Ask& ask) {
          const auto own = weak.lock();
          keep_until_the_thread_ends(own);
          if (ask.what == Ask::What::leave) own->server.stop();
          return Answer{ask.id, 0};
        })
        .value();
    Channel::Client client(name);
    CHECK(client.call(echo(1), amply));
    application.reset();
    CHECK(is_answered_or_told(client.call(leave, amply)));
    CHECK(eventually([] { return Application::is_gone.load(); }));
    CHECK(is_clean(name));
    CHECK(is_free(name));
  }
}

TEST_CASE("exit: the last reference to a server goes with a thread that serve() has made") {
  const auto name = unique_name("exit");
  Application::is_gone = false;
  auto application = std::make_shared<Application>(name, 2);
  Channel::Server& server = application->server;
  std::atomic<bool> is_kept{false};
  std::thread calling([&] {
    Channel::Client client(name);
    while (!is_kept) {  // two at once, so that one of them is a worker's
      auto one = client.call_async(nap(20), amply), other = client.call_async(nap(20), amply);
      CHECK((one.get() && other.get()));
    }
    application.reset();
    CHECK(is_answered_or_told(client.call(leave, amply)));
  });
  const auto served =
      server.serve([weak = std::weak_ptr(application), &is_kept, caller = std::this_thread::get_id()](const Ask& ask) {
        const auto own = weak.lock();
        if (std::this_thread::get_id() != caller) {
          keep_until_the_thread_ends(own);
          is_kept = true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(ask.milliseconds));
        if (ask.what == Ask::What::leave) own->server.stop();
        return Answer{ask.id, 0};
      });
  calling.join();
  CHECK_FALSE(error_of(served));
  CHECK(Application::is_gone);
  CHECK(is_clean(name));
  CHECK(is_free(name));
}

}  // namespace exit_test
