// Options and handlers that cannot be meant: refused before any system object is made.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <functional>
#include <limits>

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace bad_options_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

using Numbers = SharedChannel<int>;
using Catch::Matchers::Contains;

// A server with `options` is refused without a trace.
Error refused(const ServerOptions& options) {
  const auto name = unique_name("options");
  const Footprint before(name);
  auto server = Numbers::Server::create(name, options);
  CHECK(Footprint(name) == before);
  REQUIRE_FALSE(server);
  CHECK(server.error().code() == Errc::invalid_argument);
  return server.error();
}

Error refused_slots(unsigned slots) {
  ServerOptions options;
  options.max_calls = slots;
  return refused(options);
}

Error refused_threads(unsigned threads) {
  ServerOptions options;
  options.threads = threads;
  return refused(options);
}

Error refused_access(const Access& access) {
  ServerOptions options;
  options.access = access;
  return refused(options);
}

constexpr unsigned most = (std::numeric_limits<unsigned>::max)();

}  // namespace

TEST_CASE("bad options: no slots") {
  CHECK_THAT(refused_slots(0).message(), Contains("max_calls is 0; it must be from 1 to 4096"));
}

TEST_CASE("bad options: too many slots") {
  CHECK_THAT(refused_slots(4097).message(), Contains("max_calls is 4097; it must be from 1 to 4096"));
  (void)refused_slots(most);
}

TEST_CASE("bad options: no threads") {
  CHECK_THAT(refused_threads(0).message(), Contains("threads is 0; it must be from 1 to 256"));
}

TEST_CASE("bad options: too many threads") {
  CHECK_THAT(refused_threads(257).message(), Contains("threads is 257; it must be from 1 to 256"));
  (void)refused_threads(most);
}

TEST_CASE("bad options: a negative spin of the server") {
  for (const auto spin : {-1ns, std::chrono::nanoseconds::min()}) {
    ServerOptions options;
    options.wait.spin = spin;
    CHECK_THAT(refused(options).message(), Contains("spin is negative"));
  }
}

TEST_CASE("bad options: a negative spin of the client") {
  const auto name = unique_name("options");
  const Footprint before(name);
  for (const auto spin : {-1ns, std::chrono::nanoseconds::min()}) {
    ClientOptions options;
    options.wait.spin = spin;
    const auto client = Numbers::Client::create(name, options);
    REQUIRE(error_of(client) == Errc::invalid_argument);
    CHECK_THAT(client.error().message(), Contains("spin is negative"));
  }
  CHECK(Footprint(name) == before);
}

#ifdef _WIN32

TEST_CASE("bad options: access by mode on Win32") {
  CHECK_THAT(refused_access(Access::mode(0660)).message(), Contains("Access::mode is for Linux"));
}

TEST_CASE("bad options: access by invalid SDDL keeps the system's code") {
  for (const char* sddl : {"nonsense", "D:P(A;;GA;;;", "D:P(A;;GA;;;NOSUCHSID)"}) {
    CAPTURE(sddl);
    CHECK(refused_access(Access::sddl(sddl)).native() != 0);
  }
}

TEST_CASE("bad options: access by SDDL that says nothing") {
  for (const char* sddl : {"", "O:BA"}) {
    CAPTURE(sddl);
    CHECK_THAT(refused_access(Access::sddl(sddl)).message(), Contains("no DACL") || Contains("not valid SDDL"));
  }
}

#else

TEST_CASE("bad options: access by SDDL on Linux") {
  CHECK_THAT(refused_access(Access::sddl("D:P(A;;GA;;;BA)")).message(), Contains("Access::sddl is for Win32"));
}

TEST_CASE("bad options: access by bits that are no permissions") {
  for (const unsigned bits : {010600u, 04600u, 0100600u, most}) {
    CHECK_THAT(refused_access(Access::mode(bits)).message(), Contains("permission bits up to 0777"));
  }
}

TEST_CASE("bad options: access for a number that is no group") {
  for (const std::int64_t group : {std::int64_t{-2}, std::int64_t{0xFFFF'FFFF}, std::int64_t{1} << 32,
                                   (std::numeric_limits<std::int64_t>::max)()}) {
    CHECK_THAT(refused_access(Access::mode(0660, group)).message(), Contains("takes a group id"));
  }
}

TEST_CASE("bad options: access that locks out the owner") {
  for (const unsigned bits : {0u, 0400u, 0200u, 0066u, 0177u}) {
    CHECK_THAT(refused_access(Access::mode(bits)).message(), Contains("include the owner's 0600"));
  }
}

#endif

TEST_CASE("bad options: the name is looked at first") {
  ServerOptions options;
  options.max_calls = 0;
  CHECK(error_of(Numbers::Server::create("no/name", options)) == Errc::invalid_name);
}

TEST_CASE("bad options: an empty std::function as the handler") {
  const auto name = unique_name("handler");
  Numbers::Server server(name);
  const std::function<int(const int&)> empty;
  CHECK(error_of(server.start(empty)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(empty)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(empty, std::stop_token())) == Errc::invalid_argument);
  CHECK(error_of(server.serve_one(empty, 0ns)) == Errc::invalid_argument);
  CHECK(error_of(server.start(std::function<void(int&)>())) == Errc::invalid_argument);
  CHECK(error_of(server.start(std::function<void(const int&, int&)>())) == Errc::invalid_argument);
  CHECK_THAT(server.start(empty).error().message(), Contains("the handler is empty"));
}

TEST_CASE("bad options: a null function pointer as the handler") {
  Numbers::Server server(unique_name("handler"));
  int (*returning)(const int&) = nullptr;
  void (*in_place)(const int&, int&) = nullptr;
  void (*in_out)(int&) = nullptr;
  CHECK(error_of(server.start(returning)) == Errc::invalid_argument);
  CHECK(error_of(server.start(in_place)) == Errc::invalid_argument);
  CHECK(error_of(server.start(in_out)) == Errc::invalid_argument);
  CHECK(error_of(server.serve(returning)) == Errc::invalid_argument);
  CHECK(error_of(server.serve_one(returning, 0ns)) == Errc::invalid_argument);
}

TEST_CASE("bad options: after a bad handler the server still takes a good one") {
  const auto name = unique_name("handler");
  Numbers::Server server(name);
  CHECK(error_of(server.start(std::function<int(int)>())) == Errc::invalid_argument);
  CHECK_FALSE(error_of(server.start([](int value) { return value + 1; })));
  CHECK(Numbers::Client(name).call(1, amply).value() == 2);
}

}  // namespace bad_options_test
