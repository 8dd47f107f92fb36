// The bridge's parts by themselves: messages, subjects, another machine's clock, metrics.
#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine_nats.hpp"
#include "far_clock.hpp"
#include "importer.hpp"
#include "metrics.hpp"
#include "outbox.hpp"
#include "subjects.hpp"
#include "wire.hpp"
#include "world.hpp"

namespace bridge_parts_test {

using namespace bridge;
using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::Execution;

namespace {

View bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text_of(View bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Here some_exporter() {
  Here here;
  here.exporter = 0x1234'5678'9abc'def0;
  here.has_server = true;
  here.max_calls = 16;
  here.connection = 3;
  here.largest = 1 << 20;
  here.asked = 5;
  here.clock = -7;
  here.who = "host, process 1";
  here.contract.shape.request = {8, 4, false, "{i32 i32}"};
  here.contract.shape.reply = {4, 4, false, "{i32}"};
  return here;
}

}  // namespace

TEST_CASE("bridge wire: every message is read as it was written") {
  const Here here = some_exporter();
  const auto there = read<Here>(write(here));
  REQUIRE(there);
  CHECK(there->exporter == here.exporter);
  CHECK(there->has_server);
  CHECK(!there->is_leaving);
  CHECK(there->max_calls == 16);
  CHECK(there->connection == 3);
  CHECK(there->largest == 1 << 20);
  CHECK(there->asked == 5);
  CHECK(there->clock == -7);
  CHECK(there->who == here.who);
  CHECK(there->contract == here.contract);

  const auto ping = read<Ping>(write(Ping{1, 2, 5, {3, 4}}));
  REQUIRE(ping);
  CHECK(ping->patience == 5);
  CHECK(ping->calls == std::vector<Id>{3, 4});
  const auto pong = read<Pong>(write(Pong{1, 2, -3, {4}}));
  REQUIRE(pong);
  CHECK(pong->clock == -3);
  CHECK(pong->unknown == std::vector<Id>{4});

  Bytes bytes;
  write(Call{1, 2, 3, -4, never, 5, "1000", bytes_of("request")}, bytes);
  CHECK(bytes.size() <= call_overhead);
  const auto call = read<Call>(bytes);
  REQUIRE(call);
  CHECK(call->sent == -4);
  CHECK(call->left == never);
  CHECK(call->user == "1000");
  CHECK(text_of(call->request) == "request");

  Answer reply;
  reply.is_reply = true;
  reply.reply = bytes_of("reply");
  write(reply, bytes);
  CHECK(text_of(read<Answer>(bytes)->reply) == "reply");
  Answer error;
  error.code = Errc::busy;
  error.execution = Execution::none;
  error.text = "full";
  write(error, bytes);
  const auto refused = read<Answer>(bytes);
  CHECK(!refused->is_reply);
  CHECK(refused->code == Errc::busy);
  CHECK(refused->execution == Execution::none);
  CHECK(refused->text == "full");

  Bytes several;
  for (const Id id : {7, 8}) add(Call{1, id, 3, -4, never, 5, "1000", bytes_of("request")}, several);
  const auto calls = read<Calls>(several);
  REQUIRE(calls);
  REQUIRE(calls->calls.size() == 2);
  CHECK(calls->calls[1].id == 8);
  CHECK(calls->calls[1].user == "1000");
  CHECK(text_of(calls->calls[1].request) == "request");
  several.clear();
  add(7, reply, several);
  add(8, error, several);
  const auto answers = read<Answers>(several);
  REQUIRE(answers);
  REQUIRE(answers->answers.size() == 2);
  CHECK(answers->answers[0].first == 7);
  CHECK(text_of(answers->answers[0].second.reply) == "reply");
  CHECK(answers->answers[1].first == 8);
  CHECK(answers->answers[1].second.text == "full");
}

TEST_CASE("bridge wire: an exporter of before does not say that it takes several calls in one message") {
  Here here = some_exporter();
  here.takes_several = true;
  const Bytes bytes = write(here);
  CHECK(read<Here>(bytes)->takes_several);
  const auto before = read<Here>(View(bytes).first(bytes.size() - 1));
  REQUIRE(before);
  CHECK(!before->takes_several);
  CHECK(before->contract == here.contract);
}

TEST_CASE("bridge wire: a message of several that was cut is not read") {
  Bytes calls, answers;
  for (const Id id : {7, 8}) {
    add(Call{1, id, 3, -4, never, 5, "1000", bytes_of("request")}, calls);
    Answer reply;
    reply.is_reply = true;
    reply.reply = bytes_of("reply");
    add(id, reply, answers);
  }
  constexpr std::size_t head = 4;
  const std::size_t one_call = head + (calls.size() - head) / 2, one_answer = head + (answers.size() - head) / 2;
  for (std::size_t size = 0; size < calls.size(); ++size)
    CHECK(read<Calls>(View(calls).first(size)).has_value() == (size == head || size == one_call));
  for (std::size_t size = 0; size < answers.size(); ++size)
    CHECK(read<Answers>(View(answers).first(size)).has_value() == (size == head || size == one_answer));
  std::mt19937 numbers(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = i % 2 == 0 ? calls : answers;
    for (int change = 0; change < 3; ++change) bytes[numbers() % bytes.size()] = static_cast<std::byte>(numbers());
    CHECK(read<Calls>(bytes).has_value() + read<Answers>(bytes).has_value() <= 1);
  }
}

TEST_CASE("bridge outbox: answers go together, each importer's for itself, and long ones alone") {
  std::vector<std::pair<Id, std::vector<Id>>> sent;
  Outbox outbox([&](const Outbox::Batch& batch) {
    const auto several = read<Answers>(batch.bytes);
    REQUIRE(several);
    std::vector<Id> ids;
    for (const auto& [id, answer] : several->answers) ids.push_back(id);
    CHECK(ids == batch.ids);
    sent.emplace_back(batch.importer, ids);
  });
  const std::string text(1500, 'x');
  Answer small, large;
  small.is_reply = large.is_reply = true;
  large.reply = bytes_of(text);
  constexpr std::size_t most = 1000;
  for (const Id id : {1, 2}) outbox.add(10, id, small, most);
  outbox.add(20, 3, small, most);
  outbox.add(10, 4, large, most);
  outbox.add(10, 5, small, most);
  CHECK(sent.empty());
  outbox.flush();
  const std::vector<std::pair<Id, std::vector<Id>>> wanted{{10, {1, 2, 5}}, {20, {3}}, {10, {4}}};
  CHECK(sent == wanted);
  outbox.flush();
  CHECK(sent == wanted);
}

TEST_CASE("bridge outbox: its own thread sends what it is rung for, and the rest at its end") {
  std::atomic<int> sent{0};
  Outbox outbox([&](const Outbox::Batch& batch) { sent += static_cast<int>(batch.ids.size()); });
  outbox.start();
  for (Id id = 1; id <= 3; ++id) {
    outbox.add(10, id, {}, most_of_several);
    outbox.ring();
    CHECK(test_support::eventually([&] { return sent == static_cast<int>(id); }));
  }
  outbox.add(10, 4, {}, most_of_several);
  outbox.stop();
  CHECK(sent == 4);
}

TEST_CASE("bridge wire: what is none of its messages is not read, whatever it is") {
  std::mt19937 numbers(1);
  const std::vector<Bytes> good{write(some_exporter()), write(Ping{1, 2, 5, {3, 4}}), write(Pong{1, 2, 3, {4}}),
                                write(Find{1, 2}), write(Cancel{1, 2})};
  const auto read_all = [](View bytes) {
    return read<Here>(bytes).has_value() + read<Ping>(bytes).has_value() + read<Pong>(bytes).has_value() +
           read<Find>(bytes).has_value() + read<Cancel>(bytes).has_value() + read<Call>(bytes).has_value() +
           read<Answer>(bytes).has_value();
  };
  for (const Bytes& bytes : good) {
    CHECK(read_all(bytes) == 1);
    // An exporter of before leaves its last byte out.
    const std::size_t whole = read<Here>(bytes) ? bytes.size() - 1 : bytes.size();
    for (std::size_t size = 0; size < whole; ++size) CHECK(read_all(View(bytes).first(size)) == 0);
  }
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = good[numbers() % good.size()];
    for (int change = 0; change < 3; ++change) bytes[numbers() % bytes.size()] = static_cast<std::byte>(numbers());
    CHECK(read_all(bytes) <= 1);
  }
}

TEST_CASE("bridge wire: times with which sums would overflow are not read") {
  const auto reads = [](Nanoseconds sent, Nanoseconds left) {
    Bytes bytes;
    write(Call{1, 2, 3, sent, left, 5, "1000", bytes_of("request")}, bytes);
    return read<Call>(bytes).has_value();
  };
  constexpr Nanoseconds most = Nanoseconds{1} << 61;
  CHECK(reads(most, most));
  CHECK(reads(-most, 0));
  CHECK(reads(0, never));
  CHECK(!reads(most + 1, 0));
  CHECK(!reads(INT64_MIN, 0));
  CHECK(!reads(0, -1));
  CHECK(!reads(0, never - 1));
  for (const Nanoseconds time : {INT64_MIN, INT64_MAX}) {
    Here here = some_exporter();
    here.clock = time;
    CHECK(!read<Here>(write(here)));
    CHECK(!read<Find>(write(Find{1, time})));
    CHECK(!read<Ping>(write(Ping{1, time, 0, {}})));
    CHECK(!read<Pong>(write(Pong{1, time, 0, {}})));
    CHECK(!read<Pong>(write(Pong{1, 0, time, {}})));
  }
}

TEST_CASE("bridge wire: contracts that differ have distinct ids") {
  const Contract contract = some_exporter().contract;
  Contract other = contract;
  CHECK(other.id() == contract.id());
  other.is_big_endian = true;
  CHECK(other.id() != contract.id());
  other = contract;
  other.shape.request.description = "{i32 u32}";
  CHECK(other.id() != contract.id());
  other = contract;
  other.shape.reply.is_variable = true;
  CHECK(other.id() != contract.id());
}

TEST_CASE("bridge subjects: a channel's name is in few tokens, and answers say to what") {
  const Subjects subjects("prefix", "a..b-c_d");
  CHECK(subjects.find() == "prefix.a::b-c_d.find");
  CHECK(subjects.at(0xff) == "prefix.a::b-c_d.at.ff");
  const auto to = answer_to(subjects.to(7) + "cff");
  REQUIRE(to);
  CHECK(to->kind == 'c');
  CHECK(to->number == 0xff);
  CHECK(answer_to(subjects.to(7) + "f")->kind == 'f');
  CHECK(!answer_to(subjects.to(7) + "cxyz"));
  CHECK(!answer_to("prefix."));
  CHECK(!answer_to(""));
}

TEST_CASE("bridge clock: a far deadline is never later than ours, whatever the clocks show") {
  std::mt19937_64 numbers(2);
  const auto at_random = [&](Nanoseconds most) {
    return static_cast<Nanoseconds>(numbers() % static_cast<std::uint64_t>(most));
  };
  for (int round = 0; round < 200; ++round) {
    const Nanoseconds ahead = at_random(1'000'000 * milliseconds) - 500'000 * milliseconds;
    const double rate = 1 + (static_cast<double>(at_random(1000)) - 500) * 1e-6;  // half a thousandth
    const auto far_at = [&](Nanoseconds time) {
      return ahead + static_cast<Nanoseconds>(static_cast<double>(time) * rate);
    };
    FarClock clock;
    CHECK(!clock.is_known());
    Nanoseconds time = 0;
    for (int i = 0; i < 50; ++i) {
      time += at_random(1000 * milliseconds);
      const Nanoseconds there = at_random(20 * milliseconds), back = at_random(20 * milliseconds);
      clock.learn(time, far_at(time + there), time + there + back);
      time += there + back;
      const Nanoseconds deadline = time + at_random(10'000 * milliseconds);
      REQUIRE(clock.not_before(deadline) <= far_at(deadline) + 1);
      CHECK(far_at(deadline) - clock.not_before(deadline) < 80 * milliseconds + deadline / 500);
    }
  }
}

TEST_CASE("bridge clock: a far clock that has lost time is believed at its next answer") {
  FarClock clock;
  clock.learn(0, 1000 * milliseconds, 2 * milliseconds);
  CHECK(clock.not_before(10 * milliseconds) > 1000 * milliseconds);
  // It stood still for 500 ms.
  clock.learn(100 * milliseconds, 601 * milliseconds, 102 * milliseconds);
  CHECK(clock.not_before(102 * milliseconds) <= 601 * milliseconds);
  // An answer that was merely slow says nothing new.
  clock.learn(200 * milliseconds, 700 * milliseconds, 300 * milliseconds);
  CHECK(clock.not_before(300 * milliseconds) > 790 * milliseconds);
  // What was never asked is no answer.
  clock.learn(never / 4, 0, 300 * milliseconds);
  CHECK(clock.not_before(300 * milliseconds) > 790 * milliseconds);
}

TEST_CASE("bridge metrics: each family stands together under its heading") {
  Metrics one, other;
  one.calls = 3;
  one.answered(2ms);
  one.failed(Errc::busy);
  other.calls = 4;
  const std::string text = in_families(one.text("import", "a") + other.text("export", "b"));
  CHECK(text.find("# TYPE shared_channel_bridge_calls_total counter\n"
                  "shared_channel_bridge_calls_total{end=\"import\",channel=\"a\"} 3\n"
                  "shared_channel_bridge_calls_total{end=\"export\",channel=\"b\"} 4\n") != std::string::npos);
  CHECK(text.find("errors_total{end=\"import\",channel=\"a\",code=\"busy\"} 1\n") != std::string::npos);
  CHECK(text.find("answer_seconds_bucket{end=\"import\",channel=\"a\",le=\"0.001\"} 0\n") != std::string::npos);
  CHECK(text.find("answer_seconds_bucket{end=\"import\",channel=\"a\",le=\"0.0025\"} 1\n") != std::string::npos);
  CHECK(text.find("answer_seconds_count{end=\"import\",channel=\"a\"} 1\n") != std::string::npos);
}

namespace {

NatsOptions options_for(const std::string& url) {
  NatsOptions options;
  options.url = url;
  return options;
}

/// An exporter that is none: it says of itself what it is told to, and answers calls with 42.
struct Stranger {
  Stranger(const std::string& url, const std::string& name, Here mine, bool hears_calls = true)
      : engine(make_nats_engine(options_for(url))), subjects("shared_channel", name), here(std::move(mine)) {
    engine->listen(subjects.find(), [this](const Message& message) {
      const auto find = read<Find>(message.bytes);
      if (!find) return;
      here.asked = find->asked;
      here.clock = now();
      engine->publish(std::string(message.reply), "", write(here));
    });
    if (hears_calls) engine->listen(subjects.at(here.exporter), [this](const Message& message) { hear(message); });
    engine->start();
  }
  ~Stranger() { engine->stop(); }

  void hear(const Message& message) {
    if (const auto ping = read<Ping>(message.bytes))
      engine->publish(std::string(message.reply), "", write(Pong{here.connection, ping->asked, now(), {}}));
    constexpr int answer = 42;
    bridge::Answer reply;
    reply.is_reply = true;
    reply.reply = std::as_bytes(std::span(&answer, 1));
    Bytes bytes;
    if (const auto one = read<Call>(message.bytes)) {
      ++calls;
      write(reply, bytes);
      engine->publish(std::string(message.reply), "", bytes);
    } else if (const auto several = read<Calls>(message.bytes)) {
      ++messages_of_several;
      calls += static_cast<int>(several->calls.size());
      for (const Call& call : several->calls) add(call.id, reply, bytes);
      engine->publish(subjects.to(several->calls.at(0).importer) + 'a', "", bytes);
    }
  }

  std::unique_ptr<Engine> engine;
  const Subjects subjects;
  Here here;
  std::atomic<int> calls{0}, messages_of_several{0};
};

struct Numbers {
  int a, b;
};
struct Sum {
  int value;
};
using Adder = shared_channel::SharedChannel<Numbers, Sum>;

/// Says that it is an exporter of Adder.
Here adding_exporter() {
  Here here = some_exporter();
  here.contract.shape = shared_channel::channel_shape_of<Numbers, Sum>();
  here.contract.is_big_endian = std::endian::native == std::endian::big;
  return here;
}

}  // namespace

TEST_CASE("bridge: a far machine of the other byte order is a layout mismatch") {
  const bridge_test::World world;
  Here other = some_exporter();
  other.contract.is_big_endian = std::endian::native == std::endian::little;
  const Stranger stranger(world.broker.url(), world.near, other);
  const auto importer = bridge_test::bridge({"import", world.near, "--nats", world.broker.url()});
  Adder::Client client(world.near);
  client.wait_for_server(test_support::amply).value();
  const auto sum = client.call({2, 3}, test_support::amply);
  CHECK(test_support::error_of(sum) == Errc::layout_mismatch);
  CHECK(sum.error().not_executed());
  CHECK(sum.error().message().find("byte order") != std::string::npos);
  CHECK(stranger.calls == 0);
}

TEST_CASE("bridge: calls in flight share messages, and an exporter of before gets each by itself") {
  for (const bool takes_several : {true, false}) {
    const bridge_test::World world;
    Here here = adding_exporter();
    here.takes_several = takes_several;
    const Stranger stranger(world.broker.url(), world.near, here);
    const auto importer = bridge_test::bridge({"import", world.near, "--nats", world.broker.url(), "--silence", "20s"});
    Adder::Client client(world.near);
    client.wait_for_server(test_support::amply).value();
    int count = 0;
    const auto many = [&] {
      std::vector<shared_channel::PendingCall<Sum>> calls;
      for (int i = 0; i < 12; ++i) calls.push_back(client.call_async({2, 3}, test_support::amply));
      for (auto& call : calls) CHECK(call.get().value().value == 42);
      count += 12;
    };
    many();
    if (takes_several) CHECK(test_support::eventually([&] { return many(), stranger.messages_of_several < count; }));
    CHECK(stranger.calls == count);
    CHECK((stranger.messages_of_several != 0) == takes_several);
  }
}

TEST_CASE("bridge: of a message of calls that reaches nobody none is executed") {
  const bridge_test::World world;
  for (const bool takes_several : {true, false}) {
    Here here = adding_exporter();
    here.takes_several = takes_several;
    const std::string near = world.near + (takes_several ? ".a" : ".b");
    const Stranger stranger(world.broker.url(), near, here, false);
    const auto importer = bridge_test::bridge({"import", near, "--nats", world.broker.url(), "--silence", "20s"});
    Adder::Client client(near);
    for (int round = 0; round < 5; ++round) {
      std::vector<shared_channel::PendingCall<Sum>> calls;
      for (int i = 0; i < 12; ++i) calls.push_back(client.call_async({2, 3}, 1s));
      for (auto& call : calls) {
        const auto sum = call.get();
        REQUIRE(!sum);
        CHECK(sum.error().not_executed());
      }
      static_cast<void>(client.wait_for_server(100ms));
    }
  }
}

TEST_CASE("bridge: a call whose answer is to go elsewhere than to its importer is not executed") {
  bridge_test::World world;
  std::atomic<int> runs{0}, answers{0};
  shared_channel::SharedChannel<Numbers, Sum>::Server server(world.far);
  server
      .start([&](const Numbers& numbers) {
        ++runs;
        return Sum{numbers.a + numbers.b};
      })
      .value();
  const auto exporter = world.exports();
  const auto engine = make_nats_engine(options_for(world.broker.url()));
  const Subjects subjects("shared_channel", world.offered());
  constexpr Id me = 77;
  std::mutex mutex;
  Here there;
  engine->listen(subjects.to(me) + '*', [&](const Message& message) {
    if (message.reached_nobody) return;
    const std::lock_guard lock(mutex);
    if (const auto here = read<Here>(message.bytes); here && here->has_server) there = *here;
    answers += read<bridge::Answer>(message.bytes).has_value();
  });
  engine->start();
  const auto exporter_id = [&] {
    const std::lock_guard lock(mutex);
    return there.exporter;
  };
  REQUIRE(test_support::eventually([&] {
    engine->publish(subjects.find(), subjects.to(me) + 'f', write(Find{me, now()}));
    std::this_thread::sleep_for(10ms);
    return exporter_id() != 0;
  }));
  const Numbers numbers{2, 3};
  const auto ask = [&](Id id, const std::string& reply) {
    Bytes bytes;
    write(Call{me, id, there.contract.id(), 0, never, 1, "1000", std::as_bytes(std::span(&numbers, 1))}, bytes);
    engine->publish(subjects.at(exporter_id()), reply, bytes);
  };
  for (const std::string& reply : {subjects.to(me) + "c9", subjects.to(me + 1) + "c1", subjects.find(), std::string()})
    ask(1, reply);
  ask(2, subjects.to(me) + "c2");
  CHECK(test_support::eventually([&] { return answers == 1; }));
  CHECK(runs == 1);
  engine->stop();
}

namespace {

/// Leads to one exporter, and holds up calls on their way there as long as it is told to.
class SlowEngine final : public Engine {
 public:
  SlowEngine(const std::string& channel, Here mine) : subjects_("shared_channel", channel), here_(std::move(mine)) {}

  void listen(std::string subject, Listener listener) override {
    if (subject.ends_with('*')) to_importer_ = std::move(listener);
  }
  void watch(Watcher watcher) override { watcher_ = std::move(watcher); }
  void start() override { watcher_(true, "here"); }
  Sent publish(const std::string&, const std::string& reply, View bytes) override {
    if (const auto find = read<Find>(bytes)) {
      here_.asked = find->asked;
      here_.clock = now();
      answer(reply, write(here_));
    } else if (const auto ping = read<Ping>(bytes)) {
      if (must_hold_up && !ping->calls.empty()) was_asked_early = true;
      answer(reply, write(Pong{here_.connection, ping->asked, now(), {}}));
    } else if (read<Calls>(bytes)) {
      is_held_up = true;
      while (must_hold_up) std::this_thread::sleep_for(1ms);
      note('c');
    } else if (read<Cancel>(bytes)) {
      note('x');
    }
    return Sent::perhaps;
  }
  std::size_t largest() const override { return 1 << 20; }
  void stop() override { watcher_(false, "over"); }

  std::string order() {
    const std::lock_guard lock(mutex_);
    return order_;
  }

  std::atomic<bool> must_hold_up{true}, is_held_up{false}, was_asked_early{false};

 private:
  void answer(const std::string& subject, const Bytes& bytes) { to_importer_({subject, "", bytes}); }
  void note(char what) {
    const std::lock_guard lock(mutex_);
    order_ += what;
  }

  const Subjects subjects_;
  Here here_;
  Listener to_importer_;
  Watcher watcher_;
  std::mutex mutex_;
  std::string order_;
};

}  // namespace

TEST_CASE("bridge: while a call is being sent its exporter is neither asked for it nor told to cancel it") {
  const std::string near = test_support::unique_name("near");
  Here here = adding_exporter();
  here.takes_several = true;
  SlowEngine engine(near, here);
  ImportOptions options;
  options.name = options.far_name = near;
  options.silence = 20s;
  Importer importer(engine, options, [](const std::string&) {});
  importer.start();
  engine.start();
  Adder::Client client(near);
  client.wait_for_server(test_support::amply).value();
  auto call = client.call_async({2, 3}, test_support::amply);
  REQUIRE(test_support::eventually([&] { return engine.is_held_up.load(); }));
  // It would not know the call, which were then told as lost.
  std::this_thread::sleep_for(300ms);
  CHECK(!engine.was_asked_early);
  call.cancel();
  CHECK(test_support::eventually([&] { return importer.metrics().cancelled != 0; }));
  std::this_thread::sleep_for(50ms);  // in which it would be published
  CHECK(engine.order().empty());
  engine.must_hold_up = false;
  CHECK(test_support::eventually([&] { return engine.order() == "cx"; }));
  engine.stop();
}

}  // namespace bridge_parts_test
