// Shapes and descriptions that come at run time are checked as types are.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/raw.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace raw_shape_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

struct Sum {
  std::int32_t a = 0, b = 0;
};
struct Tree {
  std::string name;
  std::vector<Tree> children;
};
struct Named {
  static constexpr std::string_view schema = "geometry/2";
  float x = 0;
};

bool is_description(std::string_view text) { return detail::parse_description(text).has_value(); }
std::optional<std::uint64_t> described_size(std::string_view text) {
  const auto size = detail::parse_description(text);
  return size && size->is_known ? std::optional(size->size) : std::nullopt;
}

}  // namespace

TEST_CASE("raw shape: what cannot be a message is refused before anything is made") {
  const auto name = unique_name("raw");
  const auto make = [&name](const MessageShape& request, const MessageShape& reply) {
    return RawServer::create(name, {request, reply});
  };
  for (const MessageShape& impossible : {
           fixed_message(0),
           fixed_message((1u << 30) + 1),
           fixed_message(~0u),
           fixed_message(8, 0),
           fixed_message(8, 3),
           fixed_message(8, 8192),
           fixed_message(8, ~0u),
           variable_message(0),
           variable_message((1u << 30) + 1),
           fixed_message(8, 4, "{i32"),
           fixed_message(8, 4, "i32"),
           fixed_message(8, 4, "{i32 i32 i32}"),
           fixed_message(8, 4, "opaque(4,4)"),
           variable_message(8, "number"),
       }) {
    for (const bool is_request : {true, false}) {
      const auto server = is_request ? make(impossible, {}) : make({}, impossible);
      CHECK(error_of(server) == Errc::invalid_argument);
      CHECK(server.error().message().find(is_request ? "the request" : "the reply") != std::string::npos);
      CHECK(server.error().message().find("description.hpp") == std::string::npos);  // of C and Python users too
    }
  }
  CHECK(error_of(RawClient::create("raw", {fixed_message(0), {}})) == Errc::invalid_argument);
  CHECK_FALSE(error_of(RawClient::create("raw", {variable_message(0), {}})));
  CHECK(error_of(RawClient::create("a b", ChannelShape{})) == Errc::invalid_name);
  CHECK(error_of(RawServer::create("", ChannelShape{})) == Errc::invalid_name);
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("raw shape: descriptions are read by their grammar") {
  for (const char* good : {"bool",
                           "char",
                           "i8",
                           "u64",
                           "f32",
                           "i32[3]",
                           "i32[3][2]",
                           "{i32 f64[3]}",
                           "{}",
                           "(i32 string)",
                           "vector<(i32 {f32}#a/1)#b/2>",
                           "string",
                           "bytes",
                           "vector<u8>",
                           "vector<vector<string>>",
                           "optional<u16>",
                           "variant<i32 string>",
                           "variant<{string} {string string}>",
                           "{string vector<^2>}",
                           "opaque",
                           "opaque(8,4)",
                           "opaque(8,4)[2]",
                           "{f32}#geometry/2",
                           "vector<{f32}#geometry/2>[3]",
                           "{char[64] {i32}[3]}"}) {
    CAPTURE(good);
    CHECK(is_description(good));
  }
  for (const char* bad : {"",
                          " ",
                          "i31",
                          "I32",
                          "i32 ",
                          " i32",
                          "i32 i32",
                          "{i32",
                          "i32}",
                          "(i32",
                          "(i32}",
                          "{i32)",
                          "i32)",
                          "{i32  i32}",
                          "{ i32}",
                          "{i32,i32}",
                          "i32[",
                          "i32[]",
                          "i32[x]",
                          "i32[-1]",
                          "i32[03]",
                          "i32[99999999999]",
                          "vector",
                          "vector<>",
                          "vector<i32",
                          "vector<i32 i32>",
                          "optional<i32 i32>",
                          "variant<>",
                          "^1",
                          "^",
                          "{^0}",
                          "opaque(8)",
                          "opaque(8,0)",
                          "opaque(8,4",
                          "i32#",
                          "i32# ",
                          "i32#\n",
                          "i32#a b"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_description(bad));
  }
  CHECK_FALSE(is_description(std::string(5000, '{')));
  CHECK_FALSE(is_description(std::string(5000, '(')));
  CHECK_FALSE(is_description(std::string(1000, '{') + std::string(1000, '}')));
  std::string huge = "i64";
  for (int i = 0; i < 300; ++i) huge += "[4000000000]";
  CHECK_FALSE(is_description(huge));
}

TEST_CASE("raw shape: the description of every type is one") {
  using Variant = std::variant<std::tuple<std::string>, std::pair<std::string, std::string>>;
  CHECK(is_description(description_of<Bytes>()));
  CHECK(is_description(description_of<Tree>()));
  CHECK(is_description(description_of<Variant>()));
  CHECK(is_description(description_of<std::optional<std::array<std::vector<Sum>, 3>>>()));
  CHECK(described_size(description_of<Sum>()) == sizeof(Sum));
  CHECK(described_size(description_of<Ask>()) == sizeof(Ask));
  CHECK(described_size(description_of<Named>()) == sizeof(Named));
  CHECK(described_size(description_of<Block>()) == sizeof(Block));
  CHECK(described_size(description_of<double[3]>()) == 24);
  CHECK_FALSE(described_size(description_of<Tree>()));
  CHECK_FALSE(described_size(description_of<std::pair<int, int>>()));
  // A page has room for the beginning of a long one.
  const std::string fitting = detail::Description::fitting(std::string(2000, 'x'));
  CHECK(is_description(fitting));
  CHECK_FALSE(is_description(fitting.substr(1)));
}

TEST_CASE("raw shape: a client reads the shape of whichever server is there") {
  const auto name = unique_name("raw");
  SharedChannel<Sum, std::string>::Server server(name);
  RawClient client(name);
  const ChannelShape shape = client.shape().value();
  CHECK(shape.request == MessageShape{8, 4, false, "{i32 i32}"});
  CHECK(shape.reply == MessageShape{64 * 1024, 16, true, "string"});

  const auto raw = unique_name("raw");
  RawServer undescribed(raw, {fixed_message(5, 1), variable_message(100)});
  CHECK(RawClient(raw).shape().value().request == MessageShape{5, 1, false, "opaque(5,1)"});
  CHECK(RawClient(raw).shape().value().reply == MessageShape{100, 16, true, "bytes"});
}

TEST_CASE("raw shape: a client that insists finds no other server") {
  const auto name = unique_name("raw");
  SharedChannel<Sum, float>::Server server(name);
  server.start([](const Sum& sum) { return static_cast<float>(sum.a + sum.b); }).value();
  const Sum numbers{1, 2};
  float reply = 0;
  const auto ask = [&](const ChannelShape& shape) {
    return RawClient(name, shape).call(bytes_of(numbers), room_of(reply), amply);
  };
  CHECK(ask(channel_shape_of<Sum, float>()).value() == 4);
  CHECK(reply == 3);
  CHECK(ask({fixed_message(8, 4), fixed_message(4, 4)}).value() == 4);
  CHECK(ask({fixed_message(8, 4, "{i32 i32}"), fixed_message(4, 4)}).value() == 4);
  CHECK(error_of(ask({fixed_message(8, 4, "f64"), fixed_message(4, 4)})) == Errc::layout_mismatch);
  CHECK(error_of(ask({fixed_message(8, 4), fixed_message(4, 4, "i32")})) == Errc::layout_mismatch);
  CHECK(error_of(ask({fixed_message(8, 8), fixed_message(4, 4)})) == Errc::layout_mismatch);
  CHECK(error_of(ask({fixed_message(12, 4), fixed_message(4, 4)})) == Errc::layout_mismatch);
  const auto variable = ask({variable_message(0), fixed_message(4, 4)});
  CHECK(error_of(variable) == Errc::layout_mismatch);
  CHECK(variable.error().message().find("{i32 i32} in 8 bytes aligned to 4") != std::string::npos);
}

TEST_CASE("raw shape: a typed client and a raw server agree or say what they have") {
  const auto name = unique_name("raw");
  RawServer server(name, {fixed_message(8, 4), fixed_message(4, 4, "f32")});
  const auto sum = SharedChannel<Sum, float>::Client(name).call({}, amply);
  CHECK(error_of(sum) == Errc::layout_mismatch);
  CHECK(sum.error().message().find("{i32 i32}") != std::string::npos);
  CHECK(sum.error().message().find("opaque(8,4)") != std::string::npos);
}

}  // namespace raw_shape_test
