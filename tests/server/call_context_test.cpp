// What a handler learns about its call: until when, for whom, and whether anybody still wants the answer.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <future>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/overdue.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

#ifndef _WIN32
#include <unistd.h>
#endif

namespace call_context_test {

using namespace shared_channel;
using namespace test_support;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

using Numbers = SharedChannel<int>;

namespace {

// A deadline as the handler sees it may be later than the caller's by what the caller spins before it reads the clock.
constexpr auto slack = 5ms;

// Serves until the first call, and hands out its context.
template <class Channel>
CallContext context_of_one_call(typename Channel::Server& server) {
  std::optional<CallContext> seen;
  const auto handler = [&](const auto&, auto&, const CallContext& context) { seen = context; };
  if (!server.serve_one(handler, amply).value()) throw std::runtime_error("no call came");
  return *seen;
}

// The first slot, as the caller writes it.
class FirstSlot {
 public:
  explicit FirstSlot(const std::string& name)
      : names_(detail::Names::make(name, Scope::session).value()),
        generation_(detail::platform::ServerLease::current_generation(names_).value().generation),
        segment_(detail::platform::Mapping::open(names_, names_.segment(generation_)).value()) {}

  // Waits until the caller has stated its deadline, once and for all.
  detail::LongWord& stated_deadline() const {
    auto& slot = *reinterpret_cast<detail::Slot*>(segment_.data() + sizeof(detail::Header));
    while (slot.deadline == 0) std::this_thread::sleep_for(1ms);
    return slot.deadline;
  }

 private:
  detail::Names names_;
  std::uint64_t generation_;
  detail::platform::Mapping segment_;
};

bool between(Clock::time_point low, Clock::time_point value, Clock::time_point high) {
  return low <= value && value <= high;
}

// A message that takes long to encode.
struct Slow {
  static inline std::atomic<Clock::time_point> encoding;
};

}  // namespace

}  // namespace call_context_test

template <>
struct shared_channel::Codec<call_context_test::Slow> {
  static std::size_t size(const call_context_test::Slow&) { return 0; }
  static void encode(const call_context_test::Slow&, std::span<std::byte>) {
    call_context_test::Slow::encoding = call_context_test::Clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  static std::optional<call_context_test::Slow> decode(std::span<const std::byte>) { return call_context_test::Slow{}; }
};

namespace call_context_test {

TEST_CASE("call context: every form of handler may take one") {
  const auto calls = [](auto& server, auto&& handler) {
    CHECK_FALSE(error_of(server.start(std::forward<decltype(handler)>(handler))));
  };
  const auto slot_of_call = [](const std::string& name) { return Numbers::Client(name).call(7, amply).value(); };
  const auto name = unique_name("context");
  {
    Numbers::Server server(name);
    calls(server,
          [](const int& value, const CallContext& context) { return value + static_cast<int>(context.slot()); });
    CHECK(slot_of_call(name) == 7);
  }
  {
    Numbers::Server server(name);
    calls(server, [](int value, const CallContext& context) { return value + static_cast<int>(context.slot()); });
    CHECK(slot_of_call(name) == 7);
  }
  {
    Numbers::Server server(name);
    calls(server, [](const int& value, int& reply, const CallContext& context) {
      reply = value + static_cast<int>(context.slot());
    });
    CHECK(slot_of_call(name) == 7);
  }
  {
    Numbers::Server server(name);
    calls(server, [](int& value, const CallContext& context) { value += static_cast<int>(context.slot()); });
    CHECK(slot_of_call(name) == 7);
  }
  {
    Numbers::Server server(name);
    calls(server, [](const int& value, Responder<int> responder, const CallContext& context) {
      responder.reply(value + static_cast<int>(context.slot()));
    });
    CHECK(slot_of_call(name) == 7);
  }
  {
    SharedChannel<std::string>::Server server(name);
    calls(server,
          [](const std::string& text, const CallContext& context) { return text + std::to_string(context.slot()); });
    CHECK(SharedChannel<std::string>::Client(name).call("slot ", amply).value() == "slot 0");
  }
  {
    SharedChannel<Bytes>::Server server(name);
    calls(server, [](std::span<const std::byte>, std::span<std::byte> reply, const CallContext& context) {
      reply[0] = static_cast<std::byte>(context.slot() + 1);
      return std::size_t{1};
    });
    std::byte got{};
    SharedChannel<Bytes>::Client client(name);
    CHECK_FALSE(error_of(client.call_in_place([](std::span<std::byte>) { return std::size_t{0}; },
                                              [&](std::span<const std::byte> reply) { got = reply[0]; }, amply)));
    CHECK(got == std::byte{1});
  }
}

TEST_CASE("call context: the deadline is the caller's") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  Numbers::Client client(name);
  for (const auto timeout : {5000ms, 60000ms, 86'400'000ms}) {
    Clock::time_point before, after;
    std::jthread asking([&] {
      before = Clock::now();
      (void)client.call(1, timeout);
      after = Clock::now();
    });
    const CallContext context = context_of_one_call<Numbers>(server);
    asking.join();
    CHECK(between(before + timeout, context.deadline(), after + timeout + slack));
  }
}

TEST_CASE("call context: a deadline that another process states is never later than its timeout from now on") {
  const auto name = unique_name("context");
  ServerOptions one;
  one.max_calls = 1;
  Numbers::Server server(name, one);
  Numbers::Client client(name);
  std::jthread asking([&] { (void)client.call(1, amply); });
  const FirstSlot slot(name);
  slot.stated_deadline() = static_cast<std::uint64_t>((Clock::now() + 24h).time_since_epoch().count());
  const CallContext context = context_of_one_call<Numbers>(server);
  CHECK(context.deadline() <= Clock::now() + amply);
}

TEST_CASE("call context: time spent behind other calls counts") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  const WaitPolicy policy = GENERATE(WaitPolicy{}, WaitPolicy::sleep(), WaitPolicy::spin_only());
  ClientOptions options;
  options.wait = policy;
  Numbers::Client client(name, options);
  CHECK_FALSE(error_of(client.wait_for_server(amply)));  // so that the call itself does not look at the clock
  const auto before = Clock::now();
  std::jthread asking([&] { (void)client.call(1, amply); });
  (void)FirstSlot(name).stated_deadline();
  const auto stated = Clock::now();
  std::this_thread::sleep_for(100ms);  // nobody serves
  const CallContext context = context_of_one_call<Numbers>(server);
  asking.join();
  CHECK(between(before + amply, context.deadline(), stated + amply));
}

TEST_CASE("call context: a call that waits indefinitely has no deadline") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  Numbers::Client client(name);
  std::jthread asking([&] { (void)client.call(1, std::chrono::nanoseconds::max()); });
  const CallContext context = context_of_one_call<Numbers>(server);
  CHECK(context.deadline() == Clock::time_point::max());
  CHECK(context.deadline() - Clock::now() > 0ns);
}

TEST_CASE("call context: what is filled in place counts against the deadline") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  Numbers::Client client(name);
  const auto before = Clock::now();
  Clock::time_point filling;
  std::jthread asking([&] {
    const auto slowly = [&](int& value) {
      filling = Clock::now();
      std::this_thread::sleep_for(100ms);
      value = 1;
    };
    (void)client.call_in_place(
        slowly, [](const int&) {}, amply);
  });
  const CallContext context = context_of_one_call<Numbers>(server);
  asking.join();
  CHECK(between(before + amply, context.deadline(), filling + amply));
}

TEST_CASE("call context: what encoding takes counts against the deadline") {
  const auto name = unique_name("context");
  using Coded = SharedChannel<Slow, int>;
  Coded::Server server(name);
  Coded::Client client(name);
  const auto before = Clock::now();
  std::jthread asking([&] { (void)client.call(Slow{}, amply); });
  const CallContext context = context_of_one_call<Coded>(server);
  asking.join();
  CHECK(between(before + amply, context.deadline(), Slow::encoding.load() + amply));
}

TEST_CASE("call context: not cancelled while the caller waits, and afterwards") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  Numbers::Client client(name);
  std::atomic<bool> cancelled{true};
  std::promise<CallContext> kept;
  std::atomic<int> calls{0};
  CHECK_FALSE(error_of(server.start([&](int value, const CallContext& context) {
    cancelled = context.cancelled();
    if (++calls == 1) kept.set_value(context);
    return value;
  })));
  CHECK(client.call(1, amply).value() == 1);
  CHECK_FALSE(cancelled);
  const CallContext first = kept.get_future().get();
  CHECK(first.cancelled());  // answered: nobody waits any more
  CHECK(client.call(1, amply).value() == 1);
  CHECK_FALSE(cancelled);
  CHECK(first.cancelled());  // the slot is another call's by now
}

TEST_CASE("call context: cancelled when the caller gives up") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  std::atomic<bool> stopped = false;
  CHECK_FALSE(error_of(server.start([&](int value, const CallContext& context) {
    while (!context.cancelled()) std::this_thread::sleep_for(1ms);
    stopped = true;
    return value;
  })));
  Numbers::Client client(name);
  const Stopwatch watch;
  CHECK(error_of(overdue_call(client, 1, 50ms)) == Errc::timed_out);
  CHECK(eventually([&] { return stopped.load(); }));
  CHECK(watch.elapsed() >= 50ms);
}

TEST_CASE("call context: cancelled when the caller is killed") {
  const auto name = unique_name("context");
  Channel::Server server(name);
  std::atomic<bool> taken = false;
  std::atomic<bool> stopped = false;
  CHECK_FALSE(error_of(server.start([&](const Ask& ask, const CallContext& context) {
    taken = true;
    while (!context.cancelled()) std::this_thread::sleep_for(1ms);
    stopped = true;
    return Answer{ask.id, 1};
  })));
  Process caller = peer("hang", name);
  CHECK(eventually([&] { return taken.load(); }));
  std::this_thread::sleep_for(20ms);
  CHECK_FALSE(stopped);
  caller.kill();
  CHECK(eventually([&] { return stopped.load(); }));
}

TEST_CASE("call context: who calls") {
  const auto name = unique_name("context");
  Channel::Server server(name);
  std::optional<Caller> caller;
  CHECK_FALSE(error_of(server.start([&](const Ask& ask, const CallContext& context) {
    caller = context.caller();
    return Answer{ask.id, 1};
  })));
  Process asking = peer("call", name, "1", "1");
  CHECK(asking.read_line() == "ok");
  server.stop();
  REQUIRE(caller.has_value());
  CHECK(caller->process_id == static_cast<std::uint32_t>(asking.pid()));
#ifdef _WIN32
  CHECK(caller->user.starts_with("S-1-"));
#else
  CHECK(caller->user == std::to_string(::geteuid()));
#endif
}

TEST_CASE("call context: calls side by side have slots of their own") {
  const auto name = unique_name("context");
  ServerOptions options;
  options.max_calls = 2;
  options.threads = 2;
  Numbers::Server server(name, options);
  std::atomic<int> together = 0;
  CHECK_FALSE(error_of(server.start([&](int, const CallContext& context) {
    ++together;
    (void)eventually([&] { return together.load() == 2; });
    return static_cast<int>(context.slot());
  })));
  int one = -1;
  int other = -1;
  {
    std::jthread asking([&] { one = Numbers::Client(name).call(1, amply).value(); });
    other = Numbers::Client(name).call(2, amply).value();
  }
  CHECK(one + other == 1);
  CHECK(one * other == 0);
}

TEST_CASE("call context: a copy outlives the call, the server and the caller") {
  std::optional<CallContext> kept;
  {
    const auto name = unique_name("context");
    Numbers::Server server(name);
    std::jthread asking([&] { (void)Numbers::Client(name).call(1, 10s); });
    kept = context_of_one_call<Numbers>(server);
  }
  CHECK(kept->cancelled());
  CHECK(kept->slot() == 0);
  CHECK(kept->deadline() > Clock::now());
  CHECK(kept->caller().process_id != 0);
}

TEST_CASE("call context: one that was moved from goes on telling") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  std::jthread asking([&] { (void)Numbers::Client(name).call(1, 10s); });
  CallContext kept = context_of_one_call<Numbers>(server);
  const CallContext moved(std::move(kept));
  CHECK(moved.cancelled());
  CHECK(kept.cancelled());
}

TEST_CASE("call context: a deferred call is cancelled when its caller gives up, before it is answered") {
  const auto name = unique_name("context");
  Numbers::Server server(name);
  std::optional<CallContext> context;
  std::optional<Responder<int>> open;
  std::atomic<bool> taken = false;
  CHECK_FALSE(error_of(server.start([&](int, Responder<int> responder, const CallContext& its) {
    context = its;
    open.emplace(std::move(responder));
    taken = true;
  })));
  std::jthread asking([&](std::stop_token gives_up) { (void)Numbers::Client(name).call(1, amply, gives_up); });
  REQUIRE(eventually([&] { return taken.load(); }));
  CHECK_FALSE(context->cancelled());
  asking.request_stop();
  asking.join();
  CHECK(context->cancelled());
  open->reply(1);
  CHECK(context->cancelled());
}

}  // namespace call_context_test
