#include "support/catch.hpp"

#include <shared_channel/error.hpp>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "support/error_codes.hpp"

namespace error_test {

using namespace shared_channel;

static Error problem() { return Error(Errc::busy, "name", "a cause"); }

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

}  // namespace error_test
