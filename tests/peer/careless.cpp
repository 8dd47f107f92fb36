// Programs that end while they call.
#ifdef __linux__
#include "allocator.hpp"
#endif
#include "role.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#ifdef __linux__
#include <signal.h>
#include <sys/time.h>
#endif

#include <shared_channel/shared_channel.hpp>

#include "support/asleep.hpp"
#include "support/messages.hpp"

namespace peer_careless {

using test_support::Answer;
using test_support::Channel;
using test_support::echo;
using namespace std::chrono_literals;

using Told = shared_channel::Result<Answer>;

// The end of the program lasts a little, in which its threads can do harm.
struct Lingering {
  ~Lingering() { std::this_thread::sleep_for(10ms); }
};

// The program ends when it is told to.
struct Parting {
  ~Parting() {
    peer::say("ending");
    peer::hear();
    std::this_thread::sleep_for(10ms);
  }
};

// Calls for ever, as `how` says. Once it cannot, the thread rests: where it is ended amid malloc(), as the process
// ends, Wine's heap makes the last thread wait for good.
static void call(Channel::Client& client, const std::string& how) {
  for (;;) {
    bool can_call = true;
    if (how == "call") can_call = client.call(echo(1), 50s).has_value();
    if (how == "wait_for_server") can_call = client.wait_for_server(50s).has_value();
    if (how == "get") can_call = client.call_async(echo(1), 50s).get().has_value();
    if (how == "drop") (void)client.call_async(echo(1), 50s);
    if (how == "callback") (void)client.call_async(echo(1), 50s, [](const Told&) {});
    if (how == "handle") {
      auto pending = client.call_async(echo(1), 50s);
      (void)pending.native_handle();
      while (!pending.ready()) {
      }
    }
    if (!can_call) std::this_thread::sleep_for(1h);
  }
}

// quit_amid_calls NAME HOW: three threads sleep in calls by a client of static storage when main() returns 7. "ending"
// once the client has gone; the process ends soon after a line.
const peer::Role quit_amid_calls{"quit_amid_calls", [](const peer::Arguments& arguments) {
                                   static const Parting parting;
                                   static Channel::Client client(arguments.at(0));
                                   static const std::string how = arguments.at(1);
                                   static std::atomic<std::uint32_t> callers[3];
                                   for (auto& caller : callers) {
                                     std::thread([&caller] {
                                       caller = shared_channel::detail::platform::thread_number();
                                       call(client, how);
                                     }).detach();
                                   }
                                   for (const auto& caller : callers) {
                                     while (caller == 0 || !test_support::is_asleep(caller))
                                       std::this_thread::sleep_for(1ms);
                                   }
                                   return 7;
                                 }};

// destroy_amid_call NAME: destroys the client of a call under way, and says how the call ended.
const peer::Role destroy_amid_call{"destroy_amid_call", [](const peer::Arguments& arguments) {
                                     static std::optional<Channel::Client> client;
                                     client.emplace(arguments.at(0));
                                     std::thread calling([] {
                                       const Told told = client->call(echo(1), 50s);
                                       peer::say(told ? "answered" : told.error().message());
                                     });
                                     peer::hear();
                                     client.reset();
                                     peer::say("destroyed");
                                     calling.join();
                                     return 0;
                                   }};

#ifdef __linux__
static void alarm_after(int microseconds) {
  const itimerval once{{0, 0}, {0, microseconds}};
  ::setitimer(ITIMER_REAL, &once, nullptr);
}

// signalled_amid_calls NAME HOW: calls until, after so many microseconds, a signal handler calls exit(7).
const peer::Role signalled_amid_calls{"signalled_amid_calls", [](const peer::Arguments& arguments) {
                                        static const Lingering lingering;
                                        static Channel::Client client(arguments.at(0));
                                        const std::string& how = arguments.at(1);
                                        sigset_t alarm;
                                        sigemptyset(&alarm);
                                        sigaddset(&alarm, SIGALRM);
                                        // The client's own thread is to block it.
                                        pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
                                        client.call_async(echo(1), 50s, [](const Told&) {}).value();
                                        pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
                                        ::signal(SIGALRM, [](int) {
                                          // Inside malloc() the C library's own exit() waits for itself.
                                          peer::is_allocating() ? alarm_after(20) : std::exit(7);
                                        });
                                        alarm_after(std::stoi(arguments.at(2)));
                                        call(client, how);
                                        return 1;
                                      }};

// signalled_amid_forwarding NAME HOW MICROSECONDS: the same, with a server of its own whose handlers call by that
// client as well.
const peer::Role signalled_amid_forwarding{
    "signalled_amid_forwarding", [](const peer::Arguments& arguments) {
      static const Lingering lingering;
      static Channel::Client& client = *new Channel::Client(arguments.at(0));  // handlers outlive this program's main()
      const std::string own = arguments.at(0) + ".own";
      static Channel::Server server(own);
      sigset_t alarm;
      sigemptyset(&alarm);
      sigaddset(&alarm, SIGALRM);
      pthread_sigmask(SIG_BLOCK, &alarm, nullptr);  // on all threads but this one
      client.call_async(echo(1), 50s, [](const Told&) {}).value();
      server
          .start([](const test_support::Ask& ask) {
            (void)client.call_async(echo(1), 50s, [](const Told&) {});
            return Answer{ask.id, 1};
          })
          .value();
      static Channel::Client& caller = *new Channel::Client(own);
      std::thread([] {
        for (;;) (void)caller.call(echo(1), 50s);
      }).detach();
      pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
      ::signal(SIGALRM, [](int) { peer::is_allocating() ? alarm_after(20) : std::exit(7); });
      alarm_after(std::stoi(arguments.at(2)));
      call(client, arguments.at(1));
      return 1;
    }};
#endif

}  // namespace peer_careless
