// Messages whose length varies, between two processes and within one.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace variable_length_test {

using namespace shared_channel;
using namespace test_support;
using Catch::Matchers::Contains;

using Text = SharedChannel<std::string>;

// ---- between two processes --------------------------------------------------------------------------

TEST_CASE("variable length: messages of every length that matters come back whole") {
  const auto name = unique_name("variable");
  Process server = peer("serve_text", name);
  REQUIRE(server.read_line() == "ready");
  Text::Client client(name);
  for (const std::size_t length : {0u, 1u, 47u, 48u, 49u, 111u, 112u, 113u, 4095u, 4096u, 4097u, 65535u, 65536u}) {
    CAPTURE(length);
    std::string text(length, '.');
    for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 7);
    const auto answer = client.call(text, amply);
    REQUIRE_FALSE(error_of(answer));
    CHECK((*answer == std::string(text.rbegin(), text.rend())));
  }
}

TEST_CASE("variable length: a request that is too long is refused before anything is posted") {
  const auto name = unique_name("variable");
  Process server = peer("serve_text", name);
  REQUIRE(server.read_line() == "ready");
  Text::Client client(name);
  const auto answer = client.call(std::string(65537, 'x'), amply);
  REQUIRE(error_of(answer) == Errc::message_too_large);
  CHECK(answer.error().not_executed());
  CHECK_THAT(answer.error().message(),
             Contains("the request has 65537 bytes") && Contains("at most 65536") && Contains("max_request_bytes"));
  CHECK(client.call("ab", amply).value() == "ba");
}

TEST_CASE("variable length: a reply that is too long is an error instead") {
  const auto name = unique_name("variable");
  Process server = peer("serve_text", name);
  REQUIRE(server.read_line() == "ready");
  Text::Client client(name);
  CHECK(client.call("repeat 65536", amply).value() == std::string(65536, 'x'));
  const auto answer = client.call("repeat 65537", amply);
  REQUIRE(error_of(answer) == Errc::message_too_large);
  CHECK_FALSE(answer.error().not_executed());
  CHECK_THAT(answer.error().message(),
             Contains("the reply has 65537 bytes") && Contains("at most 65536") && Contains("max_reply_bytes"));
  CHECK(client.call("ab", amply).value() == "ba");
}

TEST_CASE("variable length: the server's limits hold, small and large") {
  const auto [request, reply] =
      GENERATE(table<std::size_t, std::size_t>({{1, 1}, {12, 112}, {112, 113}, {113, 12}, {3'000'000, 5'000'000}}));
  CAPTURE(request, reply);
  const auto name = unique_name("variable");
  Process server = peer("serve_text", name, std::to_string(request), std::to_string(reply));
  REQUIRE(server.read_line() == "ready");
  Text::Client client(name);
  if (request <= reply) {
    CHECK((client.call(std::string(request, 'x'), amply).value() == std::string(request, 'x')));
  } else {
    CHECK(error_of(client.call(std::string(request, 'x'), amply)) == Errc::message_too_large);
  }
  CHECK(error_of(client.call(std::string(request + 1, 'x'), amply)) == Errc::message_too_large);
  if (request >= 14) {
    CHECK((client.call("repeat " + std::to_string(reply), amply).value() == std::string(reply, 'x')));
    CHECK(error_of(client.call("repeat " + std::to_string(reply + 1), amply)) == Errc::message_too_large);
  }
  CHECK(client.call("x", amply).value() == "x");
  CHECK(client.call("", amply).value().empty());
}

TEST_CASE("variable length: several processes with messages of many lengths") {
  const auto name = unique_name("variable");
  ServerOptions options;
  options.max_calls = 2;
  options.threads = 2;
  Text::Server server(name, options);
  CHECK_FALSE(error_of(server.start([](const std::string& text) { return text; })));
  std::vector<Process> callers;
  for (int i = 0; i < 3; ++i) callers.push_back(peer("call_text", name, "500"));
  for (auto& caller : callers) CHECK(caller.read_line() == "ok");
}

TEST_CASE("variable length: 32 and 64 bits understand each other", "[peer32]") {
  const auto name = unique_name("variable");
  Process server = peer32("serve_text", name, "1000000", "1000000");
  REQUIRE(server.read_line() == "ready");
  Text::Client client(name);
  CHECK(client.call("abc", amply).value() == "cba");
  CHECK((client.call(std::string(1'000'000, 'x'), amply).value() == std::string(1'000'000, 'x')));
}

// ---- types ------------------------------------------------------------------------------------------

namespace {

struct Point {
  std::int32_t x, y;
};
struct alignas(64) Line64 {
  std::byte bytes[64];
};
struct alignas(4096) Page {
  std::byte bytes[4096];
};
struct Named {
  std::string name;
  std::vector<Point> points;
};

bool is_aligned(const void* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

}  // namespace

TEST_CASE("variable length: fixed one way, variable the other") {
  const auto name = unique_name("variable");
  SharedChannel<std::uint32_t, std::vector<std::string>>::Server server(name);
  CHECK_FALSE(error_of(server.start([](std::uint32_t count) { return std::vector<std::string>(count, "text"); })));
  SharedChannel<std::uint32_t, std::vector<std::string>>::Client client(name);
  CHECK(client.call(0, amply).value().empty());
  CHECK(client.call(3, amply).value() == std::vector<std::string>(3, "text"));

  const auto back = unique_name("variable");
  SharedChannel<std::vector<float>, double>::Server sums(back);
  CHECK_FALSE(error_of(sums.start([](const std::vector<float>& values, double& sum) {
    sum = 0;
    for (const float value : values) sum += value;
  })));
  SharedChannel<std::vector<float>, double>::Client adder(back);
  CHECK(adder.call(std::vector<float>(10000, 0.5f), amply).value() == 5000);
  CHECK(adder.call({}, amply).value() == 0);
}

TEMPLATE_TEST_CASE("variable length: a direction of fixed size keeps its alignment", "", Line64, Page) {
  const auto name = unique_name("variable");
  ServerOptions options;
  options.max_request_bytes = 1;
  using Channel = SharedChannel<std::string, TestType>;
  typename Channel::Server server(name, options);
  bool aligned = true;
  CHECK_FALSE(error_of(server.start([&](const std::string& text, TestType& reply) {
    aligned = aligned && is_aligned(&reply, alignof(TestType));
    reply.bytes[sizeof reply - 1] = static_cast<std::byte>(text.at(0));
  })));
  typename Channel::Client client(name);
  for (int call = 0; call < 40; ++call)
    CHECK(client.call("a", amply).value().bytes[sizeof(TestType) - 1] == std::byte{'a'});
  server.stop();
  CHECK(aligned);
}

TEST_CASE("variable length: aggregates, optionals and variants") {
  using Request = std::variant<Named, Point, std::monostate>;
  using Reply = std::optional<std::pair<std::string, std::size_t>>;
  const auto name = unique_name("variable");
  SharedChannel<Request, Reply>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Request& request) -> Reply {
    if (const auto* named = std::get_if<Named>(&request)) return std::pair(named->name, named->points.size());
    if (const auto* point = std::get_if<Point>(&request)) return std::pair(std::to_string(point->x), std::size_t{1});
    return std::nullopt;
  })));
  SharedChannel<Request, Reply>::Client client(name);
  CHECK(client.call(Named{"triangle", {{1, 2}, {3, 4}, {5, 6}}}, amply).value() == Reply(std::pair("triangle", 3)));
  CHECK(client.call(Point{7, 8}, amply).value() == Reply(std::pair("7", 1)));
  CHECK(client.call(std::monostate{}, amply).value() == std::nullopt);
}

namespace {

struct Unique {
  std::unique_ptr<std::int32_t> value;
};
class NoDefault {
 public:
  explicit NoDefault(std::string text) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};
struct Moody {
  enum class Mood : std::uint8_t { fine, throws_when_sized, throws_when_written, throws_when_read, endless };
  Mood mood = Mood::fine;
};

}  // namespace

}  // namespace variable_length_test

template <>
struct shared_channel::Codec<variable_length_test::Unique> {
  static std::size_t size(const variable_length_test::Unique&) { return 4; }
  static void encode(const variable_length_test::Unique& unique, std::span<std::byte> out) {
    std::memcpy(out.data(), unique.value.get(), 4);
  }
  static std::optional<variable_length_test::Unique> decode(std::span<const std::byte> in) {
    if (in.size() != 4) return std::nullopt;
    variable_length_test::Unique unique{std::make_unique<std::int32_t>()};
    std::memcpy(unique.value.get(), in.data(), 4);
    return unique;
  }
};
template <>
struct shared_channel::Codec<variable_length_test::NoDefault> {
  static std::size_t size(const variable_length_test::NoDefault& value) { return value.text().size(); }
  static void encode(const variable_length_test::NoDefault& value, std::span<std::byte> out) {
    Codec<std::string>::encode(value.text(), out);
  }
  static std::optional<variable_length_test::NoDefault> decode(std::span<const std::byte> in) {
    return variable_length_test::NoDefault(*Codec<std::string>::decode(in));
  }
};
template <>
struct shared_channel::Codec<variable_length_test::Moody> {
  static std::size_t size(const variable_length_test::Moody& value) {
    if (value.mood == variable_length_test::Moody::Mood::throws_when_sized) throw std::runtime_error("sized");
    return value.mood == variable_length_test::Moody::Mood::endless ? (std::numeric_limits<std::size_t>::max)() - 2 : 1;
  }
  static void encode(const variable_length_test::Moody& value, std::span<std::byte> out) {
    if (value.mood == variable_length_test::Moody::Mood::throws_when_written) throw std::runtime_error("written");
    out[0] = static_cast<std::byte>(value.mood);
  }
  static std::optional<variable_length_test::Moody> decode(std::span<const std::byte> in) {
    const variable_length_test::Moody value{static_cast<variable_length_test::Moody::Mood>(in[0])};
    if (value.mood == variable_length_test::Moody::Mood::throws_when_read) throw std::runtime_error("read");
    return value;
  }
};

namespace variable_length_test {

using Mood = Moody::Mood;
using Moods = SharedChannel<Moody>;

TEST_CASE("variable length: values that can only be moved") {
  const auto name = unique_name("variable");
  SharedChannel<Unique>::Server server(name);
  CHECK_FALSE(error_of(server.start([](Unique unique) {
    ++*unique.value;
    return unique;
  })));
  SharedChannel<Unique>::Client client(name);
  CHECK(*client.call({std::make_unique<std::int32_t>(4)}, amply).value().value == 5);
}

TEST_CASE("variable length: values without a default") {
  const auto name = unique_name("variable");
  SharedChannel<NoDefault>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const NoDefault& value) { return NoDefault(value.text() + value.text()); })));
  SharedChannel<NoDefault>::Client client(name);
  CHECK(client.call(NoDefault("twice"), amply).value().text() == "twicetwice");
}

TEST_CASE("variable length: a handler may change its text in place") {
  const auto name = unique_name("variable");
  Text::Server server(name);
  CHECK_FALSE(error_of(server.start([](std::string& text) { text += '!'; })));
  CHECK(Text::Client(name).call("yes", amply).value() == "yes!");
}

// ---- what goes wrong --------------------------------------------------------------------------------

TEST_CASE("variable length: a request that cannot be decoded reaches no handler") {
  const auto name = unique_name("variable");
  SharedChannel<Unique, NoDefault>::Server server(name);  // types with a Codec of their own all look alike
  std::atomic<bool> called{false};
  CHECK_FALSE(error_of(server.start([&](const Unique&) {
    called = true;
    return NoDefault("");
  })));
  SharedChannel<NoDefault>::Client client(name);
  const auto answer = client.call(NoDefault("abc"), amply);
  REQUIRE(error_of(answer) == Errc::corrupt);
  CHECK(answer.error().not_executed());
  CHECK_THAT(answer.error().message(), Contains("could not decode the request"));
  CHECK_FALSE(called);
  CHECK(client.call(NoDefault("abcd"), amply).has_value());
}

TEST_CASE("variable length: a reply that cannot be decoded is told") {
  const auto name = unique_name("variable");
  SharedChannel<NoDefault>::Server server(name);
  CHECK_FALSE(error_of(server.start([](const NoDefault& text) { return text; })));
  SharedChannel<NoDefault, Unique>::Client client(name);
  const auto answer = client.call(NoDefault("abc"), amply);
  REQUIRE(error_of(answer) == Errc::corrupt);
  CHECK_FALSE(answer.error().not_executed());
  CHECK(client.call(NoDefault("abcd"), amply).has_value());
}

TEST_CASE("variable length: fixed and variable do not attach to each other") {
  const auto name = unique_name("variable");
  Text::Server server(name);
  CHECK_FALSE(error_of(server.start([](const std::string& text) { return text; })));
  CHECK(error_of(SharedChannel<int>::Client(name).call(1, amply)) == Errc::layout_mismatch);
  CHECK(error_of(SharedChannel<std::string, int>::Client(name).call("1", amply)) == Errc::layout_mismatch);
  CHECK(error_of(SharedChannel<int, std::string>::Client(name).call(1, amply)) == Errc::layout_mismatch);
}

TEST_CASE("variable length: a Codec that throws at the client's gives the slot back") {
  const auto name = unique_name("variable");
  ServerOptions one;
  one.max_calls = 1;
  Moods::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](Moody moody) { return moody; })));
  Moods::Client client(name);
  CHECK_THROWS_WITH((void)client.call({Mood::throws_when_sized}, amply), "sized");
  CHECK_THROWS_WITH((void)client.call({Mood::throws_when_written}, amply), "written");
  CHECK(client.call({Mood::fine}, amply).has_value());
}

TEST_CASE("variable length: a Codec that throws while the client reads gives the slot back") {
  const auto name = unique_name("variable");
  ServerOptions one;
  one.max_calls = 1;
  SharedChannel<int, Moody>::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](int mood) { return Moody{static_cast<Mood>(mood)}; })));
  SharedChannel<int, Moody>::Client client(name);
  CHECK_THROWS_WITH((void)client.call(static_cast<int>(Mood::throws_when_read), amply), "read");
  CHECK(client.call(0, amply).has_value());
}

TEST_CASE("variable length: a Codec that throws at the server's fails that call") {
  const auto name = unique_name("variable");
  ServerOptions one;
  one.max_calls = 1;
  Moods::Server server(name, one);
  CHECK_FALSE(error_of(server.start([](Moody) { return Moody{Mood::throws_when_written}; })));
  Moods::Client client(name);
  const auto unread = client.call({Mood::throws_when_read}, amply);
  REQUIRE(error_of(unread) == Errc::handler_failed);
  CHECK_THAT(unread.error().message(), Contains(": read"));
  CHECK_THAT(client.call({}, amply).error().message(), Contains(": written"));
}

TEST_CASE("variable length: a size beyond all bounds is too large, and not cut") {
  const auto name = unique_name("variable");
  Moods::Server server(name);
  CHECK_FALSE(error_of(server.start([](Moody) { return Moody{Mood::endless}; })));
  Moods::Client client(name);
  const auto reply = client.call({}, amply);
  REQUIRE(error_of(reply) == Errc::message_too_large);
  CHECK_THAT(reply.error().message(), Contains("the reply has 42949672"));
  CHECK(error_of(client.call({Mood::endless}, amply)) == Errc::message_too_large);
}

TEST_CASE("variable length: limits out of range are refused") {
  for (const std::size_t bytes : {std::size_t{0}, max_message_bytes + 1}) {
    ServerOptions options;
    options.max_request_bytes = bytes;
    CHECK(error_of(Text::Server::create(unique_name("variable"), options)) == Errc::invalid_argument);
    options = {};
    options.max_reply_bytes = bytes;
    CHECK(error_of(Text::Server::create(unique_name("variable"), options)) == Errc::invalid_argument);
  }
}

TEST_CASE("variable length: more than the machine has is refused") {
  ServerOptions options;
  options.max_calls = max_slots;
  options.max_request_bytes = options.max_reply_bytes = max_message_bytes;
  CHECK(error_of(Text::Server::create(unique_name("variable"), options)) == Errc::out_of_memory);
}

// ---- hostile frames ---------------------------------------------------------------------------------

namespace {

struct OneSlot {
  alignas(detail::Slot) detail::Slot slot{};
  std::vector<std::byte> area = std::vector<std::byte>(200);
  detail::Frame frame{slot, area.data(), area.size()};
};

}  // namespace

TEST_CASE("variable length: short messages lie inline, longer ones in their area") {
  OneSlot one;
  for (const std::size_t length : {0u, 112u, 113u, 200u}) {
    const std::byte* const place = one.frame.place(length);
    CHECK((place == (length <= detail::inline_capacity ? one.slot.inline_bytes : one.area.data())));
    CHECK(one.frame.length() == length);
    const detail::CheckedBytes checked = one.frame.checked();
    CHECK((checked && checked.data == place));
    CHECK(checked.size == length);
  }
}

TEST_CASE("variable length: bytes of an impossible length reach no handler") {
  OneSlot one;
  struct {
    OneSlot& in;
    [[nodiscard]] detail::Frame request() const { return in.frame; }
    [[nodiscard]] detail::Frame reply() const { return in.frame; }
    [[nodiscard]] detail::Phase write_failure(std::string_view, std::uint32_t) const { return detail::Phase::failed; }
  } const call{one};
  int handled = 0;
  auto handler = [&](std::span<const std::byte> request, std::span<std::byte>) {
    ++handled;
    return request.size();
  };
  one.frame.set_length(200);
  CHECK(detail::invoke_bytes<Bytes>(handler, call) == detail::Phase::done);
  one.frame.set_length(201);
  CHECK(detail::invoke_bytes<Bytes>(handler, call) == detail::Phase::malformed);
  CHECK(handled == 1);
}

TEST_CASE("variable length: an impossible length is malformed") {
  OneSlot one;
  for (const std::uint32_t length : {201u, 202u, 0x7FFF'FFFFu, 0x8000'0000u, 0xFFFF'FFFFu}) {
    one.slot.length.store(length);
    const detail::CheckedBytes checked = one.frame.checked();
    CHECK_FALSE(static_cast<bool>(checked));
    CHECK(checked.size == 0);
    CHECK_FALSE(detail::decode_message<std::string>(one.frame).has_value());
    CHECK_FALSE(detail::with_bytes(one.frame, false, [](std::span<const std::byte>) { return true; }));
  }
}

}  // namespace variable_length_test
