#include "support/catch.hpp"

#include <shared_channel/result.hpp>

#include <array>
#include <memory>
#include <string>

#include "support/errors.hpp"

namespace result_test {

using namespace shared_channel;

static Error problem() { return Error(Errc::busy, "name", "a cause"); }

TEST_CASE("result: a value is there to be used") {
  Result<std::string> result(std::string("text"));
  REQUIRE(result);
  CHECK(result.has_value());
  CHECK(*result == "text");
  CHECK(result->size() == 4);
  CHECK(result.value() == "text");
  CHECK(result.value_or("other") == "text");
  result->append("ual");
  CHECK(std::move(result).value() == "textual");
}

TEST_CASE("result: an error takes the value's place") {
  const Result<int> result(problem());
  CHECK_FALSE(result);
  CHECK_FALSE(result.has_value());
  CHECK(result.error().code() == Errc::busy);
  CHECK(result.value_or(7) == 7);
  CHECK_THROWS_AS(result.value(), ChannelException);
}

TEST_CASE("result: without a value it is success or an error") {
  const Result<void> success;
  CHECK(success);
  CHECK_NOTHROW(success.value());
  const Result<void> failure(problem());
  CHECK_FALSE(failure);
  CHECK(failure.error().code() == Errc::busy);
  CHECK_THROWS_AS(failure.value(), ChannelException);
  const Result<void> copy = failure;
  CHECK(copy.error().message() == failure.error().message());
}

TEST_CASE("result: it carries what can only be moved") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  const std::unique_ptr<int> taken = *std::move(result);
  CHECK(*taken == 3);
}

TEST_CASE("result: a large value lives on the heap and copies like a value") {
  using Large = std::array<char, 100'000>;
  CHECK(sizeof(Result<Large>) < 1000);
  Large letters;
  letters.fill('x');
  Result<Large> result(letters);
  Result<Large> copy = result;
  (*copy)[0] = 'y';
  CHECK((*result)[0] == 'x');
  CHECK((*copy)[0] == 'y');
  result = copy;
  CHECK(*result == *copy);
  const Result<Large> moved(std::move(copy));
  result = copy;  // what was moved from may be copied, though not read
  copy = moved;
  CHECK((*copy)[0] == 'y');
}

}  // namespace result_test
