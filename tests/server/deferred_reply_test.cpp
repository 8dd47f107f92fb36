// A handler may leave the answer to a Responder: each call is answered once, or told why not, whatever becomes of that.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/overdue.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace deferred_reply_test {

using namespace shared_channel;
using namespace test_support;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// Keeps what handlers deferred until the test takes it.
template <class Request, class Reply>
class Counter {
 public:
  struct Call {
    Request request;
    Responder<Reply> responder;
  };

  auto handler() {
    return [this](const Request& request, Responder<Reply> responder) {
      const std::lock_guard lock(mutex_);
      calls_.push_back({request, std::move(responder)});
      came_.notify_one();
    };
  }
  Call take() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, promptly, [&] { return !calls_.empty(); })) throw std::runtime_error("no call came");
    Call call = std::move(calls_.front());
    calls_.erase(calls_.begin());
    return call;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Call> calls_;
};

// A call on a thread of its own.
template <class Channel, class Request>
class Asking {
 public:
  Asking(std::string name, Request request, std::chrono::nanoseconds timeout = amply)
      : thread_([this, name = std::move(name), request, timeout] {
          answer_.emplace(typename Channel::Client(name).call(request, timeout));
        }) {}
  auto answer() {
    thread_.join();
    return *std::move(answer_);
  }

 private:
  using Answer = decltype(std::declval<typename Channel::Client&>().call(std::declval<Request>()));
  std::optional<Answer> answer_;
  std::jthread thread_;
};

using Numbers = SharedChannel<int>;
using Texts = SharedChannel<std::string>;
using AskNumber = Asking<Numbers, int>;
using AskText = Asking<Texts, std::string>;

ServerOptions one_slot() {
  ServerOptions options;
  options.max_calls = 1;
  return options;
}

}  // namespace

TEST_CASE("deferred reply: answered inside the handler") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name);
  CHECK_FALSE(error_of(server.start([](const int& value, Responder<int> responder) { responder.reply(value + 1); })));
  Numbers::Client client(name);
  for (int value = 0; value < 100; ++value) REQUIRE(client.call(value, amply).value() == value + 1);
}

TEST_CASE("deferred reply: answered from another thread after the handler returned") {
  const auto name = unique_name("deferred");
  Texts::Server server(name);
  Counter<std::string, std::string> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  AskText asking(name, "question");
  auto call = counter.take();
  CHECK(call.request == "question");
  std::this_thread::sleep_for(20ms);
  std::thread([&] { call.responder.reply("answer"); }).join();
  CHECK(asking.answer().value() == "answer");
}

TEST_CASE("deferred reply: other calls are answered meanwhile, in any order") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name);
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  AskNumber first(name, 1);
  auto one = counter.take();
  AskNumber second(name, 2);
  auto two = counter.take();
  two.responder.reply(20);
  CHECK(second.answer().value() == 20);
  one.responder.reply(10);
  CHECK(first.answer().value() == 10);
}

TEST_CASE("deferred reply: one that fails tells its caller why") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](int, Responder<int> responder) { responder.fail("not today"); })));
  Numbers::Client client(name);
  const auto answer = client.call(1, amply);
  REQUIRE(error_of(answer) == Errc::handler_failed);
  CHECK_THAT(answer.error().message(), Contains(": not today"));
  CHECK(error_of(client.call(1, amply)) == Errc::handler_failed);
}

TEST_CASE("deferred reply: dropped without an answer") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](int value, Responder<int>&& responder) {
    if (value == 1) Responder<int>(std::move(responder));
  })));
  Numbers::Client client(name);
  CHECK_THAT(client.call(0, amply).error().message(), Contains("dropped the call without an answer"));
  CHECK_THAT(client.call(1, amply).error().message(), Contains("dropped the call without an answer"));
}

TEST_CASE("deferred reply: dropped by another thread") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  AskNumber asking(name, 1);
  (void)counter.take();
  CHECK(error_of(asking.answer()) == Errc::handler_failed);
}

TEST_CASE("deferred reply: only the first answer counts") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](int value, Responder<int> responder) {
    responder.reply(value);
    responder.reply(value + 1);
    responder.fail("too late");
  })));
  Numbers::Client client(name);
  for (int value = 0; value < 100; ++value) REQUIRE(client.call(value, amply).value() == value);
}

TEST_CASE("deferred reply: a moved-from responder has no duty, an assigned one drops its first") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name);
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  AskNumber first(name, 1);
  auto one = counter.take();
  AskNumber second(name, 2);
  auto two = counter.take();
  one.responder = std::move(two.responder);
  CHECK(error_of(first.answer()) == Errc::handler_failed);
  two.responder.reply(5);
  one.responder.reply(6);
  CHECK(second.answer().value() == 6);
}

TEST_CASE("deferred reply: a handler that throws before it answered fails the call with its text") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](int value, Responder<int> responder) {
    const Responder<int> mine = std::move(responder);
    throw std::runtime_error("no " + std::to_string(value));
  })));
  Numbers::Client client(name);
  for (int value = 0; value < 3; ++value) {
    const auto answer = client.call(value, amply);
    REQUIRE(error_of(answer) == Errc::handler_failed);
    CHECK_THAT(answer.error().message(), Contains(": no " + std::to_string(value)));
  }
}

TEST_CASE("deferred reply: a handler that throws after it answered has answered") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](int value, Responder<int> responder) {
    responder.reply(value);
    throw std::runtime_error("too late");
  })));
  Numbers::Client client(name);
  for (int value = 0; value < 100; ++value) REQUIRE(client.call(value, amply).value() == value);
}

TEST_CASE("deferred reply: a handler that throws after it gave its responder away leaves the answer to that") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start([keep = counter.handler()](int value, Responder<int> responder) {
    keep(value, std::move(responder));
    throw std::runtime_error("not mine any more");
  })));
  AskNumber asking(name, 1);
  auto call = counter.take();
  std::this_thread::sleep_for(20ms);
  call.responder.reply(7);
  CHECK(asking.answer().value() == 7);
}

TEST_CASE("deferred reply: a responder dropped in an exception that the handler catches fails the call") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](int, Responder<int> responder) {
    try {
      const Responder<int> mine = std::move(responder);
      throw std::runtime_error("caught");
    } catch (const std::runtime_error&) {
    }
  })));
  Numbers::Client client(name);
  for (int i = 0; i < 3; ++i)
    CHECK_THAT(client.call(1, amply).error().message(), Contains("dropped the call without an answer"));
}

TEST_CASE("deferred reply: a reply that is too long reaches the caller as that") {
  const auto name = unique_name("deferred");
  Texts::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](const std::string& length, Responder<std::string> responder) {
    responder.reply(std::string(std::stoul(length), 'x'));
  })));
  Texts::Client client(name);
  CHECK(client.call("65536", amply).value().size() == 65536);
  const auto answer = client.call("65537", amply);
  REQUIRE(error_of(answer) == Errc::message_too_large);
  CHECK_THAT(answer.error().message(), Contains("the reply has 65537 bytes"));
  CHECK(client.call("5", amply).value() == "xxxxx");
}

namespace {

// Throws as its number asks for; else it is one.
struct Touchy {
  std::int32_t value = 0;
  static constexpr std::int32_t throws_when_read = -1;
  static constexpr std::int32_t throws_when_written = -2;
};

// Another type with a Codec of its own, which the other takes for malformed.
struct Letter {
  char value = 'x';
};

}  // namespace

}  // namespace deferred_reply_test

template <>
struct shared_channel::Codec<deferred_reply_test::Letter> {
  static std::size_t size(const deferred_reply_test::Letter&) { return 1; }
  static void encode(const deferred_reply_test::Letter& letter, std::span<std::byte> out) {
    out[0] = static_cast<std::byte>(letter.value);
  }
  static std::optional<deferred_reply_test::Letter> decode(std::span<const std::byte> in) {
    if (in.size() != 1) return std::nullopt;
    return deferred_reply_test::Letter{static_cast<char>(in[0])};
  }
};
template <>
struct shared_channel::Codec<deferred_reply_test::Touchy> {
  static std::size_t size(const deferred_reply_test::Touchy&) { return sizeof(deferred_reply_test::Touchy); }
  static void encode(const deferred_reply_test::Touchy& value, std::span<std::byte> out) {
    if (value.value == deferred_reply_test::Touchy::throws_when_written) throw std::runtime_error("cannot be written");
    detail::Writer(out).raw(&value, sizeof value);
  }
  static std::optional<deferred_reply_test::Touchy> decode(std::span<const std::byte> in) {
    if (in.size() != sizeof(deferred_reply_test::Touchy)) return std::nullopt;
    const auto value = detail::flat_from<deferred_reply_test::Touchy>(in.data());
    if (value.value == deferred_reply_test::Touchy::throws_when_read) throw std::runtime_error("cannot be read");
    return value;
  }
};

namespace deferred_reply_test {

TEST_CASE("deferred reply: a call that never came to its handler is answered") {
  const auto name = unique_name("deferred");
  SharedChannel<Touchy>::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](const Touchy& value, Responder<Touchy> responder) { responder.reply(value); })));
  SharedChannel<Touchy>::Client client(name);
  const auto answer = client.call({Touchy::throws_when_read}, amply);
  REQUIRE(error_of(answer) == Errc::handler_failed);
  CHECK_THAT(answer.error().message(), Contains("cannot be read"));
  CHECK(client.call({5}, amply).value().value == 5);
  CHECK(error_of(SharedChannel<Letter>::Client(name).call({}, amply)) == Errc::corrupt);
}

TEST_CASE("deferred reply: if the reply cannot be written the call may still be answered") {
  const auto name = unique_name("deferred");
  SharedChannel<Touchy>::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](const Touchy& value, Responder<Touchy> responder) {
    try {
      responder.reply({Touchy::throws_when_written});
    } catch (const std::runtime_error&) {
      if (value.value == 0) throw;
      responder.reply({6});
    }
  })));
  SharedChannel<Touchy>::Client client(name);
  CHECK(client.call({1}, amply).value().value == 6);
  CHECK_THAT(client.call({0}, amply).error().message(), Contains("cannot be written"));
}

TEST_CASE("deferred reply: a large request is the handler's own copy") {
  struct Large {
    std::uint32_t words[4096];
  };
  const auto name = unique_name("deferred");
  SharedChannel<Large, std::uint32_t>::Server server(name, one_slot());
  Counter<Large, std::uint32_t> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  Large large{};
  large.words[4095] = 42;
  Asking<SharedChannel<Large, std::uint32_t>, Large> asking(name, large);
  auto call = counter.take();
  call.responder.reply(call.request.words[4095]);
  CHECK(asking.answer().value() == 42);
}

// ---- who outlives whom ------------------------------------------------------------------------------

TEST_CASE("deferred reply: it outlives the server") {
  const auto name = unique_name("deferred");
  Counter<int, int> counter;
  auto server = std::make_unique<Numbers::Server>(name);
  CHECK_FALSE(error_of(server->start(counter.handler())));
  AskNumber asking(name, 1);
  auto call = counter.take();
  server.reset();
  const auto answer = asking.answer();
  REQUIRE(error_of(answer) == Errc::server_stopped);
  CHECK_FALSE(answer.error().not_executed());
  call.responder.reply(1);
  call.responder.fail("nobody hears this");
}

TEST_CASE("deferred reply: a handler that owns responders is destroyed with the server") {
  const auto name = unique_name("deferred");
  auto kept = std::make_shared<std::vector<Responder<int>>>();
  auto server = std::make_unique<Numbers::Server>(name);
  std::atomic<bool> came = false;
  CHECK_FALSE(error_of(server->start([kept, &came](int, Responder<int> responder) {
    kept->push_back(std::move(responder));
    came = true;
  })));
  kept.reset();
  AskNumber asking(name, 1);
  CHECK(eventually([&] { return came.load(); }));
  server.reset();
  CHECK(error_of(asking.answer()) == Errc::server_stopped);
}

TEST_CASE("deferred reply: after stop() it can still be given") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name);
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  AskNumber asking(name, 1);
  auto call = counter.take();
  server.stop();
  std::this_thread::sleep_for(20ms);
  call.responder.reply(8);
  CHECK(asking.answer().value() == 8);
}

TEST_CASE("deferred reply: a caller that gave up hears nothing, and its slot comes back") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  Numbers::Client impatient(name);
  CHECK(error_of(overdue_call(impatient, 1, 30ms)) == Errc::timed_out);
  CHECK(error_of(Numbers::Client(name).call(2, 30ms)) == Errc::busy);  // the only slot is still the first call's
  auto late = counter.take();
  AskNumber asking(name, 3);
  late.responder.reply(1);
  auto next = counter.take();
  CHECK(next.request == 3);
  next.responder.reply(4);
  CHECK(asking.answer().value() == 4);
}

TEST_CASE("deferred reply: it outlives a caller that was killed") {
  const auto name = unique_name("deferred");
  Channel::Server server(name, one_slot());
  Counter<Ask, Answer> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  Process caller = peer("hang", name);
  auto late = counter.take();
  caller.kill();
  caller.wait();
  late.responder.reply({1, 1});
  Asking<Channel, Ask> asking(name, echo(2));
  counter.take().responder.reply({2, 2});
  CHECK(asking.answer().value().id == 2);
}

#ifdef __linux__
TEST_CASE("deferred reply: a forked child's copies do nothing") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name, one_slot());
  Counter<int, int> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  AskNumber asking(name, 1);
  auto call = counter.take();
  for (const bool drops : {true, false}) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!drops) call.responder.reply(99);
      Responder<int>(std::move(call.responder));
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  call.responder.reply(7);
  CHECK(asking.answer().value() == 7);
}
#endif

TEST_CASE("deferred reply: between processes, from many threads") {
  const auto name = unique_name("deferred");
  ServerOptions options;
  options.max_calls = 3;
  options.threads = 2;
  Channel::Server server(name, options);
  Counter<Ask, Answer> counter;
  CHECK_FALSE(error_of(server.start(counter.handler())));
  std::vector<Process> callers;
  for (const char* first : {"1", "1000", "2000"}) callers.push_back(peer("call", name, "200", first));
  std::vector<std::jthread> answering;
  for (int i = 0; i < 3; ++i) {
    answering.emplace_back([&] {
      for (int call = 0; call < 200; ++call) {
        auto taken = counter.take();
        taken.responder.reply({taken.request.id, 1});
      }
    });
  }
  answering.clear();
  for (auto& caller : callers) CHECK(caller.read_line() == "ok");
}

TEST_CASE("deferred reply: a server that leaves while others answer") {
  for (int round = 0; round < 20; ++round) {
    const auto name = unique_name("deferred");
    Counter<int, int> counter;
    auto server = std::make_unique<Numbers::Server>(name);
    CHECK_FALSE(error_of(server->start(counter.handler())));
    AskNumber asking(name, 1);
    auto call = counter.take();
    std::jthread answering([&] { call.responder.reply(2); });
    server.reset();
    const auto answer = asking.answer();
    if (answer)
      CHECK(*answer == 2);
    else
      CHECK(answer.error().code() == Errc::server_stopped);
  }
}

TEST_CASE("deferred reply: serve_one takes a call and leaves its answer open") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name);
  Counter<int, int> counter;
  auto handler = counter.handler();
  AskNumber asking(name, 1);
  CHECK(server.serve_one(handler, amply).value());
  counter.take().responder.reply(3);
  CHECK(asking.answer().value() == 3);
}

TEST_CASE("deferred reply: the channel may be called while the answer is open, but not inside the handler") {
  const auto name = unique_name("deferred");
  Numbers::Server server(name);
  Counter<int, int> counter;
  std::optional<Errc> inside;
  CHECK_FALSE(error_of(server.start([&, keep = counter.handler()](int value, Responder<int> responder) {
    if (value == 0) return responder.reply(100);
    inside = error_of(Numbers::Client(name).call(0, amply));
    keep(value, std::move(responder));
  })));
  AskNumber asking(name, 1);
  auto call = counter.take();
  CHECK(inside == Errc::would_deadlock);
  call.responder.reply(Numbers::Client(name).call(0, amply).value());
  CHECK(asking.answer().value() == 100);
}

namespace {

// Asks, while it is written, whether somebody else's call is still wanted.
struct Curious {
  std::int32_t value = 0;
  const CallContext* context = nullptr;
};

}  // namespace

}  // namespace deferred_reply_test

template <>
struct shared_channel::Codec<deferred_reply_test::Curious> {
  static std::size_t size(const deferred_reply_test::Curious&) { return sizeof(std::int32_t); }
  static void encode(const deferred_reply_test::Curious& value, std::span<std::byte> out) {
    const std::int32_t number = value.context != nullptr && value.context->cancelled() ? -1 : value.value;
    detail::Writer(out).part(number);
  }
  static std::optional<deferred_reply_test::Curious> decode(std::span<const std::byte> in) {
    const auto number = Codec<std::int32_t>::decode(in);
    return number ? std::optional(deferred_reply_test::Curious{*number}) : std::nullopt;
  }
};

namespace deferred_reply_test {

TEST_CASE("deferred reply: writing one keeps nobody out") {
  const auto name = unique_name("deferred");
  SharedChannel<Curious>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Curious& value, Responder<Curious> responder, const CallContext& context) {
    responder.reply({value.value, &context});
  })));
  CHECK(SharedChannel<Curious>::Client(name).call({5}, amply).value().value == 5);
}

}  // namespace deferred_reply_test
