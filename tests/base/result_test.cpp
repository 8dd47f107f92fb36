#include "support/catch.hpp"

#include <shared_channel/result.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "support/error_codes.hpp"
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

TEST_CASE("error: the message names the channel and the cause") {
  CHECK(problem().message() == "shared channel 'name': a cause");
  CHECK(problem().native() == 0);
}

TEST_CASE("error: the system's own code is kept and told") {
  const Error error(Errc::access_denied, "name", "a cause", 13);
  CHECK(error.native() == 13);
  CHECK_THAT(error.message(), Catch::Matchers::Contains("a cause (system error 13: "));
}

TEST_CASE("error: one of no channel is its cause alone") {
  CHECK(Error(Errc::busy, "", "too much to do").message() == "too much to do");
  CHECK_THAT(Error(Errc::handler_failed, "", "disk", 5).message(),
             Catch::Matchers::StartsWith("disk (system error 5: "));
}

TEST_CASE("error: one made by hand claims 'not executed' only where the code says so") {
  const std::vector<Errc> perhaps = {Errc::server_died, Errc::timed_out,     Errc::cancelled,   Errc::handler_failed,
                                     Errc::corrupt,     Errc::out_of_memory, Errc::system_error};
  for (const Errc errc : test_support::error_codes()) {
    INFO(to_string(errc));
    const bool is_perhaps = std::find(perhaps.begin(), perhaps.end(), errc) != perhaps.end();
    CHECK(Error(errc, "name", "a cause").not_executed() == !is_perhaps);
    CHECK(Error(errc, "name", "a cause", 5).not_executed() == !is_perhaps);
    CHECK(Error(errc, "name", "a cause", 0, Execution::none).not_executed());
  }
}

TEST_CASE("error: only what certainly did not run is not executed") {
  CHECK(problem().not_executed());
  CHECK_FALSE(Error(Errc::timed_out, "name", "a cause", 0, Execution::possible).not_executed());
}

TEST_CASE("error: only what did not run and may pass is safe to retry") {
  const std::vector<Errc> passing = {Errc::no_server, Errc::server_stopped, Errc::server_died,
                                     Errc::busy,      Errc::timed_out,      Errc::cancelled};
  for (const Errc errc : test_support::error_codes()) {
    INFO(to_string(errc));
    const bool passes = std::find(passing.begin(), passing.end(), errc) != passing.end();
    CHECK(Error(errc, "name", "a cause", 0, Execution::none).safe_to_retry() == passes);
    CHECK_FALSE(Error(errc, "name", "a cause", 0, Execution::possible).safe_to_retry());
  }
}

TEST_CASE("error: a code is a std::error_code of its own category, and none of them says success") {
  for (const Errc code : test_support::error_codes()) {
    const std::error_code portable = code;
    CHECK(portable);
    CHECK(portable == code);
    CHECK(portable.message() == to_string(code));
  }
  CHECK(std::string(make_error_code(Errc::busy).category().name()) == "shared_channel");
  CHECK(make_error_code(Errc::busy) != make_error_code(Errc::timed_out));
  CHECK(make_error_code(Errc::invalid_name) != std::error_code(1, std::generic_category()));
}

}  // namespace result_test
