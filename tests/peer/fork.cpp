#ifdef __linux__

#include "allocator.hpp"
#include "role.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

namespace peer_fork {

using test_support::Channel;
using test_support::echo;
using test_support::nap;
using namespace std::chrono_literals;

static std::string name;
static std::optional<Channel::Client> client;
static bool is_told = false;

static bool is_answered() {
  const auto answer = client->call(echo(1), 50s);
  return answer && answer->id == 1;
}
static bool is_refused() {
  const auto answer = client->call(echo(1), 50s);
  return !answer && answer.error().code() == shared_channel::Errc::forked;
}

static int status_of(pid_t child) {
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

// The program's handlers. Registered before the library's, they run within those; later, around them.
using Handler = void();
static Handler *before_fork, *in_parent, *in_child;
static void register_handlers() {
  const auto failed = ::pthread_atfork([] { before_fork != nullptr ? before_fork() : void(); },
                                       [] { in_parent != nullptr ? in_parent() : void(); },
                                       [] { in_child != nullptr ? in_child() : void(); });
  if (failed != 0) std::abort();
}
static bool is_early = false;
[[gnu::constructor(101)]] static void register_early() {
  is_early = std::getenv("PEER_FORK_HANDLERS_COME_FIRST") != nullptr;
  if (is_early) register_handlers();
}

// fork_with_handlers NAME HOW: fork()s with handlers of its own.
const peer::Role fork_with_handlers{
    "fork_with_handlers", [](const peer::Arguments& arguments) {
      name = arguments.at(0);
      const std::string& how = arguments.at(1);
      if (!is_early) register_handlers();
      if (how == "prepare") {
        before_fork = [] { client.reset(); };
        in_parent = [] { client.emplace(name); };
      }
      if (how == "destroy in the child") in_child = [] { client.reset(); };
      if (how == "call in the child") in_child = [] { is_told = is_refused(); };
      if (how == "make in the child") in_child = [] { client.emplace(name); };
      client.emplace(name);
      if (!is_answered()) return 1;
      // And a thread, which the child does not have.
      if (!client->call_async(echo(2), 50s, [](const auto&) {})) return 2;
      const bool has_handlers = how != "none are called";
      const pid_t child = has_handlers ? ::fork() : static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
      if (child == 0) {
        if (how == "call in the child") ::_exit(is_told ? 0 : 3);
        if (how == "make in the child") ::_exit(is_answered() ? 0 : 4);
        if (!has_handlers) {
          if (!is_refused()) ::_exit(5);
          client.emplace(name);
          ::_exit(is_answered() ? 0 : 6);
        }
        ::_exit(0);
      }
      if (const int status = status_of(child); status != 0) return status;
      return is_answered() ? 0 : 7;
    }};

// What follows fork()s with a handler of its own that runs within the library's, and that waits for a thread of the
// library's, which meanwhile opens a file.

static constexpr auto long_enough = 60ms;  // for the other thread to come to its file
static std::optional<Channel::Server> server;
static std::optional<shared_channel::PendingCall<test_support::Answer>> pending;
static std::atomic<bool> is_running{false};

static int fork_once() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  return status_of(child);
}

// fork_and_end_client NAME: while a call of its is in flight.
const peer::Role fork_and_end_client{"fork_and_end_client", [](const peer::Arguments& arguments) {
                                       client.emplace(arguments.at(0));
                                       if (!client->call_async(nap(300), 50s, [](const auto&) {})) return 1;
                                       before_fork = [] { client.reset(); };
                                       return fork_once();
                                     }};

// fork_and_make_handle NAME: a server's, which another thread is about to make.
static std::thread another;  // joined before fork() goes on: ThreadSanitizer would find it in the child
const peer::Role fork_and_make_handle{"fork_and_make_handle", [](const peer::Arguments& arguments) {
                                        server.emplace(arguments.at(0) + ".own");
                                        another = std::thread([] {
                                          while (!is_running) std::this_thread::sleep_for(1ms);
                                          static_cast<void>(server->native_handle());
                                        });
                                        before_fork = [] {
                                          is_running = true;
                                          std::this_thread::sleep_for(long_enough);
                                          is_told = server->native_handle() >= 0;
                                          another.join();
                                        };
                                        return fork_once() == 0 && is_told ? 0 : 1;
                                      }};

static test_support::Answer by_another_client(const test_support::Ask& ask) {
  is_running = true;
  std::this_thread::sleep_for(long_enough);
  return Channel::Client(name).call(ask, 50s).value();
}
static int fork_while_served(Handler* handler) {
  client.emplace(name + ".own");
  pending = client->call_async(echo(1), 50s);
  while (!is_running) std::this_thread::sleep_for(1ms);
  before_fork = handler;
  return fork_once();
}

// fork_beside_server NAME HOW: while a handler of its makes a client.
const peer::Role fork_beside_server{"fork_beside_server", [](const peer::Arguments& arguments) {
                                      name = arguments.at(0);
                                      const std::string& how = arguments.at(1);
                                      server.emplace(name + ".own");
                                      if (how == "end serve()")
                                        another =
                                            std::thread([] { static_cast<void>(server->serve(by_another_client)); });
                                      else if (!server->start(by_another_client))
                                        return 1;
                                      is_told = true;
                                      Handler* handler = [] {
                                        server.reset();
                                        if (another.joinable()) another.join();
                                      };
                                      if (how == "await")
                                        handler = [] {
                                          server->stop();
                                          is_told = server->wait(10s).has_value();
                                        };
                                      if (how == "get") handler = [] { is_told = pending->get().has_value(); };
                                      return fork_while_served(handler) == 0 && is_told ? 0 : 1;
                                    }};

// fork_in_two_threads NAME: each with a client of its own, which ends in the handler while that has what the other
// one's waits for. Not a mutex: ThreadSanitizer would warn of the order, and does not know of turns.
const peer::Role fork_in_two_threads{"fork_in_two_threads", [](const peer::Arguments& arguments) {
                                       name = arguments.at(0);
                                       static std::atomic<bool> is_taken{false};
                                       static std::atomic<int> ended{0};
                                       static thread_local std::optional<Channel::Client> own;
                                       before_fork = [] {
                                         while (is_taken.exchange(true)) std::this_thread::yield();
                                         own.reset();
                                       };
                                       in_parent = in_child = [] { is_taken = false; };
                                       const auto fork_often = [] {
                                         for (int time = 0; time < 100; ++time) {
                                           own.emplace(name);
                                           static_cast<void>(own->call_async(echo(1), 50s, [](const auto&) {}));
                                           if (fork_once() != 0) std::abort();
                                         }
                                         own.reset();
                                         ++ended;
                                       };
                                       std::thread(fork_often).detach();
                                       fork_often();
                                       while (ended < 2) std::this_thread::sleep_for(1ms);
                                       return 0;
                                     }};

// fork_beside_pause NAME: without fork()'s handlers, while another thread waits in one; and in the child with them.
const peer::Role fork_beside_pause{"fork_beside_pause", [](const peer::Arguments& arguments) {
                                     static thread_local bool waits = false;
                                     static std::atomic<bool> has_cloned{false};
                                     name = arguments.at(0);
                                     server.emplace(name + ".own");
                                     const auto wait_for_clone = [](const test_support::Ask& ask) {
                                       while (!has_cloned) std::this_thread::sleep_for(1ms);
                                       return test_support::Answer{ask.id, 0};
                                     };
                                     if (!server->start(wait_for_clone)) return 1;
                                     client.emplace(name + ".own");
                                     before_fork = [] {
                                       is_running = true;
                                       if (waits) static_cast<void>(client->call(echo(1), 50s));
                                     };
                                     another = std::thread([] {
                                       waits = true;
                                       if (fork_once() != 0) std::abort();
                                     });
                                     while (!is_running) std::this_thread::sleep_for(1ms);
                                     Channel::Client its_own(name);  // there is one only once the other thread pauses
                                     if (!its_own.call(echo(1), 50s)) return 2;
                                     const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
                                     if (child == 0) {
                                       its_own = Channel::Client(name);
                                       ::_exit(its_own.call(echo(1), 50s) && fork_once() == 0 ? 0 : 3);
                                     }
                                     has_cloned = true;
                                     const int status = status_of(child);
                                     another.join();
                                     return status;
                                   }};

// fork()s while another thread makes clients and calls, which it does by `turn`; many times, for a few seconds at most.
template <class Turn>
static int fork_often(Turn&& turn) {
  std::atomic<bool> is_over{false};
  std::atomic<int> answered{0};
  std::thread calling([&] {
    while (!is_over) answered += turn() ? 1 : 0;
  });
  const auto latest = std::chrono::steady_clock::now() + 4s;
  for (int forked = 0; forked < 500 && std::chrono::steady_clock::now() < latest; ++forked) {
    std::this_thread::sleep_for(std::chrono::microseconds(forked * 7 % 300));  // the other thread is anywhere
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    if (status_of(child) != 0) return 1;
  }
  is_over = true;
  calling.join();
  return answered > 0 ? 0 : 2;
}

static std::mutex guarding;
static bool is_answered_by_a_new_client() {
  Channel::Client its_own(name);
  return its_own.call(echo(1), 50s).has_value();
}

// fork_under_mutex NAME WHOSE: fork()s often, with handlers that take a mutex. Under it the other thread works; or it
// is the allocator's.
const peer::Role fork_under_mutex{"fork_under_mutex", [](const peer::Arguments& arguments) {
                                    name = arguments.at(0);
                                    before_fork = [] {
                                      guarding.lock();
                                      std::this_thread::sleep_for(100us);  // until the other thread wants it
                                    };
                                    in_parent = in_child = [] { guarding.unlock(); };
                                    if (!is_early) register_handlers();
                                    if (arguments.at(1) == "allocator's") {
                                      peer::allocators_mutex = &guarding;
                                      return fork_often(is_answered_by_a_new_client);
                                    }
                                    return fork_often([] {
                                      const std::lock_guard lock(guarding);
                                      return is_answered_by_a_new_client();
                                    });
                                  }};

static const shared_channel::detail::platform::ForkMark* mark = nullptr;
static std::atomic<bool> is_forking{false};
static std::atomic<int> interrupted{0}, untold{0};

static void fork_and_wait() {
  is_forking = true;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(mark->in_child() ? 0 : 1);
  is_forking = false;
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child < 0 || status != 0) ++untold;
}

// fork_in_fork: fork()s, and does so in a signal handler that interrupts that, until it has fifty times.
const peer::Role fork_in_fork{"fork_in_fork", [](const peer::Arguments&) {
                                const shared_channel::detail::platform::ForkMark own;
                                mark = &own;
                                struct sigaction fork_too {};
                                fork_too.sa_flags = SA_RESTART;
                                fork_too.sa_handler = [](int) {
                                  const int error = errno;
                                  if (is_forking) ++interrupted;
                                  fork_and_wait();
                                  errno = error;
                                };
                                ::sigaction(SIGALRM, &fork_too, nullptr);
                                for (int round = 0; interrupted < 50; ++round) {
                                  // Once a round: where fork() takes longer than a timer's interval, nothing would run
                                  // but the handler.
                                  const itimerval soon{{0, 0}, {0, 1 + round % 200}};
                                  ::setitimer(ITIMER_REAL, &soon, nullptr);
                                  fork_and_wait();
                                }
                                return untold == 0 ? 0 : 1;
                              }};

}  // namespace peer_fork

#endif
