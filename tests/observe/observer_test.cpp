// A program is told of its own calls.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/task.hpp"
#include "support/time.hpp"

namespace observer_test {

using namespace shared_channel;

// What an observer was told, in a form that outlives the call.
struct Told {
  std::string channel;
  CallRecord call;
};

class Diary {
 public:
  void write(const CallRecord& call) {
    const std::lock_guard lock(mutex_);
    told_.push_back({std::string(call.channel), call});
  }
  std::vector<Told> of(const std::string& channel) const {
    const std::lock_guard lock(mutex_);
    std::vector<Told> found;
    for (const Told& told : told_) {
      if (told.channel == channel) found.push_back(told);
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Told> told_;
};

inline Diary of_clients, of_servers;

// Both ends tell.
struct Number {
  std::int32_t value = 0;
};
using Word = std::variant<Number, std::string, std::vector<Number>>;

// One end tells.
struct ByClient {
  std::int32_t value = 0;
};
struct ByServer {
  std::int32_t value = 0;
};

// Takes its time to tell.
struct Slow {
  std::int32_t value = 0;
};

// No end tells.
struct Unheard {
  std::int32_t value = 0;
};

// Cannot be read by its server.
struct Garbled {
  std::string text;
};

template <class>
struct BothEnds {
  static void client_done(const CallRecord& call) { of_clients.write(call); }
  static void server_done(const CallRecord& call) { of_servers.write(call); }
};

}  // namespace observer_test

namespace shared_channel {

template <>
struct Codec<observer_test::Garbled> {
  static std::string describe() { return "\"garbled\""; }
  static std::size_t size(const observer_test::Garbled& value) { return value.text.size(); }
  static void encode(const observer_test::Garbled& value, std::span<std::byte> bytes) {
    std::memcpy(bytes.data(), value.text.data(), bytes.size());
  }
  static std::optional<observer_test::Garbled> decode(std::span<const std::byte>) { return std::nullopt; }
};

template <>
struct ObserverOf<observer_test::Number> : observer_test::BothEnds<observer_test::Number> {};
template <>
struct ObserverOf<observer_test::Word> : observer_test::BothEnds<observer_test::Word> {};
template <>
struct ObserverOf<observer_test::Garbled> : observer_test::BothEnds<observer_test::Garbled> {};
template <>
struct ObserverOf<observer_test::ByClient> {
  static void client_done(const CallRecord& call) { observer_test::of_clients.write(call); }
};
template <>
struct ObserverOf<observer_test::Slow> {
  static void client_done(const CallRecord& call) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    observer_test::of_clients.write(call);
  }
};
template <>
struct ObserverOf<observer_test::ByServer> {
  static void server_done(const CallRecord& call) { observer_test::of_servers.write(call); }
};

}  // namespace shared_channel

namespace observer_test {

using namespace test_support;
using namespace std::chrono_literals;

namespace {

using Numbers = SharedChannel<Number>;
using Words = SharedChannel<Word, std::string>;

// Waits for as many records, because a server tells after its caller has the answer.
std::vector<Told> told(const Diary& diary, const std::string& channel, std::size_t count) {
  eventually([&] { return diary.of(channel).size() >= count; });
  return diary.of(channel);
}

// The one record of a channel.
CallRecord only(const Diary& diary, const std::string& channel) {
  const auto all = told(diary, channel, 1);
  REQUIRE(all.size() == 1);
  return all[0].call;
}

Number twice(const Number& number) { return {number.value * 2}; }

struct TwiceServer {
  std::string name = unique_name("observer");
  Numbers::Server server{name};
  Numbers::Client client{name};
  TwiceServer() { server.start(twice).value(); }
};

Task await_into(PendingCall<Number> call, std::atomic<bool>& done) {
  static_cast<void>(co_await call);
  done = true;
}

/// Awaits, and notes how many records there are then.
Task await_slow(PendingCall<Slow>& call, const std::string& name, std::atomic<std::size_t>& count) {
  static_cast<void>(co_await call);
  count = of_clients.of(name).size();
}

}  // namespace

TEST_CASE("observer: nothing is left of it where there is none") {
  STATIC_REQUIRE(std::is_empty_v<detail::ClientObserver<Unheard>>);
  STATIC_REQUIRE(std::is_empty_v<detail::ClientObserver<ByServer>>);
  STATIC_REQUIRE(std::is_same_v<detail::ServerObserverOf<Unheard>, detail::NoServerObserver>);
  STATIC_REQUIRE(std::is_same_v<detail::ServerObserverOf<ByClient>, detail::NoServerObserver>);
  STATIC_REQUIRE(std::is_empty_v<detail::NoServerObserver>);
  STATIC_REQUIRE_FALSE(std::is_empty_v<detail::ClientObserver<Number>>);
}

TEST_CASE("observer: both ends tell of an answered call") {
  TwiceServer pair;
  const auto before = std::chrono::steady_clock::now();
  CHECK(pair.client.call({3}, amply).value().value == 6);
  const auto after = std::chrono::steady_clock::now();
  for (const Diary* diary : {&of_clients, &of_servers}) {
    const CallRecord call = only(*diary, pair.name);
    CHECK_FALSE(call.error);
    CHECK(call.began >= before);
    CHECK(call.ended >= call.began);
    CHECK(call.duration() == call.ended - call.began);
    CHECK(call.request_bytes == sizeof(Number));
    CHECK(call.reply_bytes == sizeof(Number));
    CHECK(call.alternative == CallRecord::no_alternative);
  }
  CHECK(only(of_clients, pair.name).ended <= after);
}

TEST_CASE("observer: one end may tell alone") {
  const auto name = unique_name("observer");
  SharedChannel<ByClient>::Server first(name);
  first.start([](ByClient) { return ByClient{}; }).value();
  CHECK(SharedChannel<ByClient>::Client(name).call({}, amply));
  CHECK(only(of_clients, name).reply_bytes == sizeof(ByClient));
  CHECK(of_servers.of(name).empty());

  const auto other = unique_name("observer");
  SharedChannel<ByServer>::Server second(other);
  second.start([](ByServer) { return ByServer{}; }).value();
  CHECK(SharedChannel<ByServer>::Client(other).call({}, amply));
  CHECK(only(of_servers, other).reply_bytes == sizeof(ByServer));
  CHECK(of_clients.of(other).empty());
}

TEST_CASE("observer: a duration is the call's") {
  const auto name = unique_name("observer");
  Numbers::Server server(name);
  server
      .start([](const Number& number) {
        std::this_thread::sleep_for(20ms);
        return number;
      })
      .value();
  CHECK(Numbers::Client(name).call({}, amply));
  CHECK(only(of_clients, name).duration() >= 20ms);
  CHECK(only(of_servers, name).duration() >= 20ms);
}

TEST_CASE("observer: a call without a server was not executed") {
  const auto name = unique_name("observer");
  CHECK(error_of(Numbers::Client(name).call({}, 10ms)) == Errc::no_server);
  const CallRecord call = only(of_clients, name);
  CHECK(call.error == Errc::no_server);
  CHECK(call.not_executed);
  CHECK(call.request_bytes == 0);
  CHECK(call.reply_bytes == 0);
}

TEST_CASE("observer: a handler that fails, and one that passes an error on") {
  const auto name = unique_name("observer");
  Numbers::Server server(name);
  server
      .start([](const Number& number) -> Result<Number> {
        if (number.value == 0) throw std::runtime_error("zero");
        return Error(Errc::busy, "", "too much to do");
      })
      .value();
  Numbers::Client client(name);
  CHECK_FALSE(client.call({0}, amply));
  CHECK_FALSE(client.call({1}, amply));
  for (const Diary* diary : {&of_clients, &of_servers}) {
    const auto all = told(*diary, name, 2);
    REQUIRE(all.size() == 2);
    CHECK(all[0].call.error == Errc::handler_failed);
    CHECK_FALSE(all[0].call.not_executed);
    CHECK(all[1].call.error == Errc::busy);
    CHECK(all[1].call.not_executed);
    CHECK(all[1].call.request_bytes == sizeof(Number));
    CHECK(all[1].call.reply_bytes == 0);
  }
}

TEST_CASE("observer: which alternative, and how many bytes, of messages that vary") {
  const auto name = unique_name("observer");
  Words::Server server(name, {.max_request_bytes = 1000, .max_reply_bytes = 1000});
  server.start([](const Word& word) { return std::string(word.index() + 40, 'x'); }).value();
  Words::Client client(name);
  CHECK(client.call(Number{1}, amply));
  CHECK(client.call(std::string(300, 'a'), amply));
  CHECK(client.call(std::vector<Number>(5), amply));
  for (const Diary* diary : {&of_clients, &of_servers}) {
    const auto all = told(*diary, name, 3);
    REQUIRE(all.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(all[i].call.alternative == i);
      CHECK(all[i].call.reply_bytes == 40 + i);
    }
    CHECK(all[0].call.request_bytes == Codec<Word>::size(Number{}));
    CHECK(all[1].call.request_bytes == Codec<Word>::size(std::string(300, 'a')));
  }
}

TEST_CASE("observer: messages that are too large") {
  const auto name = unique_name("observer");
  Words::Server server(name, {.max_request_bytes = 100, .max_reply_bytes = 100});
  server.start([](const Word&) { return std::string(200, 'x'); }).value();
  Words::Client client(name);
  CHECK(error_of(client.call(std::string(300, 'a'), amply)) == Errc::message_too_large);
  const CallRecord request = only(of_clients, name);
  CHECK(request.error == Errc::message_too_large);
  CHECK(request.not_executed);
  CHECK(request.request_bytes >= 300);
  CHECK(of_servers.of(name).empty());

  CHECK(error_of(client.call(std::string("b"), amply)) == Errc::message_too_large);
  CHECK_FALSE(told(of_clients, name, 2).at(1).call.not_executed);
  const CallRecord reply = only(of_servers, name);
  CHECK(reply.error == Errc::message_too_large);
  CHECK_FALSE(reply.not_executed);
  CHECK(reply.reply_bytes == 200);
}

TEST_CASE("observer: a request that cannot be read") {
  const auto name = unique_name("observer");
  SharedChannel<Garbled, Number>::Server server(name);
  server.start([](const Garbled&) { return Number{}; }).value();
  CHECK(error_of(SharedChannel<Garbled, Number>::Client(name).call({"abc"}, amply)) == Errc::corrupt);
  for (const Diary* diary : {&of_clients, &of_servers}) {
    CHECK(only(*diary, name).error == Errc::corrupt);
    CHECK(only(*diary, name).not_executed);
    CHECK(only(*diary, name).request_bytes == 3);
  }
}

TEST_CASE("observer: calls in place, and calls with a stop token") {
  TwiceServer pair;
  CHECK(pair.client.call_in_place([](Number& number) { number.value = 4; },
                                  [](const Number& number) { CHECK(number.value == 8); }, amply));
  CHECK(only(of_clients, pair.name).request_bytes == sizeof(Number));
  CHECK(only(of_clients, pair.name).reply_bytes == sizeof(Number));
  CHECK_FALSE(only(of_servers, pair.name).error);

  std::stop_source source;
  CHECK(pair.client.call({1}, amply, source.get_token()));
  source.request_stop();
  CHECK(error_of(pair.client.call({1}, amply, source.get_token())) == Errc::cancelled);
  CHECK(error_of(pair.client.call_in_place([](Number&) {}, [](const Number&) {}, amply, source.get_token())) ==
        Errc::cancelled);
  const auto all = told(of_clients, pair.name, 4);
  REQUIRE(all.size() == 4);
  CHECK_FALSE(all[1].call.error);
  CHECK(all[2].call.error == Errc::cancelled);
  CHECK(all[3].call.error == Errc::cancelled);
  CHECK(all[3].call.not_executed);
}

TEST_CASE("observer: asynchronous calls are told of once, in each form") {
  TwiceServer pair;
  std::size_t count = 0;
  const auto one_more = [&] {
    ++count;
    return told(of_clients, pair.name, count).size() == count;
  };

  CHECK(pair.client.call_async({1}, amply).get());
  CHECK(one_more());

  std::atomic<bool> called = false;
  CHECK(pair.client.call_async({2}, amply, [&](Result<Number>) { called = true; }));
  CHECK(eventually([&] { return called.load(); }));
  CHECK(one_more());

  std::atomic<bool> resumed = false;
  await_into(pair.client.call_async({3}, amply), resumed);
  CHECK(eventually([&] { return resumed.load(); }));
  CHECK(one_more());

  auto handled = pair.client.call_async({4}, amply);
  static_cast<void>(handled.native_handle());
  CHECK(eventually([&] { return handled.ready(); }));
  CHECK(one_more());  // before anybody takes the answer
  CHECK(handled.get());

  for (const Told& each : of_clients.of(pair.name)) {
    CHECK_FALSE(each.call.error);
    CHECK(each.call.request_bytes == sizeof(Number));
    CHECK(each.call.reply_bytes == sizeof(Number));
    CHECK(each.call.ended >= each.call.began);
  }
  CHECK(told(of_clients, pair.name, count).size() == count);
}

TEST_CASE("observer: it is told before the answer is handed over, whoever finds the end") {
  const auto name = unique_name("observer");
  std::atomic<bool> answers{true};
  std::vector<Responder<Slow>> kept;
  SharedChannel<Slow>::Server server(name);
  server
      .start([&](Slow slow, Responder<Slow> responder) {
        if (answers)
          responder.reply(slow);
        else
          kept.push_back(std::move(responder));
      })
      .value();
  SharedChannel<Slow>::Client client(name);
  const auto count = [&] { return of_clients.of(name).size(); };

  auto handled = client.call_async({1}, amply);
  static_cast<void>(handled.native_handle());
  CHECK(handled.get());
  CHECK(count() == 1);

  auto looked = client.call_async({2}, amply);
  static_cast<void>(looked.native_handle());
  while (!looked.ready()) std::this_thread::yield();
  CHECK(count() == 2);

  std::atomic<std::size_t> seen{0};
  CHECK(client.call_async({3}, amply, [&](Result<Slow>) { seen = count(); }));
  CHECK(eventually([&] { return seen != 0; }));
  CHECK(seen == 3);

  answers = false;
  std::stop_source source;
  seen = 0;
  CHECK(client.call_async(
      {4}, amply, [&](Result<Slow>) { seen = count(); }, source.get_token()));
  source.request_stop();
  CHECK(eventually([&] { return seen != 0; }));
  CHECK(seen == 4);

  auto awaited = client.call_async({5}, amply);
  seen = 0;
  await_slow(awaited, name, seen);
  awaited.cancel();
  CHECK(eventually([&] { return seen != 0; }));
  CHECK(seen == 5);
  server.stop();
}

TEST_CASE("observer: asynchronous calls that end otherwise") {
  const auto name = unique_name("observer");
  {
    Numbers::Client nobody(name);
    CHECK_FALSE(nobody.call_async({1}, 10ms).get());
    CHECK(error_of(nobody.call_async({1}, 10ms, [](Result<Number>) {})) == Errc::no_server);
  }
  std::vector<Responder<Number>> kept;
  std::mutex mutex;
  Numbers::Server server(name);
  server
      .start([&](Number, Responder<Number> responder) {
        const std::lock_guard lock(mutex);
        kept.push_back(std::move(responder));
      })
      .value();
  Numbers::Client client(name);
  auto late = client.call_async({2}, 1ms);
  CHECK(error_of(late.get()) == Errc::timed_out);
  { const auto dropped = client.call_async({3}, amply); }
  auto cancelled = client.call_async({4}, amply);
  cancelled.cancel();

  const auto all = told(of_clients, name, 5);
  REQUIRE(all.size() == 5);
  CHECK(all[0].call.error == Errc::no_server);
  CHECK(all[1].call.error == Errc::no_server);
  CHECK(all[2].call.error == Errc::timed_out);
  CHECK(all[3].call.error == Errc::cancelled);
  CHECK(all[4].call.error == Errc::cancelled);
  CHECK(all[2].call.request_bytes == sizeof(Number));
  CHECK(all[4].call.reply_bytes == 0);
}

TEST_CASE("observer: an orphan of its client is told of") {
  const auto name = unique_name("observer");
  std::vector<Responder<Number>> kept;
  Numbers::Server server(name);
  server.start([&](Number, Responder<Number> responder) { kept.push_back(std::move(responder)); }).value();
  {
    Numbers::Client client(name);
    CHECK(client.call_async({1}, amply, [](Result<Number>) {}));
  }
  CHECK(only(of_clients, name).error == Errc::timed_out);
  server.stop();
}

TEST_CASE("observer: deferred answers are told of when they are given") {
  const auto name = unique_name("observer");
  std::vector<std::thread> threads;  // its server's alone, until that has ended
  std::optional<Words::Server> server(name);
  server
      ->start([&](const Word& word, Responder<std::string> responder) {
        threads.emplace_back([which = word.index(), responder = std::move(responder)]() mutable {
          std::this_thread::sleep_for(10ms);
          if (which == 0) return responder.reply("ten bytes!");
          if (which == 1) return responder.fail("no");
          responder.fail(Error(Errc::busy, "", "later"));
        });
      })
      .value();
  Words::Client client(name);
  // Each thread tells of its answer after that has been given: only then may the next one answer.
  CHECK(client.call(Number{}, amply));
  REQUIRE(told(of_servers, name, 1).size() == 1);
  CHECK_FALSE(client.call(std::string(), amply));
  REQUIRE(told(of_servers, name, 2).size() == 2);
  CHECK_FALSE(client.call(std::vector<Number>(), amply));
  for (const Diary* diary : {&of_clients, &of_servers}) {
    const auto all = told(*diary, name, 3);
    REQUIRE(all.size() == 3);
    CHECK_FALSE(all[0].call.error);
    CHECK(all[0].call.reply_bytes == 10);
    CHECK(all[0].call.duration() >= 10ms);
    CHECK(all[1].call.error == Errc::handler_failed);
    CHECK(all[2].call.error == Errc::busy);
    CHECK(all[2].call.not_executed);
    for (std::size_t i = 0; i < 3; ++i) CHECK(all[i].call.alternative == i);
  }
  server.reset();
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("observer: a responder that is dropped has failed") {
  const auto name = unique_name("observer");
  Numbers::Server server(name);
  server.start([](const Number&, Responder<Number>) {}).value();
  CHECK(error_of(Numbers::Client(name).call({}, amply)) == Errc::handler_failed);
  CHECK(only(of_servers, name).error == Errc::handler_failed);
}

TEST_CASE("observer: many threads, and not one call too many or too few") {
  constexpr int threads_count = 4, calls = 500;
  const auto name = unique_name("observer");
  Numbers::Server server(name, {.threads = 2});
  server.start(twice).value();
  Numbers::Client client(name);
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < calls; ++call) static_cast<void>(client.call({call}, amply));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::size_t count = std::size_t{threads_count} * calls;
  CHECK(told(of_servers, name, count).size() == count);
  CHECK(told(of_clients, name, count).size() == count);
}

}  // namespace observer_test
