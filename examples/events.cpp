// Tells clients what happens: each asks for news, and the server keeps the question until there is some.
// usage: events serve [CHANNEL]      publishes the lines that it reads
//        events listen [CHANNEL]     prints what is published, also by the next server
//        events measure [CLIENTS]    how long it takes from publish() to each of the clients
//        events                      shows it all in one program
#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using shared_channel::CallContext;
using shared_channel::Errc;
using shared_channel::Responder;

/// What a listener has seen, and what it gets. The numbers are of one server: `server` tells them apart.
struct Seen {
  std::uint64_t server = 0;
  std::uint64_t number = 0;
};
struct News {
  Seen seen;
  std::string text;
};
using Events = shared_channel::SharedChannel<Seen, News>;

namespace {

/// The latest news, and the listeners that wait for the next. Thread-safe.
class Board {
 public:
  /// The handler. Who has not seen the latest news gets it at once: who came late, who was slow, and who knows another
  /// server's. The others wait: each keeps one of the channel's slots meanwhile.
  void ask(Seen seen, Responder<News> responder, const CallContext& call) {
    const std::lock_guard lock(mutex_);
    if (latest_.seen.number != 0 && (seen.server != latest_.seen.server || seen.number != latest_.seen.number))
      responder.reply(latest_);
    else
      waiting_.push_back({std::move(responder), call});
  }

  void publish(std::string text) {
    std::vector<Waiting> told;
    const std::lock_guard lock(mutex_);
    ++latest_.seen.number;
    latest_.text = std::move(text);
    told.swap(waiting_);
    for (Waiting& listener : told) listener.responder.reply(latest_);
  }

  /// Frees the slots of listeners that died or whose time ran out.
  void forget_gone() {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [](const Waiting& listener) { return listener.call.cancelled(); });
  }

  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  struct Waiting {
    Responder<News> responder;
    CallContext call;
  };

  static std::uint64_t new_server() {
    return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  }

  std::mutex mutex_;
  News latest_{{new_server(), 0}, {}};
  std::vector<Waiting> waiting_;
};

/// A server with its board, on a thread of its own.
class Station {
 public:
  explicit Station(const std::string& channel, unsigned most_listeners = 256)
      : server_(channel, {.max_calls = most_listeners, .max_reply_bytes = 1024}), thread_([this] { serve(); }) {}
  ~Station() {
    ends_ = true;
    server_.stop();
    thread_.join();
  }
  Board board;

 private:
  void serve() {
    const auto handler = [this](Seen seen, Responder<News> responder, const CallContext& call) {
      board.ask(seen, std::move(responder), call);
    };
    auto next_look = std::chrono::steady_clock::now() + 1s;
    while (!ends_ && server_.serve_one(handler, 1s)) {
      if (std::chrono::steady_clock::now() < next_look) continue;
      next_look = std::chrono::steady_clock::now() + 1s;
      board.forget_gone();
    }
  }

  Events::Server server_;
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

/// Nothing happened in that time, or the server went and may come again: ask again. It does no harm to ask twice.
bool is_worth_asking_again(Errc code) {
  return code == Errc::timed_out || code == Errc::busy || code == Errc::no_server || code == Errc::server_stopped ||
         code == Errc::server_died;
}

/// Calls `hear` with each piece of news until it returns false. A listener that is slow misses what is not the latest,
/// and can tell so by the numbers; who must miss nothing asks the board for all since the number it has seen.
template <class Hear>
void listen(const std::string& channel, Hear&& hear) {
  Events::Client client(channel, {.wait_for_server = true});
  Seen seen;
  for (;;) {
    const auto news = client.call(seen, 10s);
    if (news) {
      seen = news->seen;
      if (!hear(*news)) return;
    } else if (!is_worth_asking_again(news.error().code())) {
      std::printf("%s\n", news.error().message().c_str());
      return;
    }
  }
}

int serve(const std::string& channel) {
  Station station(channel);
  for (std::string line; std::getline(std::cin, line);) station.board.publish(line);
  return 0;
}

int print(const std::string& channel) {
  listen(channel, [](const News& news) {
    std::printf("%s %s\n", std::to_string(news.seen.number).c_str(), news.text.c_str());
    return std::fflush(stdout) == 0;
  });
  return 1;
}

int measure(const std::string& channel, unsigned clients) {
  constexpr int rounds = 200;
  using Clock = std::chrono::steady_clock;
  Station station(channel, clients);
  std::atomic<Clock::rep> published{0};
  std::vector<std::vector<double>> delays(clients);
  std::vector<std::thread> listeners;
  for (unsigned i = 0; i < clients; ++i) {
    listeners.emplace_back([&, i] {
      listen(channel, [&](const News& news) {
        const std::chrono::duration<double, std::micro> delay(Clock::now() -
                                                              Clock::time_point(Clock::duration(published)));
        delays[i].push_back(delay.count());
        return news.text != "end";
      });
    });
  }
  for (int round = 0; round <= rounds; ++round) {
    while (station.board.waiting() != clients) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(2ms);  // until they sleep
    published = Clock::now().time_since_epoch().count();
    station.board.publish(round < rounds ? "news" : "end");
  }
  for (std::thread& listener : listeners) listener.join();
  std::vector<double> last(rounds), all;
  for (const auto& delay : delays) {
    for (int round = 0; round < rounds; ++round) last[round] = std::max(last[round], delay[round]);
    all.insert(all.end(), delay.begin(), delay.begin() + rounds);
  }
  std::sort(all.begin(), all.end());
  std::sort(last.begin(), last.end());
  std::printf("%u clients that sleep: news after %.0f us (p50), the last of them after %.0f us (p50), %.0f us (p99)\n",
              clients, all[all.size() / 2], last[last.size() / 2], last[last.size() * 99 / 100]);
  return 0;
}

/// Late and slow listeners and a server that is started again, in one program.
int show(const std::string& channel) {
  auto station = std::make_unique<Station>(channel);
  std::atomic<int> heard{0};
  const auto hears = [&heard](int count) {
    while (heard < count) std::this_thread::sleep_for(1ms);
  };
  const auto told = [&heard](const char* who, const News& news) {
    std::printf("%s: %s\n", who, news.text.c_str());
    ++heard;
    return news.text != "good night";
  };
  std::thread early([&] { listen(channel, [&](const News& news) { return told("early", news); }); });
  while (station->board.waiting() != 1) std::this_thread::sleep_for(1ms);
  station->board.publish("good morning");
  hears(1);
  std::thread late([&] { listen(channel, [&](const News& news) { return told("late", news); }); });
  hears(2);  // the latest news, although nothing has happened since
  {
    Events::Client impatient(channel);
    while (station->board.waiting() != 2) std::this_thread::sleep_for(1ms);
    const auto news = impatient.call(impatient.call({}, 10s).value().seen, 1ms);
    std::printf("impatient: %s\n", news ? "news" : std::string(to_string(news.error().code())).c_str());
  }
  while (station->board.waiting() != 2) station->board.forget_gone();
  std::printf("its slot is free\n");

  station.reset();
  station = std::make_unique<Station>(channel);
  station->board.publish("good night");  // both ask again by themselves, and this is number 1 once more
  early.join();
  late.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string mark = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  if (what == "serve") return serve(argc > 2 ? argv[2] : "events");
  if (what == "listen") return print(argc > 2 ? argv[2] : "events");
  if (what == "measure") return measure("events." + mark, argc > 2 ? static_cast<unsigned>(std::stoul(argv[2])) : 16);
  return show("events." + mark);
}
