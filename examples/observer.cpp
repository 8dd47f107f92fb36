// Metrics of a program's own calls: a histogram of durations for each method and each end, and a log line for each call
// that failed.
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>

// ---- what a header of the service would hold: the messages, and right after them their observer ----

struct Add {
  std::int32_t a, b;
};
struct Nap {
  std::int32_t milliseconds;
};
using Request = std::variant<Add, Nap>;
using Service = shared_channel::SharedChannel<Request, std::int32_t>;

/// How often a duration was in each power of two of microseconds. Lock-free: the observer runs in every call.
class Histogram {
 public:
  void count(std::chrono::nanoseconds duration) {
    const auto microseconds = static_cast<std::uint64_t>(duration.count() / 1000);
    const auto bucket = static_cast<std::size_t>(std::bit_width(microseconds));
    ++buckets_[bucket < buckets_.size() ? bucket : buckets_.size() - 1];
  }
  void print(const char* title) const {
    std::printf("%s\n", title);
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
      if (const auto calls = buckets_[bucket].load(); calls != 0)
        std::printf("  below %7llu us %6llu\n", 1ULL << bucket, static_cast<unsigned long long>(calls));
    }
  }
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& bucket : buckets_) sum += bucket;
    return sum;
  }

 private:
  std::array<std::atomic<std::uint64_t>, 24> buckets_{};
};

/// One for each alternative of Request.
inline std::array<Histogram, std::variant_size_v<Request>> of_client, of_server;

template <>
struct shared_channel::ObserverOf<Request> {
  static void client_done(const CallRecord& call) {
    if (call.alternative < of_client.size()) of_client[call.alternative].count(call.duration());
    if (call.error) {
      std::printf("log: %.*s: %.*s after %lld ms, %s\n", static_cast<int>(call.channel.size()), call.channel.data(),
                  static_cast<int>(to_string(*call.error).size()), to_string(*call.error).data(),
                  static_cast<long long>(call.duration() / std::chrono::milliseconds(1)),
                  call.not_executed ? "not executed" : "perhaps executed");
    }
  }
  static void server_done(const CallRecord& call) {
    if (call.alternative < of_server.size()) of_server[call.alternative].count(call.duration());
  }
};

// ---- a program that uses it, server and client in one ----

struct Handler {
  std::int32_t operator()(const Add& add) const { return add.a + add.b; }
  std::int32_t operator()(const Nap& nap) const {
    if (nap.milliseconds < 0) throw std::invalid_argument("nobody sleeps backwards");
    std::this_thread::sleep_for(std::chrono::milliseconds(nap.milliseconds));
    return 0;
  }
};

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const char* name = argc > 1 ? argv[1] : "observer";
  {
    Service::Server server(name);
    server.start([](const Request& request) { return std::visit(Handler(), request); }).value();
    Service::Client client(name);
    for (std::int32_t i = 0; i < 1000; ++i) static_cast<void>(client.call(Add{i, 1}, 30s));
    static_cast<void>(client.call(Nap{20}, 30s));
    static_cast<void>(client.call(Nap{-20}, 30s));
  }
  static_cast<void>(Service::Client(name).call(Add{2, 3}));

  of_client[0].print("add, as its callers saw it");
  of_client[1].print("nap, as its callers saw it");
  of_server[0].print("add, in the handler");
  of_server[1].print("nap, in the handler");
  const bool complete = of_client[0].total() == 1001 && of_client[1].total() == 2 && of_server[0].total() == 1000 &&
                        of_server[1].total() == 2;
  std::puts(complete ? "every call was told of once" : "calls are missing");
  return complete ? 0 : 1;
}
