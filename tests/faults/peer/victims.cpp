#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "armed.hpp"
#include "faults/job.hpp"
#include "peer/role.hpp"

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

WaitPolicy policy_of(std::uint64_t number) { return number % 2 == 0 ? WaitPolicy{} : WaitPolicy::sleep(); }

/// Makes calls of all kinds and records how each ended.
class Asker {
 public:
  Asker(const std::string& channel, std::uint64_t first, const std::string& journal)
      : channel_(channel), next_(first), journal_(journal) {
    open();
  }

  void open() {
    ClientOptions options;
    options.wait = policy_of(next_);
    options.wait_for_server = true;
    client_.emplace(channel_, options);
  }

  void call() {
    const std::uint64_t id = next_++;
    const bool is_hasty = id % 4 == 1;
    const auto timeout = is_hasty ? 500us : 100'000us;
    const Job job{id, is_hasty || id % 16 == 2 ? 1000u : 0u, 0};
    const auto began = Clock::now();
    switch (id % 3) {
      case 0: return judge(job, began, timeout, client_->call(job, timeout));
      case 1: {
        Done done{};
        const auto ended = client_->call_in_place([&](Job& request) { request = job; }, [&](const Done& reply) { done = reply; }, timeout);
        return judge(job, began, timeout, ended ? Result<Done>(done) : Result<Done>(ended.error()));
      }
      default: {
        if (id % 2 == 0) return judge(job, began, timeout, client_->call_async(job, timeout).get());
        std::promise<void> over;
        const auto sent = client_->call_async(job, timeout, [&](Result<Done> result) {
          judge(job, began, timeout, result);
          over.set_value();
        });
        if (!sent) return judge(job, began, timeout, Result<Done>(sent.error()));
        over.get_future().wait();
      }
    }
  }

 private:
  void judge(const Job& job, Clock::time_point began, std::chrono::nanoseconds timeout, const Result<Done>& result) {
    const auto overrun = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began - timeout);
    Record record{job.id, End::answered, 0, overrun.count()};
    if (!result) {
      record.end = result.error().safe_to_retry() ? End::safe : End::possible;
      record.code = static_cast<std::uint32_t>(result.error().code());
    } else if (result->id != job.id || result->check != check_of(job.id)) {
      record.end = End::wrong;
    }
    journal_.append(record);
  }

  std::string channel_;
  std::uint64_t next_;
  Journal<Record> journal_;
  std::optional<Channel::Client> client_;
};

/// Answers and keeps a journal of what it executed.
class Handler {
 public:
  explicit Handler(const std::string& journal) : journal_(journal) {}
  Done operator()(const Job& job) {
    {
      const std::lock_guard lock(mutex_);
      journal_.append(job.id);
    }
    if (job.nap_in_microseconds > 0) std::this_thread::sleep_for(std::min<std::chrono::microseconds>(longest_nap, std::chrono::microseconds(job.nap_in_microseconds)));
    return {job.id, check_of(job.id)};
  }

 private:
  static constexpr std::chrono::microseconds longest_nap{2000};  // the request may be anything

  std::mutex mutex_;
  Journal<std::uint64_t> journal_;
};

ServerOptions options_of(std::uint64_t number) {
  ServerOptions options;
  options.slots = 1;
  options.threads = 1 + number % 2;
  options.wait = policy_of(number);
  return options;
}

void arm(const peer::Arguments& arguments, std::size_t at) {
  test_points::arm(arguments.at(at), arguments.at(at + 1), std::stoi(arguments.at(at + 2)), arguments.at(at + 3));
}

void say_whether_hit() { peer::say(test_points::was_hit() ? "hit" : "missed"); }

}  // namespace

// victim_client NAME JOURNAL FIRST POINT FAULT NTH SLOW: calls until the fault has happened or it is late, and says "hit" or "missed".
const peer::Role victim_client{"victim_client", [](const peer::Arguments& arguments) {
                                 arm(arguments, 3);
                                 const auto until = Clock::now() + 400ms;
                                 {
                                   Asker asker(arguments.at(0), std::stoull(arguments.at(2)), arguments.at(1));
                                   while (!test_points::was_hit() && Clock::now() < until) {
                                     for (int i = 0; i < 12; ++i) asker.call();
                                     asker.open();
                                   }
                                   for (int i = 0; i < 6; ++i) asker.call();
                                 }
                                 say_whether_hit();
                                 return 0;
                               }};

// victim_server NAME JOURNAL NUMBER POINT FAULT NTH SLOW: serves one generation after another until the fault has happened or it is late.
const peer::Role victim_server{"victim_server", [](const peer::Arguments& arguments) {
                                 arm(arguments, 3);
                                 const auto until = Clock::now() + 600ms;
                                 Handler handler(arguments.at(1));
                                 while (!test_points::was_hit() && Clock::now() < until) {
                                   auto server = Channel::Server::create(arguments.at(0), options_of(std::stoull(arguments.at(2))));
                                   if (!server) continue;  // the one before is not yet gone
                                   server->start(std::ref(handler)).value();
                                   std::this_thread::sleep_for(10ms);
                                   server->stop();
                                 }
                                 say_whether_hit();
                                 return 0;
                               }};

// caller NAME JOURNAL FIRST: calls until it hears a line.
const peer::Role caller{"caller", [](const peer::Arguments& arguments) {
                          std::atomic<bool> over{false};
                          std::thread calling([&] {
                            Asker asker(arguments.at(0), std::stoull(arguments.at(2)), arguments.at(1));
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
                        }};

// server NAME JOURNAL NUMBER: says "ready" and serves until it hears a line.
const peer::Role server{"server", [](const peer::Arguments& arguments) {
                          Handler handler(arguments.at(1));
                          const auto options = options_of(std::stoull(arguments.at(2)));
                          auto made = Channel::Server::create(arguments.at(0), options);
                          for (int i = 0; !made && i < 100; ++i) {
                            std::this_thread::sleep_for(10ms);
                            made = Channel::Server::create(arguments.at(0), options);
                          }
                          made.value().start(std::ref(handler)).value();
                          peer::say("ready");
                          peer::hear();
                          return 0;
                        }};
