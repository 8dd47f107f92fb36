#ifdef __linux__

#include "role.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

namespace peer_fork {

using test_support::Channel;
using test_support::echo;
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

// fork_with_handlers NAME HOW: fork()s with handlers of its own, which were registered before the library's.
const peer::Role fork_with_handlers{
    "fork_with_handlers", [](const peer::Arguments& arguments) {
      name = arguments.at(0);
      const std::string& how = arguments.at(1);
      if (how == "prepare") ::pthread_atfork([] { client.reset(); }, [] { client.emplace(name); }, nullptr);
      if (how == "destroy in the child") ::pthread_atfork(nullptr, nullptr, [] { client.reset(); });
      if (how == "call in the child") ::pthread_atfork(nullptr, nullptr, [] { is_told = is_refused(); });
      if (how == "make in the child") ::pthread_atfork(nullptr, nullptr, [] { client.emplace(name); });
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

}  // namespace peer_fork

#endif
