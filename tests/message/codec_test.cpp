// Values become bytes and back; bytes that are no value are told, whatever they are.
#include "support/catch.hpp"

#include <shared_channel/codec.hpp>
#include <shared_channel/detail/message/message.hpp>

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace codec_test {

using namespace shared_channel;

namespace {

using Frame = std::vector<std::byte>;

template <class T>
Frame encoded(const T& value) {
  Frame bytes(Codec<T>::size(value));
  Codec<T>::encode(value, bytes);
  return bytes;
}

// From memory of exactly that length, so that a sanitizer sees each byte read beyond it.
template <class T>
std::optional<T> decoded(const Frame& bytes) {
  const Frame exact(bytes);
  return Codec<T>::decode(exact);
}

struct Point {
  std::int32_t x, y;
  bool operator==(const Point&) const = default;
};
struct Person {
  std::string name;
  std::uint32_t age;
  std::vector<std::string> tongues;
  std::optional<std::string> note;
  bool operator==(const Person&) const = default;
};
struct Album {
  std::string title;
  std::tuple<std::int32_t, std::vector<float>> rating;
  std::string more;
  std::vector<std::string> yet_more;
  bool operator==(const Album&) const = default;
};
struct Eight {
  std::string a, b;
  std::uint32_t c;
  Point d;
  std::optional<Point> e;
  std::vector<bool> f;
  std::array<std::string, 2> g;
  std::variant<Point, std::string> h;
  bool operator==(const Eight&) const = default;
};
struct Tree {
  std::string name;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
};
class NoDefault {
 public:
  explicit NoDefault(std::int32_t value) : value_(value) {}
  bool operator==(const NoDefault&) const = default;

 private:
  std::int32_t value_;
};

template <class T>
void check_round_trip(const T& value) {
  const Frame bytes = encoded(value);
  const auto back = decoded<T>(bytes);
  REQUIRE(back.has_value());
  CHECK((*back == value));
}

// Whatever comes of hostile bytes is a value like others, and those bytes are its encoding (padding aside).
template <class T>
void check_hostile(const Frame& bytes) {
  if (const auto value = decoded<T>(bytes)) {
    const Frame again = encoded(*value);
    if (again.size() != bytes.size()) FAIL("two encodings of one value");
    if (again != bytes && !(decoded<T>(again) == value)) FAIL("no value");
  }
}

template <class T>
void check_truncations(const T& value) {
  const Frame bytes = encoded(value);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    check_hostile<T>(Frame(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
  }
}

template <class T>
void check_mutations(const T& value) {
  std::mt19937 random(20);
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  const Frame good = encoded(value);
  for (int round = 0; round < 5000; ++round) {
    Frame bytes = good;
    for (std::size_t change = 0; change <= below(4); ++change) {
      switch (below(4)) {
        case 0:
          if (!bytes.empty()) bytes[below(bytes.size())] = static_cast<std::byte>(below(256));
          break;
        case 1:
          if (!bytes.empty()) bytes[below(bytes.size())] = below(2) == 0 ? std::byte{0} : std::byte{0xFF};
          break;
        case 2:
          bytes.resize(below(2 * bytes.size() + 8));
          break;
        case 3:
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                       static_cast<std::byte>(below(256)));
          break;
      }
    }
    check_hostile<T>(bytes);
  }
}

template <class T>
void check_all(const T& value) {
  check_round_trip(value);
  check_truncations(value);
  check_mutations(value);
}

Eight eight() {
  return {"a", std::string(1000, 'b'), 3, {4, 5}, Point{6, 7}, {true, false, true}, {"g", ""}, std::string("h")};
}

}  // namespace

TEST_CASE("codec: trivially copyable types are their bytes") {
  check_all<std::int32_t>(-7);
  check_all(Point{1, 2});
  check_all(std::array<std::uint16_t, 3>{1, 2, 3});
  check_all(NoDefault(8));
  CHECK(encoded(Point{1, 2}).size() == sizeof(Point));
}

TEST_CASE("codec: strings come back as they went") {
  check_all(std::string());
  check_all(std::string("text"));
  check_all(std::string("\0 inside\xFF", 9));
  check_all(std::u16string(u"wide"));
  CHECK(encoded(std::string("text")).size() == 4);
}

TEST_CASE("codec: vectors of trivially copyable elements") {
  check_all(std::vector<float>{});
  check_all(std::vector<std::uint32_t>{1, 2, 3});
  check_all(std::vector<Point>{{1, 2}, {3, 4}});
  check_all(std::vector<NoDefault>{NoDefault(1), NoDefault(2)});
  CHECK(encoded(std::vector<std::uint16_t>(5)).size() == 10);
}

TEST_CASE("codec: vectors of anything else") {
  check_all(std::vector<bool>{true, false, true});
  check_all(std::vector<std::string>{"", "one", std::string(100, 'x')});
  check_all(std::vector<std::vector<std::uint8_t>>{{}, {1}, {2, 3}});
  check_all(std::vector<std::optional<std::uint8_t>>{1, std::nullopt});
}

TEST_CASE("codec: arrays, pairs and tuples") {
  check_all(std::array<std::string, 3>{"a", "", "c"});
  check_all(std::array<std::string, 100>{});
  check_all(std::array<std::optional<std::int32_t>, 2>{1, std::nullopt});
  check_all(std::array<std::optional<std::int32_t>, 0>{});
  check_all(std::pair<std::string, std::int32_t>("a", 1));
  check_all(std::pair<std::int32_t, std::int32_t>(1, 2));
  check_all(std::tuple<std::string, std::int32_t, std::vector<std::string>>("a", 1, {"b"}));
  check_all(std::tuple<std::string>("a"));
  check_all(std::tuple<>());
  check_all(Album{"a", {1, {2.5f}}, "b", {"c"}});
}

TEST_CASE("codec: optionals") {
  using Nested = std::optional<std::optional<std::string>>;
  check_all(std::optional<std::int32_t>(1));
  check_all(std::optional<std::int32_t>());
  check_all(std::optional<std::string>("text"));
  check_all(Nested());
  check_all(Nested(std::in_place));
  check_all(Nested(std::in_place, "text"));
}

TEST_CASE("codec: variants") {
  using Twice = std::variant<std::string, std::string>;
  using Mixed = std::variant<std::monostate, std::int32_t, std::string, std::vector<std::string>>;
  check_all(Mixed());
  check_all(Mixed(5));
  check_all(Mixed("text"));
  check_all(Mixed(std::vector<std::string>{"a", "b"}));
  check_all(std::variant<std::int32_t, float>(1.5f));
  check_all(Twice(std::in_place_index<1>, "second"));
}

TEST_CASE("codec: aggregates of up to 8 members") {
  check_all(Person{"Ada", 36, {"English", "French"}, "note"});
  check_all(Person{});
  check_all(eight());
  check_all(std::vector<Person>{{"Ada", 36, {"English"}, {}}, {}});
  check_all(std::variant<Person, Eight>(eight()));
}

TEST_CASE("codec: a tag out of range is malformed") {
  CHECK_FALSE(decoded<bool>({std::byte{2}}));
  CHECK(decoded<std::pair<const bool, std::string>>({std::byte{1}, {}, {}, {}, {}}));
  CHECK_FALSE(decoded<std::pair<const bool, std::string>>({std::byte{2}, {}, {}, {}, {}}));
  CHECK_FALSE(decoded<std::vector<bool>>({std::byte{1}, std::byte{2}}));
  CHECK_FALSE(decoded<std::optional<std::uint8_t>>({std::byte{2}, std::byte{0}}));
  using Choice = std::variant<std::uint8_t, std::int8_t>;
  Frame third = encoded(Choice(std::in_place_index<1>, std::int8_t{1}));
  third[0] = std::byte{2};
  CHECK_FALSE(decoded<Choice>(third));
  third[3] = std::byte{0xFF};
  CHECK_FALSE(decoded<Choice>(third));
}

TEST_CASE("codec: optionals and variants are never taken by their bytes") {
  CHECK_FALSE(detail::FixedMessage<std::optional<int>>);
  CHECK_FALSE(detail::FixedMessage<std::variant<int, float>>);
  CHECK_FALSE(detail::FixedMessage<std::array<std::optional<int>, 2>>);
  CHECK(detail::CodedMessage<std::optional<int>>);
  CHECK(detail::FixedMessage<int>);
  CHECK(detail::FixedMessage<Point>);
  CHECK(detail::CodedMessage<std::string>);
}

TEST_CASE("codec: what follows a value is malformed") {
  Frame bytes = encoded(Person{"Ada", 36, {}, {}});
  bytes.push_back(std::byte{0});
  CHECK_FALSE(decoded<Person>(bytes));
  CHECK_FALSE(decoded<std::uint32_t>(Frame(5)));
  CHECK_FALSE(decoded<std::vector<std::uint32_t>>(Frame(7)));
}

TEST_CASE("codec: a length beyond the frame allocates nothing") {
  Frame bytes(8, std::byte{0xFF});
  CHECK_FALSE(decoded<std::vector<std::string>>(bytes));
  CHECK_FALSE(decoded<Person>(bytes));
  CHECK_FALSE(decoded<std::vector<std::vector<std::vector<std::string>>>>(bytes));
}

TEST_CASE("codec: a type may contain itself") {
  check_all(Tree{"root", {{"left", {}}, {"right", {{"leaf", {}}}}}});
  Tree tall{"leaf", {}};
  for (int level = 0; level < 99; ++level) {
    Tree root{"", {}};
    root.children.push_back(std::move(tall));
    tall = std::move(root);
  }
  check_round_trip(tall);
}

TEST_CASE("codec: a frame nested to its very end does not exhaust the stack") {
  const auto write = [](Frame& bytes, std::size_t at, std::size_t value) {
    const auto length = static_cast<std::uint32_t>(value);
    std::memcpy(bytes.data() + at, &length, sizeof length);
  };
  // A nameless tree: name's length, children's length, and for its one child a length and the child.
  Frame bytes(std::size_t{12} * 100'000);
  for (std::size_t at = 0; at + 12 <= bytes.size(); at += 12) {
    write(bytes, at, 0);
    write(bytes, at + 4, bytes.size() - at - 8);
    write(bytes, at + 8, bytes.size() - at - 12);
  }
  CHECK_FALSE(decoded<Tree>(bytes));
  check_round_trip(Tree{"and the thread decodes on", {}});
}

namespace {

// Without contents it takes a few bytes of a frame, and 30,000 of the stack.
struct Large {
  std::optional<std::array<char, 30'000>> contents;
  std::vector<Large> children;
};

}  // namespace

TEST_CASE("codec: a few bytes that decode into large values within each other do not exhaust the stack") {
  Large tall;
  for (int level = 0; level < 98; ++level) {
    Large root;
    root.children.push_back(std::move(tall));
    tall = std::move(root);
  }
  const Frame bytes = encoded(tall);
  CHECK(bytes.size() < 2000);
  CHECK_FALSE(decoded<Large>(bytes));

  Large wide;
  for (int child = 0; child < 3; ++child) wide.children.push_back({std::array<char, 30'000>{}, {}});
  CHECK(decoded<Large>(encoded(wide)).value().children.size() == 3);
}

// ---- codecs of one's own ----------------------------------------------------------------------------

namespace {

struct Handle {  // trivially copyable, and its bytes mean nothing elsewhere
  const char* text;
};
struct Unique {
  std::unique_ptr<std::int32_t> value;
};
struct Boundless {};

}  // namespace

}  // namespace codec_test

template <>
struct shared_channel::Codec<codec_test::Handle> {
  static std::size_t size(const codec_test::Handle& handle) { return std::strlen(handle.text); }
  static void encode(const codec_test::Handle& handle, std::span<std::byte> out) {
    std::memcpy(out.data(), handle.text, out.size());
  }
  static std::optional<codec_test::Handle> decode(std::span<const std::byte> in) {
    return in.size() == 3 ? std::optional(codec_test::Handle{"yes"}) : std::nullopt;
  }
};
template <>
struct shared_channel::Codec<codec_test::Unique> {
  static std::size_t size(const codec_test::Unique&) { return 4; }
  static void encode(const codec_test::Unique& unique, std::span<std::byte> out) {
    std::memcpy(out.data(), unique.value.get(), 4);
  }
  static std::optional<codec_test::Unique> decode(std::span<const std::byte> in) {
    if (in.size() != 4) return std::nullopt;
    codec_test::Unique unique{std::make_unique<std::int32_t>()};
    std::memcpy(unique.value.get(), in.data(), 4);
    return unique;
  }
};
template <>
struct shared_channel::Codec<codec_test::Boundless> {
  static std::size_t size(const codec_test::Boundless&) { return (std::numeric_limits<std::size_t>::max)(); }
  static void encode(const codec_test::Boundless&, std::span<std::byte>) {}
  static std::optional<codec_test::Boundless> decode(std::span<const std::byte>) { return codec_test::Boundless{}; }
};

namespace codec_test {

TEST_CASE("codec: one's own holds for a part of something as well") {
  CHECK(detail::CodedMessage<Handle>);
  CHECK(encoded(std::vector<Handle>{{"yes"}, {"no"}}).size() == 4 + 3 + 4 + 2);
  CHECK(std::string(decoded<std::optional<Handle>>(encoded(std::optional(Handle{"abc"}))).value()->text) == "yes");
  CHECK_FALSE(decoded<std::vector<Handle>>(encoded(std::vector<Handle>{{"no"}})));
}

TEST_CASE("codec: parts that can only be moved") {
  std::vector<Unique> many;
  many.push_back({std::make_unique<std::int32_t>(1)});
  many.push_back({std::make_unique<std::int32_t>(2)});
  CHECK(*decoded<std::vector<Unique>>(encoded(many)).value()[1].value == 2);
  const std::array<Unique, 1> one{{{std::make_unique<std::int32_t>(3)}}};
  CHECK(*decoded<std::array<Unique, 1>>(encoded(one)).value()[0].value == 3);
  std::vector<std::variant<std::string, Unique>> others;
  others.emplace_back(Unique{std::make_unique<std::int32_t>(4)});
  CHECK(*std::get<Unique>(decoded<std::vector<std::variant<std::string, Unique>>>(encoded(others)).value()[0]).value ==
        4);
}

TEST_CASE("codec: sizes do not overflow") {
  constexpr auto most = (std::numeric_limits<std::size_t>::max)();
  CHECK(Codec<std::vector<Boundless>>::size(std::vector<Boundless>(3)) >= most - 4);
  CHECK(Codec<std::pair<std::string, std::optional<Boundless>>>::size({"a", Boundless{}}) == most);
  CHECK(Codec<std::variant<Boundless, std::string>>::size(Boundless{}) == most);
}

}  // namespace codec_test
