#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "armed.hpp"
#include "asker.hpp"
#include "faults/job.hpp"
#include "peer/role.hpp"

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

ServerOptions options_of(std::uint64_t number, unsigned slots = 1) {
  ServerOptions options;
  options.max_calls = slots;
  options.threads = 1 + number % 2;
  options.wait = policy_of(number);
  return options;
}

void arm(const peer::Arguments& arguments, std::size_t at) {
  test_points::arm(arguments.at(at), arguments.at(at + 1), std::stoi(arguments.at(at + 2)), arguments.at(at + 3));
}

std::chrono::milliseconds patience(const peer::Arguments& arguments) {
  return std::chrono::milliseconds(std::stoi(arguments.at(7)));
}

void say_whether_hit() { peer::say(test_points::was_hit() ? "hit" : "missed"); }

}  // namespace

// victim_client NAME JOURNAL FIRST POINT FAULT NTH SLOW MS: calls until the fault has happened or it has had so many
// milliseconds, and says "hit" or "missed".
const peer::Role victim_client{"victim_client", [](const peer::Arguments& arguments) {
                                 arm(arguments, 3);
                                 const auto until = Clock::now() + patience(arguments);
                                 {
                                   Asker<Job, Done> asker(arguments.at(0), std::stoull(arguments.at(2)),
                                                          arguments.at(1));
                                   while (!test_points::was_hit() && Clock::now() < until) {
                                     for (int i = 0; i < 12; ++i) asker.call();
                                     asker.open();
                                   }
                                   for (int i = 0; i < 6; ++i) asker.call();
                                 }
                                 say_whether_hit();
                                 return 0;
                               }};

// victim_server NAME JOURNAL NUMBER POINT FAULT NTH SLOW MS: serves one generation after another as long.
const peer::Role victim_server{"victim_server", [](const peer::Arguments& arguments) {
                                 arm(arguments, 3);
                                 const auto until = Clock::now() + patience(arguments);
                                 Handler handler(arguments.at(1));
                                 while (!test_points::was_hit() && Clock::now() < until) {
                                   auto server =
                                       Jobs::Server::create(arguments.at(0), options_of(std::stoull(arguments.at(2))));
                                   if (!server) continue;  // the one before is not yet gone
                                   server->start(std::ref(handler)).value();
                                   std::this_thread::sleep_for(10ms);
                                   server->stop();
                                 }
                                 say_whether_hit();
                                 return 0;
                               }};

// doomed_server NAME JOURNAL NUMBER POINT FAULT NTH SLOW: serves one generation, whose callers have all the time they
// want, until the fault has happened or it hears a line. Says "ready".
const peer::Role doomed_server{"doomed_server", [](const peer::Arguments& arguments) {
                                 Handler handler(arguments.at(1));
                                 Jobs::Server server(arguments.at(0), options_of(std::stoull(arguments.at(2))));
                                 arm(arguments, 3);  // before there are threads that look
                                 server.start(std::ref(handler)).value();
                                 peer::say("ready");
                                 peer::hear();
                                 return 0;
                               }};

namespace {

template <class Request, class Reply>
int call_on(const peer::Arguments& arguments) {
  std::atomic<bool> over{false};
  std::thread calling([&] {
    Asker<Request, Reply> asker(arguments.at(0), std::stoull(arguments.at(2)), arguments.at(1));
    while (!over) {
      asker.call();
      std::this_thread::sleep_for(100us);
    }
  });
  peer::hear();
  over = true;
  calling.join();
  peer::say("over");
  return 0;
}

template <class Request, class Reply>
int serve(const peer::Arguments& arguments) {
  using Server = typename SharedChannel<Request, Reply>::Server;
  Handler handler(arguments.at(1));
  const unsigned slots = arguments.size() > 3 ? static_cast<unsigned>(std::stoul(arguments[3])) : 1;
  const auto options = options_of(std::stoull(arguments.at(2)), slots);
  auto made = Server::create(arguments.at(0), options);
  for (int i = 0; !made && i < 100; ++i) {
    std::this_thread::sleep_for(10ms);
    made = Server::create(arguments.at(0), options);
  }
  made.value().start(std::ref(handler)).value();
  peer::say("ready");
  peer::hear();
  return 0;
}

}  // namespace

// caller NAME JOURNAL FIRST: calls until it hears a line. letter_caller: with messages of any length.
const peer::Role caller{"caller", call_on<Job, Done>};
const peer::Role letter_caller{"letter_caller", call_on<Letter, Receipt>};

// server NAME JOURNAL NUMBER [SLOTS]: says "ready" and serves until it hears a line. letter_server: messages of any
// length.
const peer::Role server{"server", serve<Job, Done>};
const peer::Role letter_server{"letter_server", serve<Letter, Receipt>};
