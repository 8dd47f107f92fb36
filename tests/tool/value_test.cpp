// The tool's JSON against what programs send: made by the description alone, the bytes are those of the type's Codec.
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <shared_channel/description.hpp>
#include <shared_channel/detail/message/message.hpp>
#include <shared_channel/shared_channel.hpp>

#include "../../tools/shared_channel/type.hpp"
#include "../../tools/shared_channel/value.hpp"

namespace tool_value_test {

using tool::Form;
using tool::Json;
using tool::Type;

struct Numbers {
  std::int32_t a, b;
};
struct Sum {
  std::int32_t value;
};
struct Padded {
  char kind;
  std::int16_t small;
  std::uint32_t rest;
  float ratio;
  bool is_set;
};
struct Named {
  char name[8];
  Numbers pairs[2];
  std::int32_t grid[2][3];
};
struct Get {
  std::string key;
};
struct Put {
  static constexpr std::string_view schema = "put/1";
  std::string key, value;
};
struct Letter {
  std::pair<char, std::int32_t> inner;
  std::int32_t rest;
};
/// Its destructor makes it travel in parts.
struct Owner {
  std::int32_t first = 0;
  std::optional<std::uint8_t> second;
  ~Owner() { first = 0; }
};
struct Tree {
  std::string text;
  std::vector<Tree> children;
};
struct Mixed {
  std::string text;
  std::vector<Numbers> numbers;
  std::optional<std::uint16_t> maybe;
  std::array<std::optional<std::uint8_t>, 3> three;
};
using Store = std::variant<Get, Put, std::int32_t>;

template <class T>
Type type_of() {
  const auto type = tool::parse_type(shared_channel::description_of<T>());
  if (!type) throw std::runtime_error("no type: " + std::string(shared_channel::description_of<T>()));
  return *type;
}
template <class T>
constexpr bool is_variable = !shared_channel::detail::FixedMessage<T>;

template <class T>
std::vector<std::byte> sent(const T& value) {
  std::vector<std::byte> bytes(shared_channel::Codec<T>::size(value));
  shared_channel::Codec<T>::encode(value, bytes);
  return bytes;
}

template <class T>
void expect_same(const T& value, const std::string& text) {
  CAPTURE(shared_channel::description_of<T>(), text);
  const Type type = type_of<T>();
  const Form form{is_variable<T>};
  const auto bytes = tool::encode(type, Json::parse(text), form);
  CHECK(tool::to_hex(bytes) == tool::to_hex(sent(value)));
  CHECK(tool::decode(type, bytes, form).dump() == Json::parse(text).dump());
}

template <class T>
std::string refusal(const std::string& text) {
  try {
    tool::encode(type_of<T>(), Json::parse(text), {is_variable<T>});
    return "";
  } catch (const tool::ValueError& error) {
    return error.what();
  }
}

TEST_CASE("tool value: structs lie in memory as programs lay them") {
  expect_same(Numbers{2, 3}, "[2,3]");
  expect_same(Sum{5}, "5");
  Padded padded;
  std::memset(static_cast<void*>(&padded), 0, sizeof padded);
  padded.kind = 'x';
  padded.small = -2;
  padded.rest = 4000000000u;
  padded.ratio = 0.1f;
  padded.is_set = true;
  expect_same(padded, R"(["x",-2,4000000000,0.1,true])");
  expect_same(Named{"ab", {{1, 2}, {3, 4}}, {{1, 2, 3}, {4, 5, 6}}}, R"(["ab",[[1,2],[3,4]],[[1,2,3],[4,5,6]]])");
}

TEST_CASE("tool value: the largest float and the zeros go both ways") {
  constexpr float largest = (std::numeric_limits<float>::max)();
  expect_same(largest, "3.4028235e+38");
  expect_same(-largest, "-3.4028235e+38");
  expect_same(std::vector<double>{0.0, -0.0}, "[0.0,-0.0]");
  CHECK(tool::encode(type_of<double>(), Json::parse("-0"), {false}) == sent(-0.0));
  CHECK(tool::encode(type_of<float>(), Json::parse("-0"), {false}) == sent(-0.0f));
  CHECK(tool::encode(type_of<float>(), Json::parse("0"), {false}) == sent(0.0f));
  CHECK(tool::encode(type_of<std::int32_t>(), Json::parse("-0"), {false}) == sent(std::int32_t{0}));
}

TEST_CASE("tool value: what varies in length is coded as programs code it") {
  expect_same(std::string("grün"), R"("grün")");
  expect_same(std::vector<double>{1.5, -2e300}, "[1.5,-2e+300]");
  expect_same(std::vector<std::string>{"a", "", "bc"}, R"(["a","","bc"])");
  expect_same(std::vector<bool>{true, false}, "[true,false]");
  expect_same(std::vector<char>{'h', 'i'}, R"("hi")");
  expect_same(std::vector<Numbers>{{1, 2}, {3, 4}}, "[[1,2],[3,4]]");
  expect_same(std::optional<std::string>("x"), R"("x")");
  expect_same(std::optional<std::string>(), "null");
  expect_same(std::optional<std::optional<std::int8_t>>(std::in_place, std::nullopt), R"({"some":null})");
  expect_same(std::pair<std::string, std::optional<std::uint16_t>>("ab", 7), R"(["ab",7])");
  expect_same(Mixed{"t", {{1, 2}}, 9, {1, std::nullopt, 3}}, R"(["t",[[1,2]],9,[1,null,3]])");
  expect_same(Tree{"root", {{"leaf", {}}, {"twig", {{"bud", {}}}}}}, R"(["root",[["leaf",[]],["twig",[["bud",[]]]]]])");
}

TEST_CASE("tool value: the alternatives of a variant are named by number or schema") {
  expect_same(Store(Get{"colour"}), R"({"0":"colour"})");
  expect_same(Store(Put{"colour", "red"}), R"({"put/1":["colour","red"]})");
  expect_same(Store(7), R"({"2":7})");
  const auto bytes = tool::to_hex(sent(Store(Put{"colour", "red"})));
  CHECK(tool::to_hex(tool::encode(type_of<Store>(), {{"1", {"colour", "red"}}}, {true})) == bytes);
  CHECK(tool::to_hex(tool::encode(type_of<Store>(), {"colour", "red"}, {true})) == bytes);  // fits one alone
  using Either = std::variant<std::int32_t, std::int64_t>;
  CHECK(refusal<Either>("1").find("say which") != std::string::npos);
}

TEST_CASE(
    "tool value: pairs, tuples and structs with destructors travel in parts, other structs as they lie in memory") {
  expect_same(std::pair<std::int32_t, char>(5, 'c'), R"([5,"c"])");
  expect_same(std::array<std::pair<char, std::int32_t>, 2>{{{'a', 1}, {'b', 2}}}, R"([["a",1],["b",2]])");
  expect_same(std::vector<std::pair<char, std::int32_t>>{{'a', 1}, {'b', 2}}, R"([["a",1],["b",2]])");
  expect_same(std::vector<Letter>{{{'a', 1}, 2}}, R"([[["a",1],2]])");
  expect_same(std::vector<Owner>{{1, 2}, {3, std::nullopt}}, "[[1,2],[3,null]]");
  expect_same(std::optional<std::tuple<std::uint8_t, Numbers>>(std::in_place, 1, Numbers{2, 3}), "[1,[2,3]]");
  CHECK(refusal<Letter>(R"([["a",1],"x"])") == R"(at [1]: i32 is wanted, not "x")");
}

TEST_CASE("tool value: how an optional lies in a struct nobody can tell") {
  struct Maybe {
    std::optional<std::uint8_t> value;
    std::int32_t number;
  };
  CHECK(refusal<std::vector<Maybe>>("[[1,2]]").find("give its bytes") != std::string::npos);
  CHECK(refusal<std::vector<std::array<Maybe, 1>>>("[[[1,2]]]").find("give its bytes") != std::string::npos);
  const auto bytes = sent(std::vector<Maybe>{{1, 2}});
  CHECK_THROWS_AS(tool::decode(type_of<std::vector<Maybe>>(), bytes, {true}), tool::ValueError);
}

TEST_CASE("tool value: what could be meant in a great many ways is refused in time") {
  const auto refuses = [](const std::string& description, const std::string& value, bool is_variable) {
    CAPTURE(description, value);
    const auto type = tool::parse_type(description);
    REQUIRE(type);
    CHECK_THROWS_AS(tool::encode(*type, Json::parse(value), {is_variable}), tool::ValueError);
  };
  const std::string deep = std::string(190, '{') + "i32" + std::string(190, '}');
  refuses(deep, R"([[[[["x"]]]]])", false);
  refuses(std::string(190, '{') + "string" + std::string(190, '}'), "[[[[[1]]]]]", true);
  const std::string nested = std::string(40, '[') + '1' + std::string(40, ']');
  refuses("variant<vector<^2> vector<^2>>", nested, true);
  // Many values that each need a try or two are none of these.
  std::string many = "[[1]";
  for (int i = 0; i < 30000; ++i) many += ",[1]";
  CHECK(tool::encode(type_of<std::vector<Sum>>(), Json::parse(many + ']'), {true}).size() == 4 * 30001);
}

TEST_CASE("tool value: numbers that do not fit, and other types, are refused by place") {
  CHECK(refusal<std::vector<std::uint8_t>>("[1,256]") == "at [1]: u8 is wanted, not 256");
  CHECK(refusal<std::vector<std::uint64_t>>("[18446744073709551615]").empty());
  CHECK(refusal<std::vector<std::int64_t>>("[-9223372036854775808]").empty());
  CHECK(refusal<std::vector<std::int64_t>>("[9223372036854775808]") ==
        "at [0]: i64 is wanted, not 9223372036854775808");
  CHECK(refusal<std::vector<std::int8_t>>("[-129]") == "at [0]: i8 is wanted, not -129");
  CHECK(refusal<std::vector<std::uint16_t>>("[-1]") == "at [0]: u16 is wanted, not -1");
  CHECK(refusal<std::vector<std::int32_t>>("[1.5]") == "at [0]: i32 is wanted, not 1.5");
  CHECK(refusal<std::vector<float>>("[1e300]") == "at [0]: f32 is wanted, not 1e+300");
  CHECK(refusal<std::vector<float>>(R"(["nan","-inf"])").empty());
  CHECK(refusal<std::vector<float>>("[3.4028236e+38]") == "at [0]: f32 is wanted, not 3.4028236e+38");
  CHECK(refusal<Numbers>("[1,2,3]") == "an array of 2 members is wanted, not [1,2,3]");
  CHECK(refusal<Numbers>(R"([1,"x"])") == R"(at [1]: i32 is wanted, not "x")");
  CHECK(refusal<Mixed>(R"(["t",[[1,2],[3]],null,[1,2,3]])") == "at [1][1]: an array of 2 members is wanted, not [3]");
  CHECK(refusal<Named>("[5,[[1,2],[3,4]],[[1,2,3],[4,5,6]]]") ==
        "at [0]: a string of at most 8 bytes is wanted, not 5");
  CHECK(refusal<std::vector<char>>("5") == "a string is wanted, not 5");
  CHECK(refusal<Named>(R"(["longer than 8",[[1,2],[3,4]],[[1,2,3],[4,5,6]]])") ==
        "at [0]: the text has 13 bytes, and there is room for 8");
}

TEST_CASE("tool value: text that is none is shown as hexadecimal digits, and taken so") {
  expect_same(std::string("\xff\x00", 2), R"({"hex":"ff00"})");
  const auto bytes = tool::parse_type("bytes");
  REQUIRE(bytes);
  CHECK(tool::to_hex(tool::encode(*bytes, {{"hex", "00 fF"}}, {true})) == "00ff");
  CHECK(tool::to_hex(tool::encode(*bytes, "ab", {true})) == "6162");
  CHECK_THROWS_AS(tool::from_hex("0"), tool::ValueError);
  CHECK_THROWS_AS(tool::from_hex("0g"), tool::ValueError);
}

TEST_CASE("tool value: what is no description is none") {
  for (const char* text : {"",
                           "i33",
                           "{i32",
                           "i32}",
                           "{}",
                           "()",
                           "(i32",
                           "(i32}",
                           "{i32)",
                           "i32[",
                           "i32[x]",
                           "i32[2",
                           "vector<i32",
                           "vector<i32 i32>",
                           "vector<>",
                           "^1",
                           "{i32 ^2}",
                           "vector<^0>",
                           "opaque(8,3)",
                           "opaque(1",
                           "{i32  i32}",
                           " i32",
                           "i32 ",
                           "i32#",
                           "f64[99999999999]",
                           "f64[4294967296]",
                           "{f64[134217729]}",
                           "{}[1000000000]",
                           "opaque(0,1)[1000000000]",
                           "i32[0][1000000000]",
                           "{i32[0]}[1000000000]",
                           "optional<i32 i32>",
                           "string~0123456789abcdef"}) {
    CAPTURE(text);
    CHECK_FALSE(tool::parse_type(text).has_value());
  }
  CHECK_FALSE(tool::parse_type(std::string(100000, '{')).has_value());
  CHECK_FALSE(tool::parse_type(std::string(100000, '(')).has_value());
  std::string arrays = "i8";
  for (int i = 0; i < 100000; ++i) arrays += "[1]";
  CHECK_FALSE(tool::parse_type(arrays).has_value());
  CHECK(tool::parse_type("{string vector<^2>}#tree/1").has_value());
  CHECK(tool::parse_type("vector<^1>[3]").has_value());
}

TEST_CASE("tool value: replies that are not what they should be are refused, and cost nothing") {
  const auto refuses = [](const char* description, const std::string& hex, bool is_variable) {
    CAPTURE(description, hex);
    const auto type = tool::parse_type(description);
    REQUIRE(type);
    CHECK_THROWS_AS(tool::decode(*type, tool::from_hex(hex), {is_variable}), tool::ValueError);
  };
  refuses("{i32 i32}", "0000", false);
  refuses("{string i32}", "00000000", false);  // no layout
  refuses("vector<i32>", "000000", true);
  refuses("optional<i32>", "0200000000", true);
  refuses("optional<i32>", "", true);
  refuses("variant<i32 string>", "02000000", true);
  refuses("vector<string>", "ffffffff", true);
  refuses("{string string}", "00000000", true);
  refuses("string[1000000000]", "00000000", true);
  refuses("vector<i32[0]>", "00", true);
  // Nested to the very end.
  const auto tree = tool::parse_type("vector<^1>");
  std::vector<std::byte> deep;
  for (std::uint32_t left = 4 * 400; left != 0; left -= 4) {
    const std::uint32_t length = left - 4;
    const auto* const bytes = reinterpret_cast<const std::byte*>(&length);
    deep.insert(deep.end(), bytes, bytes + 4);
  }
  CHECK_THROWS_AS(tool::decode(*tree, deep, {true}), tool::ValueError);
}

TEST_CASE("tool value: whatever bytes come, they are a value or are refused") {
  std::minstd_rand random(11);
  for (const char* const text :
       {"{string vector<^2>}", "vector<(char i32)>", "variant<string {bool f32[3]} vector<^2>>",
        "optional<optional<string>>", "{bytes opaque opaque(3,1) char[4]}", "string[2]"}) {
    const auto type = tool::parse_type(text);
    REQUIRE(type);
    for (unsigned round = 0; round < 3000; ++round) {
      std::vector<std::byte> bytes(random() % 40);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 3 == 0 ? random() : random() % 9);
      if (bytes.size() > 8 && round % 2 == 0) bytes[1] = bytes[2] = bytes[3] = {};
      try {
        const Json value = tool::decode(*type, bytes, {true});
        static_cast<void>(value.dump());
      } catch (const tool::ValueError&) {
      }
    }
  }
}

}  // namespace tool_value_test
