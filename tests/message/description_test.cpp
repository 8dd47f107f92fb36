// The texts of types, which every compiler must make alike.
#include "support/catch.hpp"

#include <shared_channel/description.hpp>
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace description_test {

using namespace shared_channel;

enum class Colour : std::uint16_t { red };
struct Sum {
  std::int32_t left;
  std::int32_t right;
};
struct Named {
  char name[64];
  Sum sums[2][3];
  bool is_set;
  Colour colour;
  std::uint32_t reserved;  // so that `at` lies alike in 32-bit programs, whose f64 are aligned to 4
  std::array<double, 3> at;
};
struct Schema {
  static constexpr std::string_view schema = "geometry/2";
  float x;
};
struct Holder {
  Schema inner;
  std::vector<Schema> more;
};
struct Tree {
  std::string text;
  std::vector<Tree> children;
};
class Private {
 public:
  Private() = default;
  [[nodiscard]] int value() const { return value_; }

 private:
  int value_ = 0;
};
union Union {
  float f;
  std::int32_t i;
};
struct WithUnion {
  std::int32_t tag;
  Union value;
};
struct WithAnonymousUnion {
  std::int32_t tag;
  union {
    float f;
    std::int32_t i;
  };
};
struct AlignedMember {  // in 32-bit Linux programs its last member lies at 12
  alignas(8) std::uint64_t id;
  std::int32_t count;
  double value;
};
struct alignas(8) AlignedPair {
  std::int32_t first;
  std::int64_t second;
};
#pragma pack(push, 1)
struct PackedNumber {
  std::uint32_t value;
};
#pragma pack(pop)
struct WithPacked {  // as large as if its second member lay at 4
  std::uint8_t first;
  PackedNumber second;
  std::uint64_t third;
};
struct BitFieldsThatAddUp {
  std::uint32_t low : 20;
  std::uint32_t high : 20;
};
struct BitFieldsOfWholeTypes {
  bool is_set : 1;
  std::uint32_t value : 32;
};
struct WithBitFields {
  std::uint32_t first;
  BitFieldsThatAddUp second;
};
struct WithoutBitFields {
  const std::int32_t first;
  Sum sums[2];
  Colour colour;
  mutable std::int32_t third;
  std::uint16_t numbers[3];
};
struct ConstantBitFields {
  const std::uint16_t low : 8;
  const std::uint8_t middle;
  const std::uint8_t high;
};
enum Mode { off, on };
enum Fixed : std::uint8_t { fixed };
enum class Checked : std::uint16_t { right };
struct WithChecked {
  Checked checked;
  std::uint16_t number;
};
struct Table {
  std::string schema;
  std::string name;
};
struct BitField {
  std::uint32_t low : 4;
  std::uint32_t high : 28;
};
struct Derived : Sum {
  std::int32_t third;
};
#pragma pack(push, 1)
struct Packed {
  char c;
  std::int32_t i;
};
struct LongPacked {
  char c;
  std::int32_t first;
  std::int32_t second;
  std::int32_t third;
};
#pragma pack(pop)
struct Padded {
  char c;
  std::int32_t i;
  char d;
};
struct alignas(64) OverAligned {
  std::int32_t i;
};
struct Empty {};
struct NotBraced {
  struct Member {
    explicit Member(int) {}
    int value = 0;
  };
  std::int32_t first;
  Member second;
};
struct ThirtyTwo {
  char a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af;
};
struct ThirtyThree {
  char a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag;
};
struct Own {
  std::map<int, int> values;
};

}  // namespace description_test

template <>
struct shared_channel::Codec<description_test::Own> {
  static std::size_t size(const description_test::Own&) { return 0; }
  static void encode(const description_test::Own&, std::span<std::byte>) {}
  static std::optional<description_test::Own> decode(std::span<const std::byte>) { return std::nullopt; }
};

template <>
struct shared_channel::Codec<description_test::Checked> {
  static std::size_t size(const description_test::Checked&) { return 1; }
  static void encode(const description_test::Checked&, std::span<std::byte>) {}
  static std::optional<description_test::Checked> decode(std::span<const std::byte>) { return std::nullopt; }
};

namespace description_test {

template <class T>
std::string text() {
  return std::string(description_of<T>());
}

TEST_CASE("description: scalars by kind and size, enumerations by what they are made of") {
  CHECK(text<bool>() == "bool");
  CHECK(text<char>() == "char");
  CHECK(text<signed char>() == "i8");
  CHECK(text<unsigned char>() == "u8");
  CHECK(text<std::byte>() == "u8");
  CHECK(text<char8_t>() == "u8");
  CHECK(text<char16_t>() == "u16");
  CHECK(text<std::int16_t>() == "i16");
  CHECK(text<std::uint32_t>() == "u32");
  CHECK(text<long>() == (sizeof(long) == 8 ? "i64" : "i32"));
  CHECK(text<unsigned long long>() == "u64");
  CHECK(text<wchar_t>() == (sizeof(wchar_t) == 4 ? "u32" : "u16"));
  CHECK(text<float>() == "f32");
  CHECK(text<double>() == "f64");
  CHECK(text<Colour>() == "u16");
  CHECK(text<Fixed>() == "u8");
  CHECK(text<Mode>() == "i32");  // of which GCC makes an unsigned int, MSVC an int
  CHECK(text<std::array<const volatile bool, 2>>() == "bool[2]");
  CHECK(text<std::pair<volatile float, std::string>>() == "(f32 string)");
}

TEST_CASE("description: aggregates are taken apart, arrays included") {
  CHECK(text<Sum>() == "{i32 i32}");
  CHECK(text<Padded>() == "{char i32 char}");
  CHECK(text<Named>() == "{char[64] {i32 i32}[3][2] bool u16 u32 f64[3]}");
  CHECK(text<std::pair<float, std::string>>() == "(f32 string)");
  CHECK(text<std::tuple<std::uint8_t, Sum>>() == "(u8 {i32 i32})");
  std::string all = "{char";
  for (int i = 1; i < 32; ++i) all += " char";
  CHECK(text<ThirtyTwo>() == all + "}");
}

TEST_CASE("description: messages of variable length") {
  CHECK(text<Bytes>() == "bytes");
  CHECK(text<std::string>() == "string");
  CHECK(text<std::vector<std::uint8_t>>() == "vector<u8>");
  CHECK(text<std::optional<std::uint16_t>>() == "optional<u16>");
  CHECK(text<std::variant<std::tuple<std::string>, std::pair<std::string, std::string>>>() ==
        "variant<(string) (string string)>");
  CHECK(text<Tree>() == "{string vector<^2>}");
  CHECK(text<Own>() == "opaque");
  CHECK(text<Checked>() == "opaque");
  CHECK(text<std::pair<Checked, std::string>>() == "(opaque string)");
  CHECK(text<WithChecked>() == "{u16 u16}");  // as it lies in memory
}

TEST_CASE("description: where members lie otherwise than their types say, it is opaque") {
  constexpr bool is_natural = alignof(AlignedMember) == 8 && offsetof(AlignedMember, value) == 16;
  CHECK(text<AlignedMember>() == (is_natural ? "{u64 i32 f64}" : "opaque(24,8)"));
  CHECK(text<AlignedPair>() == (is_natural ? "{i32 i64}" : "opaque(16,8)"));
  CHECK(text<WithPacked>() == "opaque(16," + std::to_string(alignof(WithPacked)) + ")");
  CHECK(text<BitFieldsThatAddUp>() == "opaque(8,4)");
  CHECK(text<BitFieldsOfWholeTypes>() == "opaque(8,4)");
  CHECK(text<ConstantBitFields>() == "opaque(4,2)");
  CHECK(text<WithBitFields>() == "{u32 opaque(8,4)}");
  CHECK(text<WithoutBitFields>() == "{i32 {i32 i32}[2] u16 i32 u16[3]}");
}

TEST_CASE("description: what cannot be taken apart is opaque") {
  CHECK(text<Private>() == "opaque(4,4)");
  CHECK(text<Union>() == "opaque(4,4)");
  CHECK(text<WithUnion>() == "opaque(8,4)");
  CHECK(text<WithAnonymousUnion>() == "opaque(8,4)");
  CHECK(text<Derived>() == "opaque(12,4)");
  CHECK(text<BitField>() == "opaque(4,4)");
  CHECK(text<Packed>() == "opaque(5,1)");
  CHECK(text<LongPacked>() == "opaque(13,1)");  // shorter than what its members would read
  CHECK(text<OverAligned>() == "opaque(64,64)");
  CHECK(text<Empty>() == "opaque(1,1)");
  CHECK(text<NotBraced>() == "opaque(8,4)");
  CHECK(text<ThirtyThree>() == "opaque(33,1)");
}

TEST_CASE("description: a schema follows its type") {
  CHECK(text<Schema>() == "{f32}#geometry/2");
  CHECK(text<Table>() == "{string string}");  // a member is no schema
  CHECK(text<Holder>() == "{{f32}#geometry/2 vector<{f32}#geometry/2>}");
}

}  // namespace description_test
