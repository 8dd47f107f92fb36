// The two ends of the fault run, and servers that are to be killed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "bridge/record.hpp"
#include "peer/role.hpp"

using namespace bridge_test;
using namespace shared_channel;
using namespace std::chrono_literals;

namespace {

std::int64_t steady() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

class Asker {
 public:
  Asker(const std::string& channel, const std::string& journal, std::uint64_t first)
      : client_(channel), journal_(journal), next_(first) {}

  void call() {
    const std::uint64_t id = next_.fetch_add(1);
    // Most have plenty of time; some are in haste, and some of the handlers take as long as that.
    const auto timeout = id % 4 == 1 ? 8ms : 400ms;
    Job job{};
    job.id = id;
    job.nap_in_microseconds = id % 16 == 2 ? 20'000 : id % 8 == 1 ? 6'000 : 0;
    const auto began = steady();
    job.deadline = began + std::chrono::nanoseconds(timeout).count();
    job.fill();
    Told told{};
    told.id = id;
    const auto answer = id % 3 == 0 ? client_.call_async(job, timeout).get() : client_.call(job, timeout);
    told.overrun = steady() - job.deadline;
    told.end = End::answered;
    if (!answer) {
      told.end = answer.error().not_executed() ? End::never : End::perhaps;
      told.code = static_cast<std::uint32_t>(answer.error().code());
      if (told.end == End::never) std::this_thread::sleep_for(1ms);  // there is nobody, or no room
    } else if (!answer->is_of(id)) {
      told.end = End::wrong;
    }
    const std::lock_guard lock(mutex_);
    journal_.append(told);
  }

 private:
  Jobs::Client client_;
  faults::Journal<Told> journal_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> next_;
};

}  // namespace

// bridge_caller NAME JOURNAL FIRST THREADS: calls until it hears a line, and then says "over".
const peer::Role bridge_caller{"bridge_caller", [](const peer::Arguments& arguments) {
                                 Asker caller(arguments.at(0), arguments.at(1), std::stoull(arguments.at(2)));
                                 std::atomic<bool> is_over{false};
                                 {
                                   std::vector<std::jthread> threads;
                                   for (int i = std::stoi(arguments.at(3)); i > 0; --i) {
                                     threads.emplace_back([&] {
                                       while (!is_over) caller.call();
                                     });
                                   }
                                   peer::hear();
                                   is_over = true;
                                 }
                                 peer::say("over");
                                 return 0;
                               }};

// bridge_server NAME JOURNAL SLOTS: says "ready", and serves until it hears a line.
const peer::Role bridge_server{
    "bridge_server", [](const peer::Arguments& arguments) {
      faults::Journal<Ran> journal(arguments.at(1));
      std::mutex mutex;
      ServerOptions options;
      options.max_calls = static_cast<unsigned>(std::stoul(arguments.at(2)));
      options.threads = 2;
      Jobs::Server server(arguments.at(0), options);
      const auto handler = [&](const Job& job) {
        {
          const std::int64_t began = steady();  // before it waits for another
          const std::lock_guard lock(mutex);
          journal.append({job.id, began - job.deadline, job.is_whole() ? 1 : 0, began});
        }
        std::this_thread::sleep_for(std::chrono::microseconds(std::min(job.nap_in_microseconds, 50'000u)));
        return Done::of(job.id);
      };
      server.start(handler).value();
      peer::say("ready");
      peer::hear();
      return 0;
    }};
