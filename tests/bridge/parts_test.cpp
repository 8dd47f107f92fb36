// The bridge's parts by themselves: messages, subjects, another machine's clock, metrics.
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/inspect.hpp>

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
  here.number = 5;
  here.has_server = true;
  here.max_calls = 16;
  here.connection = 3;
  here.largest = 1 << 20;
  here.who = "host, process 1";
  here.contract.shape.request = {8, 4, false, "{i32 i32}"};
  here.contract.shape.reply = {4, 4, false, "{i32}"};
  return here;
}

}  // namespace

TEST_CASE("bridge parts wire: every message is read as it was written") {
  const Here here = some_exporter();
  const auto there = read<Here>(write(here));
  REQUIRE(there);
  CHECK(there->exporter == here.exporter);
  CHECK(there->number == 5);
  CHECK(there->has_server);
  CHECK(!there->is_leaving);
  CHECK(there->max_calls == 16);
  CHECK(there->connection == 3);
  CHECK(there->largest == 1 << 20);
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

  Bytes several;
  for (const Id id : {7u, 8u}) add(Call{1, id, 3, -4, never, 5, "1000", bytes_of("request")}, several);
  CHECK(several.size() <= call_overhead);
  const auto calls = read<Calls>(several);
  REQUIRE(calls);
  REQUIRE(calls->calls.size() == 2);
  const Call& call = calls->calls[1];
  CHECK(call.id == 8);
  CHECK(call.sent == -4);
  CHECK(call.left == never);
  CHECK(call.user == "1000");
  CHECK(text_of(call.request) == "request");

  Answer reply;
  reply.is_reply = true;
  reply.reply = bytes_of("reply");
  Answer error;
  error.code = Errc::busy;
  error.execution = Execution::none;
  error.text = "full";
  several.clear();
  add(7, reply, several);
  add(8, error, several);
  CHECK(several.size() <= 2 * answer_overhead);
  const auto answers = read<Answers>(several);
  REQUIRE(answers);
  REQUIRE(answers->answers.size() == 2);
  CHECK(answers->answers[0].first == 7);
  CHECK(answers->answers[0].second.is_reply);
  CHECK(text_of(answers->answers[0].second.reply) == "reply");
  CHECK(answers->answers[1].first == 8);
  const Answer& refused = answers->answers[1].second;
  CHECK(!refused.is_reply);
  CHECK(refused.code == Errc::busy);
  CHECK(refused.execution == Execution::none);
  CHECK(refused.text == "full");
}

TEST_CASE("bridge parts wire: a message of several that was cut is not read") {
  Bytes calls, answers;
  for (const Id id : {7u, 8u}) {
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

TEST_CASE("bridge parts outbox: answers go together, each importer's for itself, and long ones alone") {
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
  for (const Id id : {1u, 2u}) outbox.add(10, id, small, most);
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

TEST_CASE("bridge parts outbox: its own thread sends what it is rung for, and the rest at its end") {
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

TEST_CASE("bridge parts wire: what is none of its messages is not read, whatever it is") {
  std::mt19937 numbers(1);
  const std::vector<Bytes> good{write(some_exporter()), write(Ping{1, 2, 5, {3, 4}}), write(Pong{1, 2, 3, {4}}),
                                write(Find{1}), write(Cancel{1, 2})};
  const auto read_all = [](View bytes) {
    return read<Here>(bytes).has_value() + read<Ping>(bytes).has_value() + read<Pong>(bytes).has_value() +
           read<Find>(bytes).has_value() + read<Cancel>(bytes).has_value() + read<Calls>(bytes).has_value() +
           read<Answers>(bytes).has_value();
  };
  for (const Bytes& bytes : good) {
    CHECK(read_all(bytes) == 1);
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK(read_all(View(bytes).first(size)) == 0);
  }
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = good[numbers() % good.size()];
    for (int change = 0; change < 3; ++change) bytes[numbers() % bytes.size()] = static_cast<std::byte>(numbers());
    CHECK(read_all(bytes) <= 1);
  }
}

TEST_CASE("bridge parts wire: times with which sums would overflow are not read") {
  const auto reads = [](Nanoseconds sent, Nanoseconds left) {
    Bytes bytes;
    add(Call{1, 2, 3, sent, left, 5, "1000", bytes_of("request")}, bytes);
    return read<Calls>(bytes).has_value();
  };
  constexpr Nanoseconds most = longest;
  CHECK(reads(most, most));
  CHECK(reads(-most, 0));
  CHECK(reads(0, never));
  CHECK(!reads(most + 1, 0));
  CHECK(!reads(INT64_MIN, 0));
  CHECK(!reads(0, -1));
  CHECK(!reads(0, never - 1));
  for (const Nanoseconds time : {INT64_MIN, INT64_MAX}) {
    CHECK(!read<Ping>(write(Ping{1, time, 0, {}})));
    CHECK(!read<Pong>(write(Pong{1, time, 0, {}})));
    CHECK(!read<Pong>(write(Pong{1, 0, time, {}})));
  }
}

TEST_CASE("bridge parts wire: contracts that differ have distinct ids") {
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

TEST_CASE("bridge parts subjects: a channel's name is in few tokens, and answers say to what") {
  const Subjects subjects("prefix", "a..b-c_d");
  CHECK(subjects.find() == "prefix.a::b-c_d.find");
  CHECK(subjects.at(0xff) == "prefix.a::b-c_d.at.ff");
  const auto to = answer_to(subjects.to(7) + "bff");
  REQUIRE(to);
  CHECK(to->kind == 'b');
  CHECK(to->number == 0xff);
  CHECK(answer_to(subjects.to(7) + "f")->kind == 'f');
  CHECK(!answer_to(subjects.to(7) + "bxyz"));
  CHECK(!answer_to("prefix."));
  CHECK(!answer_to(""));
}

TEST_CASE("bridge parts clock: a far deadline is never later than ours, whatever the clocks show") {
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
      const Nanoseconds sent = time + at_random(2'000 * milliseconds), left = at_random(3'600'000 * milliseconds);
      const Nanoseconds end = clock.not_before(sent) + FarClock::least(left), deadline = far_at(sent + left);
      REQUIRE(end <= deadline + 1);
      CHECK(deadline - end < 80 * milliseconds + (sent + left) / 500);
    }
  }
}

TEST_CASE("bridge parts clock: a far clock that has lost time is believed at its next answer") {
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

TEST_CASE("bridge parts metrics: each family stands together under its heading") {
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

Log nobody_reads() {
  return [](const std::string&) {};
}

/// An exporter that is none: it says of itself what it is told to, and answers calls with 42.
struct Stranger {
  Stranger(const std::string& url, const std::string& name, Here mine, std::chrono::milliseconds delay = 0ms)
      : engine(make_nats_engine(options_for(url), nobody_reads())),
        subjects("shared_channel", name),
        here(std::move(mine)) {
    engine->listen(subjects.at(here.exporter), [this](const Message& message) { hear(message); });
    engine->listen(subjects.find(), [this, delay](const Message& message) {
      std::this_thread::sleep_for(delay);
      engine->publish(std::string(message.reply), "", write(here));
    });
    engine->start();
  }
  ~Stranger() { engine->stop(); }

  void hear(const Message& message) {
    if (const auto ping = read<Ping>(message.bytes))
      engine->publish(std::string(message.reply), "", write(Pong{here.connection, ping->asked, now(), {}}));
    const auto several = read<Calls>(message.bytes);
    if (!several) return;
    ++messages;
    calls += static_cast<int>(several->calls.size());
    constexpr int answer = 42;
    bridge::Answer reply;
    reply.is_reply = true;
    reply.reply = std::as_bytes(std::span(&answer, 1));
    Bytes bytes;
    for (const Call& call : several->calls) add(call.id, reply, bytes);
    engine->publish(subjects.to(several->calls.at(0).importer) + 'a', "", bytes);
  }

  std::unique_ptr<Engine> engine;
  const Subjects subjects;
  const Here here;
  std::atomic<int> calls{0}, messages{0};
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

TEST_CASE("bridge parts: a far machine of the other byte order is a layout mismatch") {
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

TEST_CASE("bridge parts: calls in flight share messages") {
  const bridge_test::World world;
  const Stranger stranger(world.broker.url(), world.near, adding_exporter());
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
  CHECK(test_support::eventually([&] { return many(), stranger.messages < count; }));
  CHECK(stranger.calls == count);
}

TEST_CASE("bridge parts: of a message of calls that reaches nobody none is executed") {
  const bridge_test::World world;
  const auto importer = bridge_test::bridge({"import", world.near, "--nats", world.broker.url(), "--silence", "20s"});
  Adder::Client client(world.near);
  int told_by_nats = 0;
  CHECK(test_support::eventually([&] {
    const Stranger stranger(world.broker.url(), world.near, adding_exporter());
    client.wait_for_server(test_support::amply).value();
    stranger.engine->stop();
    std::vector<shared_channel::PendingCall<Sum>> calls;
    for (int i = 0; i < 12; ++i) calls.push_back(client.call_async({2, 3}, 1s));
    for (auto& call : calls) {
      const auto sum = call.get();
      REQUIRE(!sum);
      CHECK(sum.error().not_executed());
      told_by_nats += sum.error().message().find("is gone") != std::string::npos;
    }
    CHECK(stranger.calls == 0);
    return told_by_nats > 0;
  }));
}

namespace {

/// An importer in this process, and what it logs.
struct Importing {
  explicit Importing(const bridge_test::World& world)
      : engine(make_nats_engine(options_for(world.broker.url()), nobody_reads())),
        importer(*engine, options(world.near), [this](const std::string& line) {
          const std::lock_guard lock(mutex);
          lines.push_back(line);
        }) {
    importer.start();
    engine->start();
  }
  ~Importing() { engine->stop(); }

  static ImportOptions options(const std::string& name) {
    ImportOptions made;
    made.name = made.far_name = name;
    made.silence = 20s;
    return made;
  }
  std::size_t told(std::string_view text) {
    const std::lock_guard lock(mutex);
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

  std::mutex mutex;
  std::vector<std::string> lines;
  std::unique_ptr<Engine> engine;
  Importer importer;
};

}  // namespace

TEST_CASE("bridge parts: an exporter that hears nothing is no server, is asked for now and then, and told of once") {
  const bridge_test::World world;
  const Here deaf = adding_exporter();
  const auto engine = make_nats_engine(options_for(world.broker.url()), nobody_reads());
  std::atomic<int> finds{0};
  engine->listen(Subjects("shared_channel", world.near).find(), [&](const Message& message) {
    ++finds;
    engine->publish(std::string(message.reply), "", write(deaf));
  });
  engine->start();
  {
    const test_support::Stopwatch watch;
    Importing here(world);
    CHECK(test_support::eventually([&] { return finds >= 4; }));
    CHECK(watch.elapsed() > 1400ms);
    CHECK(here.told("hears nothing") == 1);
    CHECK(here.told("takes {i32 i32}") == 1);
    CHECK(here.told("serves") == 0);
  }
  engine->stop();
}

TEST_CASE("bridge parts: a word that was overtaken by a later one is not believed") {
  const bridge_test::World world;
  const Stranger stranger(world.broker.url(), world.near, adding_exporter());
  Importing here(world);
  Adder::Client client(world.near);
  client.wait_for_server(test_support::amply).value();
  Here old = stranger.here;
  --old.number;
  old.has_server = false;
  stranger.engine->publish(stranger.subjects.news(), "", write(old));
  for (int i = 0; i < 20; ++i) {
    CHECK(client.call({2, 3}, test_support::amply));
    std::this_thread::sleep_for(10ms);
  }
  CHECK(here.told("has no server") == 0);
}

TEST_CASE("bridge parts: the channel here has room for what all exporters take that answered") {
  const bridge_test::World world;
  Here small = adding_exporter(), large = adding_exporter();
  small.max_calls = 4;
  large.max_calls = 100;
  large.exporter = 1;
  const Stranger first(world.broker.url(), world.near, small), second(world.broker.url(), world.near, large, 10ms);
  // On a busy machine the second may be too late.
  CHECK(test_support::eventually([&] {
    const Importing here(world);
    Adder::Client(world.near).wait_for_server(test_support::amply).value();
    return shared_channel::inspect(world.near).value().max_calls == 104;
  }));
}

TEST_CASE("bridge parts: what an exporter says of itself forges no line of the log") {
  const bridge_test::World world;
  Here here = adding_exporter();
  here.who = "host\nforged\x1b[2J";
  const Stranger stranger(world.broker.url(), world.near, here);
  const std::string log = (std::filesystem::temp_directory_path() / test_support::unique_name("log")).string();
  test_support::Streams streams;
  streams.errors = test_support::Stream::file(log);
  {
    const test_support::Process importer(SHARED_CHANNEL_BRIDGE, {"import", world.near, "--nats", world.broker.url()},
                                         streams);
    Adder::Client(world.near).wait_for_server(test_support::amply).value();
  }
  std::ifstream file(log);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CHECK(text.find("host?forged?[2J") != std::string::npos);
  CHECK(text.find("\nforged") == std::string::npos);
  std::filesystem::remove(log);
}

TEST_CASE("bridge parts: an exporter answers nobody but whoever asks, and executes nothing twice") {
  bridge_test::World world;
  std::atomic<int> runs{0};
  Adder::Server server(world.far);
  server
      .start([&](const Numbers& numbers) {
        ++runs;
        return Sum{numbers.a + numbers.b};
      })
      .value();
  const auto exporter = world.exports();
  const auto engine = make_nats_engine(options_for(world.broker.url()), nobody_reads());
  const Subjects subjects("shared_channel", world.offered()), others("shared_channel", "another");
  constexpr Id me = 77;
  std::atomic<int> answers{0}, pongs{0}, heres{0}, astray{0};
  std::mutex mutex;
  Here there;
  engine->listen(subjects.to(me) + '*', [&](const Message& message) {
    if (message.reached_nobody) return;
    const std::lock_guard lock(mutex);
    if (const auto here = read<Here>(message.bytes)) {
      ++heres;
      if (here->has_server) there = *here;
    }
    pongs += read<Pong>(message.bytes).has_value();
    answers += read<Answers>(message.bytes).has_value();
  });
  const std::vector<std::string> elsewhere{subjects.to(me + 1) + 'f', others.to(me) + 'f', others.news(),
                                           others.find()};
  for (const std::string& subject : elsewhere) engine->listen(subject, [&](const Message&) { ++astray; });
  engine->start();
  const auto exporter_id = [&] {
    const std::lock_guard lock(mutex);
    return there.exporter;
  };
  REQUIRE(test_support::eventually([&] {
    engine->publish(subjects.find(), subjects.to(me) + 'f', write(Find{me}));
    std::this_thread::sleep_for(10ms);
    return exporter_id() != 0;
  }));
  const std::string at = subjects.at(exporter_id()), pong = subjects.to(me) + 'p' + hexadecimal(exporter_id());

  const int before = heres;
  for (const std::string& subject : elsewhere) {
    engine->publish(subjects.find(), subject, write(Find{me}));
    engine->publish(at, subject, write(Ping{me, 0, 0, {1}}));
  }
  engine->publish(subjects.find(), subjects.to(me) + 'f', write(Find{me}));
  engine->publish(at, pong, write(Ping{me, 0, 0, {}}));
  CHECK(test_support::eventually([&] { return heres > before && pongs == 1; }));
  std::this_thread::sleep_for(50ms);  // for the distinct threads that hear
  CHECK(astray == 0);

  const Numbers numbers{2, 3};
  Bytes bytes;
  for (const Id id : {1u, 1u, 2u, 1u})
    add(Call{me, id, there.contract.id(), 0, never, 1, "1000", std::as_bytes(std::span(&numbers, 1))}, bytes);
  engine->publish(at, subjects.to(me) + "b1", bytes);
  CHECK(test_support::eventually([&] { return runs == 2 && answers != 0; }));
  std::this_thread::sleep_for(50ms);
  CHECK(runs == 2);
  engine->stop();
}

namespace {

/// Leads to one exporter, and holds up calls to it as long as it is told to.
class SlowEngine final : public Engine {
 public:
  SlowEngine(const std::string& channel, Here mine) : subjects_("shared_channel", channel), here_(std::move(mine)) {}

  void listen(std::string subject, Listener listener) override {
    if (subject.ends_with('*')) to_importer_ = std::move(listener);
  }
  void watch(Watcher watcher) override { watcher_ = std::move(watcher); }
  void start() override { watcher_(true, "here"); }
  Sent publish(const std::string&, const std::string& reply, View bytes) override {
    if (read<Find>(bytes)) {
      answer(reply, write(here_));
    } else if (const auto ping = read<Ping>(bytes)) {
      if (must_hold_up && !ping->calls.empty()) was_asked_early = true;
      answer(reply, write(Pong{here_.connection, ping->asked, now(), {}}));
    } else if (const auto calls = read<Calls>(bytes)) {
      left = calls->calls.at(0).left;
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
  std::atomic<Nanoseconds> left{0};  // of the last call

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

TEST_CASE("bridge parts: while a call is being sent its exporter is neither asked for it nor told to cancel it") {
  const std::string near = test_support::unique_name("near");
  SlowEngine engine(near, adding_exporter());
  Importer importer(engine, Importing::options(near), nobody_reads());
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

TEST_CASE("bridge parts: a call may take as long as its caller waits, less what two clocks' rates may differ by") {
  const std::string near = test_support::unique_name("near");
  SlowEngine engine(near, adding_exporter());
  engine.must_hold_up = false;
  Importer importer(engine, Importing::options(near), nobody_reads());
  importer.start();
  engine.start();
  Adder::Client client(near);
  client.wait_for_server(test_support::amply).value();
  const auto left_of = [&](std::chrono::nanoseconds timeout) {
    engine.left = 0;
    auto call = client.call_async({2, 3}, timeout);
    CHECK(test_support::eventually([&] { return engine.left != 0; }));
    call.cancel();
    return engine.left.load();
  };
  const Nanoseconds left = left_of(1h), all = nanoseconds(1h);
  CHECK(left <= all - all / 1000);
  CHECK(left > all - all / 200);
  CHECK(left_of(24h * 365 * 100) == never);
  engine.stop();
}

TEST_CASE("bridge parts metrics: a file is replaced, a link stays one, and what is no file stays what it is") {
  const auto place = std::filesystem::temp_directory_path() / test_support::unique_name("bridge");
  std::filesystem::create_directory(place);
  const auto file = place / "file", link = place / "link", full = place / "full";
  const auto read = [](const std::filesystem::path& path) {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(write_file(file.string(), "one"));
  std::filesystem::create_symlink(file, link);
  CHECK(write_file(link.string(), "two"));
  CHECK(std::filesystem::is_symlink(link));
  CHECK(read(file) == "two");
  std::filesystem::create_symlink("/dev/full", full);
  CHECK_FALSE(write_file(full.string(), "three"));
  CHECK(std::filesystem::read_symlink(full) == "/dev/full");
  CHECK(std::filesystem::is_character_file("/dev/full"));
  std::filesystem::remove_all(place);
}

}  // namespace bridge_parts_test
