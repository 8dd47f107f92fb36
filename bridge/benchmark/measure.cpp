// Round trips of a call that is answered with its own bytes: over NATS alone, and over a channel (that is bridged or
// not). usage: measure answer-nats URL | measure ask-nats URL BYTES | measure answer NAME BYTES CALLS | measure ask
// NAME BYTES Those that ask print one line: p50 and p99 in microseconds, calls one after the other a second, calls with
// 64 in flight a second.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include <nats/nats.h>

#include <shared_channel/raw.hpp>

namespace {

using namespace shared_channel;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* subject = "shared_channel.measure";
constexpr std::size_t in_flight = 64;
constexpr auto each_for = 1s;

void must(bool is_good, const std::string& what) {
  if (!is_good) throw std::runtime_error(what);
}
void must(natsStatus status) { must(status == NATS_OK, natsStatus_GetText(status)); }

struct Figures {
  double p50, p99, one_by_one, many;
  void print() const { std::printf("%.1f %.1f %.0f %.0f\n", p50, p99, one_by_one, many); }
};

template <class Call>
void measure_latency(Figures& figures, Call&& call) {
  for (int i = 0; i < 50; ++i) call();
  std::vector<double> times;
  const auto began = Clock::now();
  while (Clock::now() - began < each_for) {
    const auto before = Clock::now();
    call();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  std::sort(times.begin(), times.end());
  figures.p50 = times[times.size() / 2];
  figures.p99 = times[times.size() * 99 / 100];
  figures.one_by_one = static_cast<double>(times.size()) / std::chrono::duration<double>(each_for).count();
}

natsConnection* connect(const char* url) {
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  must(natsOptions_Create(&options));
  must(natsOptions_SetURL(options, url));
  must(natsOptions_SetSendAsap(options, true));  // as the bridge; else a publisher waits up to a millisecond
  must(natsConnection_Connect(&connection, options));
  natsOptions_Destroy(options);
  return connection;
}

int answer_nats(const char* url) {
  natsConnection* const connection = connect(url);
  const auto answer = [](natsConnection* nats, natsSubscription*, natsMsg* message, void*) {
    natsConnection_Publish(nats, natsMsg_GetReply(message), natsMsg_GetData(message), natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
  };
  natsSubscription* subscription = nullptr;
  must(natsConnection_QueueSubscribe(&subscription, connection, subject, "group", answer, nullptr));
  must(natsConnection_Flush(connection));
  for (;;) ::pause();
}

/// Counts answers in flight.
struct Window {
  std::mutex mutex;
  std::condition_variable came;
  std::size_t open = 0, done = 0;
};

int ask_nats(const char* url, std::size_t bytes) {
  natsConnection* const connection = connect(url);
  const std::vector<char> request(bytes, 'x');
  const int size = static_cast<int>(bytes);
  Figures figures{};
  measure_latency(figures, [&] {
    natsMsg* reply = nullptr;
    must(natsConnection_Request(&reply, connection, subject, request.data(), size, 5000));
    natsMsg_Destroy(reply);
  });
  Window window;
  const auto count = [](natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
    natsMsg_Destroy(message);
    auto& all = *static_cast<Window*>(closure);
    const std::lock_guard lock(all.mutex);
    --all.open;
    ++all.done;
    all.came.notify_one();
  };
  natsSubscription* subscription = nullptr;
  must(natsConnection_Subscribe(&subscription, connection, "shared_channel.measured", count, &window));
  const auto began = Clock::now();
  while (Clock::now() - began < each_for) {
    {
      std::unique_lock lock(window.mutex);
      window.came.wait(lock, [&] { return window.open < in_flight; });
      ++window.open;
    }
    must(natsConnection_PublishRequest(connection, subject, "shared_channel.measured", request.data(), size));
  }
  std::unique_lock lock(window.mutex);
  figures.many = static_cast<double>(window.done) / std::chrono::duration<double>(each_for).count();
  window.came.wait(lock, [&] { return window.open == 0; });
  figures.print();
  std::fflush(stdout);
  std::_Exit(0);  // the library's threads may still be on their way out
}

int answer(const char* name, std::size_t bytes, unsigned calls) {
  ChannelShape shape;
  shape.request.size = shape.reply.size = static_cast<std::uint32_t>(bytes);
  ServerOptions options;
  options.max_calls = calls;
  auto server = RawServer::create(name, shape, options).value();
  const auto echo = [](std::span<const std::byte> request, std::span<std::byte> reply) {
    std::memcpy(reply.data(), request.data(), request.size());
    return request.size();
  };
  server.serve(echo).value();
  return 0;
}

int ask(const char* name, std::size_t bytes) {
  auto client = RawClient::create(name).value();
  client.wait_for_server(10s).value();
  const std::vector<std::byte> request(bytes);
  std::vector<std::byte> reply(bytes);
  Figures figures{};
  measure_latency(figures, [&] { must(client.call(request, reply, 5s).value() == bytes, "a short reply"); });
  std::deque<RawPendingCall> window;
  std::size_t done = 0;
  const auto began = Clock::now();
  while (Clock::now() - began < each_for) {
    while (window.size() < in_flight) window.push_back(client.call_async(request, 5s));
    must(window.front().get().value().bytes().size() == bytes, "a short reply");
    window.pop_front();
    ++done;
  }
  figures.many = static_cast<double>(done) / std::chrono::duration<double>(each_for).count();
  figures.print();
  return 0;
}

int run(const std::vector<std::string>& words) {
  const auto word = [&](std::size_t at) { return words.at(at).c_str(); };
  if (words.at(0) == "answer-nats") return answer_nats(word(1));
  if (words.at(0) == "ask-nats") return ask_nats(word(1), std::stoul(words.at(2)));
  if (words.at(0) == "answer")
    return answer(word(1), std::stoul(words.at(2)), static_cast<unsigned>(std::stoul(words.at(3))));
  if (words.at(0) == "ask") return ask(word(1), std::stoul(words.at(2)));
  throw std::runtime_error("what shall be measured?");
}

}  // namespace

int main(int argc, char** argv) try { return run({argv + 1, argv + argc}); } catch (const std::exception& error) {
  std::fprintf(stderr, "measure: %s\n", error.what());
  return 1;
}
