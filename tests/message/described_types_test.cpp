// One list of types and their texts, byte for byte. Every compiler that compiles this makes the same ones, whatever its
// word size, or does not compile it.
#include "support/catch.hpp"

#include <shared_channel/description.hpp>
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace described_types_test {

using namespace shared_channel;

enum class Unit : std::uint8_t { metre, foot };
struct Point {
  float x, y, z;
};
struct Sample {
  char name[16];
  Unit unit;
  bool is_valid;
  std::uint16_t flags;
  std::array<Point, 2> ends;
  std::uint32_t reserved;  // without it 32-bit programs would put `ticks` elsewhere
  std::int64_t ticks;
};
struct Versioned {
  static constexpr std::string_view schema = "points/3";
  std::vector<Point> points;
};
struct Node {
  std::optional<std::string> label;
  std::vector<Node> children;
  std::vector<std::pair<std::string, std::vector<Node>>> groups;
};
struct Get {
  std::string key;
};
struct Put {
  std::string key, value;
};
struct List {
  std::optional<std::uint32_t> most;
  bool is_sorted;
};
class Hidden {
 public:
  [[nodiscard]] std::int32_t value() const { return value_; }

 private:
  std::int32_t value_ = 0;
};
union Either {
  float real;
  std::int32_t whole;
};
struct Tagged {
  std::int32_t tag;
  Either value;
};
struct Bits {
  std::uint32_t low : 4, high : 28;
};
struct alignas(32) Wide {
  float lanes[8];
};
struct Outer {
  std::int32_t first;
  Hidden hidden;
  Bits bits;
};
/// In parts, as its bytes alone are not it.
struct Owner {
  std::int32_t first = 0;
  std::optional<std::uint8_t> second;
  ~Owner() { first = 0; }
};
struct Nested {
  std::tuple<std::uint8_t, std::variant<Get, Put>> request;
  std::vector<std::vector<std::optional<Versioned>>> rows;
};

struct Described {
  std::string_view text;
  std::string_view expected;
};

constexpr Described list[] = {
    {description_of<bool>(), "bool"},
    {description_of<char>(), "char"},
    {description_of<std::int8_t>(), "i8"},
    {description_of<std::uint8_t>(), "u8"},
    {description_of<std::int16_t>(), "i16"},
    {description_of<std::uint16_t>(), "u16"},
    {description_of<std::int32_t>(), "i32"},
    {description_of<std::uint32_t>(), "u32"},
    {description_of<std::int64_t>(), "i64"},
    {description_of<std::uint64_t>(), "u64"},
    {description_of<float>(), "f32"},
    {description_of<double>(), "f64"},
    {description_of<char8_t>(), "u8"},
    {description_of<char16_t>(), "u16"},
    {description_of<char32_t>(), "u32"},
    {description_of<Unit>(), "u8"},
    {description_of<Point>(), "{f32 f32 f32}"},
    {description_of<Sample>(), "{char[16] u8 bool u16 {f32 f32 f32}[2] u32 i64}"},
    {description_of<std::array<Sample, 4>>(), "{char[16] u8 bool u16 {f32 f32 f32}[2] u32 i64}[4]"},
    {description_of<std::pair<std::int16_t, Point>>(), "(i16 {f32 f32 f32})"},
    {description_of<std::tuple<bool, char, double>>(), "(bool char f64)"},
    {description_of<std::array<std::pair<char, Versioned>, 2>>(), "(char {vector<{f32 f32 f32}>}#points/3)[2]"},
    {description_of<std::tuple<>>(), "opaque(1,1)"},
    {description_of<Owner>(), "(i32 optional<u8>)"},
    {description_of<Bytes>(), "bytes"},
    {description_of<std::string>(), "string"},
    {description_of<std::u16string>(), "vector<u16>"},
    {description_of<std::vector<bool>>(), "vector<bool>"},
    {description_of<std::vector<std::string>>(), "vector<string>"},
    {description_of<std::optional<std::vector<float>>>(), "optional<vector<f32>>"},
    {description_of<std::variant<Get, Put, List>>(), "variant<{string} {string string} {optional<u32> bool}>"},
    {description_of<Versioned>(), "{vector<{f32 f32 f32}>}#points/3"},
    {description_of<Node>(), "{optional<string> vector<^2> vector<(string vector<^4>)>}"},
    {description_of<Nested>(),
     "{(u8 variant<{string} {string string}>) vector<vector<optional<{vector<{f32 f32 f32}>}#points/3>>>}"},
    {description_of<Hidden>(), "opaque(4,4)"},
    {description_of<Either>(), "opaque(4,4)"},
    {description_of<Tagged>(), "opaque(8,4)"},
    {description_of<Bits>(), "opaque(4,4)"},
    {description_of<Wide>(), "{f32[8]}"},
    {description_of<Outer>(), "{i32 opaque(4,4) opaque(4,4)}"},
};

consteval bool all_are_as_expected() {
  for (const Described& one : list) {
    if (one.text != one.expected) return false;
  }
  return true;
}
static_assert(all_are_as_expected(), "this compiler describes a type in words of its own");

TEST_CASE("described types: a list of types has the same texts from every compiler") {
  for (const Described& one : list) CHECK(one.text == one.expected);
}

}  // namespace described_types_test
