// Factors numbers. Hard ones are answered later by a thread of the server's own, so that they hold up each other only.
// usage: deferred serve [CHANNEL]
//        deferred NUMBER [CHANNEL]
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <queue>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <shared_channel/shared_channel.hpp>

using namespace std::chrono_literals;
using shared_channel::Responder;

using Number = std::uint64_t;
using Factors = std::vector<Number>;
using Factoring = shared_channel::SharedChannel<Number, Factors>;

namespace {

Factors factors_of(Number number) {
  Factors factors;
  for (Number factor = 2; factor <= number / factor; ++factor) {
    for (; number % factor == 0; number /= factor) factors.push_back(factor);
  }
  if (number > 1) factors.push_back(number);
  return factors;
}

/// Answers one call after the other. What is left when it ends is dropped: the callers get handler_failed.
class Worker {
 public:
  void add(Number number, Responder<Factors> responder) {
    {
      const std::lock_guard lock(mutex_);
      calls_.push({number, std::move(responder)});
    }
    came_.notify_one();
  }

 private:
  struct Call {
    Number number;
    Responder<Factors> responder;
  };

  void work(const std::stop_token& stopping) {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!came_.wait(lock, stopping, [&] { return !calls_.empty(); })) return;
      Call call = std::move(calls_.front());
      calls_.pop();
      lock.unlock();
      call.responder.reply(factors_of(call.number));
    }
  }

  std::mutex mutex_;
  std::condition_variable_any came_;
  std::queue<Call> calls_;
  std::jthread thread_{[this](const std::stop_token& stopping) { work(stopping); }};
};

int serve(const std::string& channel) {
  Factoring::Server server(channel);
  Worker worker;
  std::puts("serving");
  std::fflush(stdout);
  const auto end = server.serve([&](Number number, Responder<Factors> responder) {
    if (number < 1'000'000)
      responder.reply(factors_of(number));
    else
      worker.add(number, std::move(responder));
  });
  return end ? 0 : 1;
}

int ask(Number number, const std::string& channel) {
  Factoring::Client client(channel);
  const auto factors = client.call(number, 60s);
  if (!factors) {
    std::fprintf(stderr, "deferred: %s\n", factors.error().message().c_str());
    return 1;
  }
  std::printf("%llu:", static_cast<unsigned long long>(number));
  for (const Number factor : *factors) std::printf(" %llu", static_cast<unsigned long long>(factor));
  std::puts("");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string channel = argc > 2 ? argv[2] : "factoring";
  try {
    return what == "serve" ? serve(channel) : ask(std::stoull(what), channel);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "deferred: %s\nusage: deferred serve|NUMBER [CHANNEL]\n", exception.what());
    return 1;
  }
}
