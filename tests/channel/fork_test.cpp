// fork(): what was made before it belongs to the parent.
#ifdef __linux__

#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/scoped_env.hpp"
#include "support/time.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FORK_TEST_IS_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FORK_TEST_IS_SANITIZED
#endif

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Answer answer(const Ask& ask) { return {ask.id, 0}; }
Answer nap_and_answer(const Ask& ask) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ask.milliseconds));
  return answer(ask);
}

// Whether `check` is true in a child.
template <class Check>
bool in_child(Check&& check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A child that does nothing more once fork() has returned in it, until it is destroyed.
class StoppedChild {
 public:
  StoppedChild() : id_(::fork()) {
    if (id_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    if (id_ < 0) throw std::runtime_error("no child");
    while (::waitpid(id_, nullptr, WUNTRACED) < 0 && errno == EINTR) {
    }
  }
  StoppedChild(const StoppedChild&) = delete;
  StoppedChild& operator=(const StoppedChild&) = delete;
  ~StoppedChild() {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  [[nodiscard]] pid_t id() const noexcept { return id_; }

 private:
  pid_t id_;
};

// Whether the process has this channel's objects open or mapped.
bool keeps(pid_t process, const std::string& name) {
  const std::string object = "/dev/shm/shared_channel." + name;
  const std::string process_files = "/proc/" + std::to_string(process);
  for (const auto& entry : std::filesystem::directory_iterator(process_files + "/fd")) {
    std::error_code closed;  // by another thread meanwhile
    if (std::filesystem::read_symlink(entry, closed).string().starts_with(object)) return true;
  }
  std::ifstream maps(process_files + "/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(object) != std::string::npos) return true;
  }
  return false;
}

struct Letters {
  char text[100];
};

// A handler that forks, and returns in parent and child.
class ForkingHandler {
 public:
  ForkingHandler() = default;
  ForkingHandler(const ForkingHandler&) = delete;
  ForkingHandler& operator=(const ForkingHandler&) = delete;
  ~ForkingHandler() {
    if (child_ <= 0 || has_ended_) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  Answer operator()(const Ask& ask) {
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      thread_local const Ending ending;
      static_cast<void>(&ending);
    }
    return answer(ask);
  }

  // How the child left the library; -1 if it did not.
  int left_with() {
    int status = 0;
    has_ended_ = eventually([&] { return ::waitpid(child_, &status, WNOHANG) == child_; });
    return has_ended_ && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static constexpr int thread_ended = 3;

 private:
  struct Ending {
    ~Ending() { ::_exit(thread_ended); }
  };

  std::atomic<pid_t> child_{-1};
  bool has_ended_ = false;
};

}  // namespace

TEST_CASE("fork: while a call's request is being written, which the parent sends alone") {
  const auto name = unique_name("fork");
  std::atomic<int> runs{0};
  SharedChannel<Letters>::Server server(name);
  server.start([&](Letters&) { ++runs; }).value();
  SharedChannel<Letters>::Client client(name);
  pid_t child = -1;
  const auto fill = [&](Letters& letters) {
    letters = {};
    if (child != 0) child = ::fork();
  };
  const auto ended = client.call_in_place(
      fill, [](const Letters&) {}, 60s);
  if (child == 0) ::_exit(error_of(ended) == Errc::forked ? 0 : 1);
  CHECK(ended);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(runs == 1);
}

TEST_CASE("fork: a child made while another thread connects keeps nothing of the parent's") {
  const auto name = unique_name("fork");
  Channel::Server server(name);
  std::jthread connecting([&](std::stop_token token) {
    while (!token.stop_requested()) (void)Channel::Client(name).wait_for_server(amply);
  });
  CHECK(keeps(::getpid(), name));
  for (int round = 0; round < 200; ++round) {
    // Looked at from outside: whatever another thread was in the middle of, allocating say, the child cannot do.
    const StoppedChild child;
    REQUIRE_FALSE(keeps(child.id(), name));
  }
}

TEST_CASE("fork: a child that may have no more memory keeps nothing of the parent's either") {
#ifdef FORK_TEST_IS_SANITIZED
  SKIP_TEST("the sanitizers need memory that they could not have");
#endif
  const auto name = unique_name("fork");
  Channel::Server server(name);
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  rlimit little = before;
  little.rlim_cur = 4096;
  ::setrlimit(RLIMIT_AS, &little);
  const StoppedChild child;
  ::setrlimit(RLIMIT_AS, &before);
  CHECK(keeps(::getpid(), name));
  CHECK_FALSE(keeps(child.id(), name));
}

TEST_CASE("fork: the child may not use the parent's client") {
  const auto name = unique_name("fork");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  CHECK(in_child([&] {
    const auto reply = client.call(echo(2), amply);
    return error_of(reply) == Errc::forked && reply.error().not_executed() && !client.connected() &&
           error_of(client.call_in_place([](Ask&) {}, [](const Answer&) {}, amply)) == Errc::forked &&
           error_of(client.wait_for_server(amply)) == Errc::forked;
  }));
  CHECK(client.connected());
  CHECK(client.call(echo(3), amply).value().id == 3);
}

TEST_CASE("fork: a client that has never called is the parent's as well") {
  Channel::Client client(unique_name("fork"));
  CHECK(in_child([&] { return error_of(client.call(echo(1), amply)) == Errc::forked; }));
}

TEST_CASE("fork: the child may make clients of its own") {
  const auto name = unique_name("fork");
  Process server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  CHECK(in_child([&] {
    const auto reply = Channel::Client(name).call(echo(2), amply);
    return reply && reply->id == 2;
  }));
  CHECK(client.call(echo(3), amply).value().id == 3);
}

TEST_CASE("fork: a handler's child may make clients of its own, of the same channel as well") {
  const auto name = unique_name("fork");
  ServerOptions options;
  options.threads = 2;
  Channel::Server server(name, options);
  std::atomic<bool> is_answered{false};
  server
      .start([&](const Ask& ask) {
        if (ask.id == 1) {
          is_answered = in_child([&] {
            const auto reply = Channel::Client(name).call(echo(2), amply);
            return reply && reply->id == 2;
          });
        }
        return answer(ask);
      })
      .value();
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  CHECK(is_answered);
}

TEST_CASE("fork: a child may ask the parent's server for its stats, even if a thread did so at that moment") {
  Channel::Server server(unique_name("fork"));
  std::jthread asking([&](const std::stop_token& over) {
    while (!over.stop_requested()) static_cast<void>(server.stats());
  });
  for (int round = 0; round < 100; ++round) {
    REQUIRE(in_child([&] {
      ::alarm(20);
      return server.stats().longest_running == 0ns;
    }));
  }
}

TEST_CASE("fork: a child that destroys the parent's client does no harm") {
  const auto name = unique_name("fork");
  Process server = peer("serve", name, "1");
  REQUIRE(server.read_line() == "ready");
  std::optional<Channel::Client> client(std::in_place, name);
  CHECK(client->call(echo(1), amply).value().id == 1);
  CHECK(in_child([&] {
    client.reset();
    return true;
  }));
  for (std::uint64_t id = 2; id < 10; ++id) REQUIRE(client->call(echo(id), amply).value().id == id);
}

TEST_CASE("fork: a stop token in the child ends no call of the parent's") {
  const auto name = unique_name("fork");
  Channel::Server server(name);
  Channel::Client client(name);
  std::stop_source source;
  std::promise<Result<Answer>> outcome;
  client
      .call_async(
          echo(1), amply, [&](Result<Answer> got) { outcome.set_value(std::move(got)); }, source.get_token())
      .value();
  CHECK(in_child([&] { return source.request_stop(); }));
  CHECK(server.serve_one(answer, promptly).value());
  CHECK(outcome.get_future().get().value().id == 1);
}

TEST_CASE("fork: only the parent's server serves") {
  const auto name = unique_name("fork");
  std::optional<Channel::Server> server(std::in_place, name);
  CHECK(in_child([&] {
    return error_of(server->start(answer)) == Errc::forked && error_of(server->serve(answer)) == Errc::forked &&
           error_of(server->serve_one(answer, 0ns)) == Errc::forked;
  }));
  CHECK_FALSE(error_of(server->start(answer)));
  CHECK(in_child([&] { return error_of(server->wait()) == Errc::forked; }));
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("fork: a child that destroys or stops the parent's server does no harm") {
  const auto name = unique_name("fork");
  std::optional<Channel::Server> server(std::in_place, name);
  CHECK_FALSE(error_of(server->start(answer)));
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  CHECK(in_child([&] {
    server.reset();
    return true;
  }));
  CHECK(client.call(echo(2), amply).value().id == 2);
  CHECK(in_child([&] {
    server->stop();
    return true;
  }));
  CHECK(client.call(echo(3), amply).value().id == 3);
  CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
  server.reset();
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("fork: what a handler's child writes into the reply stays its own, and its child's") {
  const auto name = unique_name("fork");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Ask& ask, Answer& reply) {
    reply = answer(ask);
    const bool kept = in_child([&] {
      reply.id = 7;
      return in_child([&] { return reply.id == 7; });
    });
    if (!kept) reply.id = 0;
  })));
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
}

TEST_CASE("fork: a child that returns from a handler of serve() serves no more") {
  const auto name = unique_name("fork");
  const pid_t parent = ::getpid();
  ServerOptions options;
  options.threads = GENERATE(1u, 2u);
  std::optional<Channel::Server> server(std::in_place, name, options);
  ForkingHandler handler;
  std::thread serving([&] {
    const auto ended = server->serve(handler);
    if (::getpid() != parent) ::_exit(error_of(ended) == Errc::forked ? 0 : 1);
  });
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  const int left_with = handler.left_with();
  CHECK((left_with == 0 || (options.threads == 2 && left_with == ForkingHandler::thread_ended)));
  server->stop();
  serving.join();
  server.reset();
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("fork: a child that returns from a handler of start() ends with that thread") {
  const auto name = unique_name("fork");
  ForkingHandler handler;
  Channel::Server server(name);
  server.start(std::ref(handler)).value();
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  CHECK(handler.left_with() == ForkingHandler::thread_ended);
}

TEST_CASE("fork: a child that returns from a handler of serve_one() is told") {
  const auto name = unique_name("fork");
  const pid_t parent = ::getpid();
  ForkingHandler handler;
  Channel::Server server(name);
  if (GENERATE(true, false)) REQUIRE(server.native_handle() >= 0);
  auto asked = std::async(std::launch::async, [&] { return Channel::Client(name).call(echo(1), amply); });
  const auto answered = server.serve_one(handler, amply);
  if (::getpid() != parent) ::_exit(error_of(answered) == Errc::forked ? 0 : 1);
  CHECK(answered.value());
  CHECK(asked.get().value().id == 1);
  CHECK(handler.left_with() == 0);
}

TEST_CASE("fork: a child that returns from a callback runs no other of the parent's, and ends with that thread") {
  const auto name = unique_name("fork");
  const pid_t parent = ::getpid();
  Channel::Server server(name, {.threads = 2});
  server.start(nap_and_answer).value();
  Channel::Client client(name);
  ForkingHandler forking;
  std::atomic<bool> has_forked{false}, has_gone_on{false};
  CHECK(client.call_async(nap(20, 1), amply, [&](Result<Answer>) {
    static_cast<void>(forking(echo(1)));
    has_forked = true;
  }));
  CHECK(client.call_async(nap(100, 2), 500ms, [&](Result<Answer>) {
    if (::getpid() != parent) ::_exit(9);
    has_gone_on = true;
  }));
  REQUIRE(eventually([&] { return has_forked.load(); }));
  CHECK(forking.left_with() == ForkingHandler::thread_ended);
  CHECK(eventually([&] { return has_gone_on.load(); }));
}

TEST_CASE("fork: in a signal handler that interrupts the making of a descriptor") {
#ifdef FORK_TEST_IS_SANITIZED
  SKIP_TEST("the sanitizers do not support fork() in a signal handler");
#endif
  Process forking = Process::forked([] {
    static std::atomic<int> children{0};
    struct sigaction fork_once {};
    fork_once.sa_flags = SA_RESTART;
    fork_once.sa_handler = [](int) {
      const int error = errno;
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      if (child > 0) ::waitpid(child, nullptr, 0);
      ++children;
      errno = error;
    };
    ::sigaction(SIGALRM, &fork_once, nullptr);
    for (int round = 0; children < 50; ++round) {
      // Once a round: where fork() takes longer than a timer's interval, nothing would run but the handler.
      const itimerval soon{{0, 0}, {0, 1 + round % 20}};
      ::setitimer(ITIMER_REAL, &soon, nullptr);
      const detail::platform::Descriptor descriptor([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); });
      if (!descriptor) return 1;
    }
    return 0;
  });
  CHECK(forking.wait(20s) == ExitStatus{});
}

TEST_CASE("fork: in a signal handler that interrupts fork()") {
#ifdef FORK_TEST_IS_SANITIZED
  SKIP_TEST("the sanitizers do not support fork() in a signal handler");
#endif
  CHECK(peer("fork_in_fork").wait(20s) == ExitStatus{});  // of one thread: with more the C library waits for itself
}

TEST_CASE("fork: the program's own handlers may do what they like, also if they were there before us") {
  const auto name = unique_name("fork");
  Channel::Server server(name);
  server.start(answer).value();
  for (const bool come_first : {false, true}) {
    const ScopedEnv early("PEER_FORK_HANDLERS_COME_FIRST", come_first ? std::optional("1") : std::nullopt);
    for (const char* how : {"prepare", "destroy in the child", "call in the child", "make in the child"}) {
      INFO(how << (come_first ? ", early" : ""));
      CHECK(peer("fork_with_handlers", name, how).wait(20s) == ExitStatus{});
    }
  }
}

TEST_CASE("fork: the program's own handlers may wait for a thread that opens a file meanwhile") {
  const auto name = unique_name("fork");
  Channel::Server server(name, {.threads = 2});
  server.start(nap_and_answer).value();
  const ScopedEnv early("PEER_FORK_HANDLERS_COME_FIRST", "1");
  CHECK(peer("fork_and_end_client", name).wait(20s) == ExitStatus{});
  CHECK(peer("fork_and_make_handle", name).wait(20s) == ExitStatus{});
  for (const char* how : {"end", "end serve()", "await", "get"}) {
    INFO(how);
    CHECK(peer("fork_beside_server", name, how).wait(20s) == ExitStatus{});
  }
  CHECK(peer("fork_in_two_threads", name).wait(60s) == ExitStatus{});
  // A sanitizer keeps an account of mutexes, which a child that no handler told would have to clear.
#ifndef FORK_TEST_IS_SANITIZED
  CHECK(peer("fork_beside_pause", name).wait(20s) == ExitStatus{});
#endif
}

TEST_CASE("fork: the program's own handlers may take a mutex under which it makes clients, or its allocator's") {
  const auto name = unique_name("fork");
  Channel::Server server(name);
  server.start(answer).value();
  CHECK(peer("fork_under_mutex", name, "program's").wait(60s) == ExitStatus{});
  CHECK(peer("fork_under_mutex", name, "allocator's").wait(60s) == ExitStatus{});
  const ScopedEnv early("PEER_FORK_HANDLERS_COME_FIRST", "1");
  CHECK(peer("fork_under_mutex", name, "allocator's").wait(60s) == ExitStatus{});
}

TEST_CASE("fork: a child that no handler was called for may not use the parent's client either") {
  const auto name = unique_name("fork");
  Channel::Server server(name);
  server.start(answer).value();
  CHECK(peer("fork_with_handlers", name, "none are called").wait(20s) == ExitStatus{});
}

TEST_CASE("fork: a child that lives on does not keep the parent's name") {
  const auto name = unique_name("fork");
  std::optional<Channel::Server> server(std::in_place, name);
  CHECK_FALSE(error_of(server->start(answer)));
  const StoppedChild child;
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  server.reset();
  CHECK_FALSE(error_of(Channel::Server::create(name)));
}

#endif
