// Names that no channel can have: refused before any system object is made.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <string>

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace bad_name_test {

using namespace shared_channel;
using namespace std::string_literals;
using namespace test_support;

namespace {

using Numbers = SharedChannel<int>;

// Both ends refuse `name`, with a sentence and without a trace.
void check_refused(const std::string& name) {
  CAPTURE(name);
  const Footprint before("");
  const auto server = Numbers::Server::create(name);
  const auto client = Numbers::Client::create(name);
  CHECK(error_of(server) == Errc::invalid_name);
  CHECK(error_of(client) == Errc::invalid_name);
  if (!server) {
    CHECK(server.error().native() == 0);
    CHECK(server.error().not_executed());
    for (const char letter : server.error().message()) CHECK((letter >= ' ' && letter <= '~'));
  }
  const Footprint after("");
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.threads == before.threads);
  for (const auto& object : after.shared_memory) {
    CHECK_FALSE((object == "shared_channel." + name || object.starts_with("shared_channel." + name + '.')));
  }
}

void check_works(const std::string& name) {
  CAPTURE(name);
  Numbers::Server server(name);
  CHECK_FALSE(error_of(server.start([](int value) { return value + 1; })));
  CHECK(Numbers::Client(name).call(1, amply).value() == 2);
}

}  // namespace

TEST_CASE("bad name: an empty one is refused") {
  check_refused("");
  check_refused(std::string(std::string_view()));
  CHECK(error_of(Numbers::Client::create(std::string_view())) == Errc::invalid_name);
}

TEST_CASE("bad name: too long") {
  const auto name = unique_name("long");
  check_works(name + std::string(max_name_length - name.size(), 'x'));
  check_refused(name + std::string(max_name_length - name.size() + 1, 'x'));
  check_refused(name + std::string(5000, 'x'));
}

TEST_CASE("bad name: of one that is too long, too, only what upsets no terminal is shown") {
  const std::string_view beginning("\x1b[2J\n\0 \xff", 8);
  const auto refusal = Numbers::Client::create(std::string(beginning) + std::string(max_name_length, 'x'));
  REQUIRE(error_of(refusal) == Errc::invalid_name);
  for (const char c : refusal.error().message()) CHECK((c >= ' ' && c <= '~'));
}

TEST_CASE("bad name: separators") {
  for (const char* name : {"/name", "na/me", "name/", "../name", "\\name", "na\\me", "name\\"}) check_refused(name);
}

TEST_CASE("bad name: sessions of Win32") {
  for (const char* name : {"Global\\name", "Local\\name", "Global/name", "name:server", ":name"}) check_refused(name);
}

TEST_CASE("bad name: dots alone") {
  check_refused(".");
  check_refused("..");
  check_works(unique_name("dots") + "..");
  check_works("." + unique_name("dots"));
}

TEST_CASE("bad name: control characters") {
  for (const char letter : {'\1', '\t', '\n', '\r', '\x1b', '\x7f'}) check_refused("na"s + letter + "me");
}

TEST_CASE("bad name: NUL inside") {
  check_refused("na\0me"s);
  check_refused("\0"s);
  check_refused("name\0"s);
}

TEST_CASE("bad name: blanks and other signs") {
  for (const char letter : " !\"#$%&'()*+,;<=>?@[]^`{|}~"s) check_refused("na"s + letter + "me");
}

TEST_CASE("bad name: letters beyond ASCII") {
  for (const char* name : {"gr\xc3\xbc\xc3\x9f", "\xe5\x90\x8d", "caf\xe9", "\xff\xfe", "\xc0\xaf"})
    check_refused(name);
}

TEST_CASE("bad name: the message shows it and says what is allowed") {
  CHECK(Numbers::Client::create("na/me").error().message() ==
        "shared channel 'na?me': the name holds a character outside A-Z a-z 0-9 . _ - (shown as ?); sessions are "
        "chosen by "
        "Scope, not in the name");
}

TEST_CASE("bad name: letters, digits, dot, underscore and hyphen make none") { check_works(unique_name("A.z_0-9")); }

TEST_CASE("bad name: upper and lower case make none, and are different channels") {
  const auto name = unique_name("case");
  Numbers::Server lower(name + "a");
  Numbers::Server upper(name + "A");
  CHECK_FALSE(error_of(lower.start([](int) { return 1; })));
  CHECK_FALSE(error_of(upper.start([](int) { return 2; })));
  CHECK(Numbers::Client(name + "a").call(0, amply).value() == 1);
  CHECK(Numbers::Client(name + "A").call(0, amply).value() == 2);
}

}  // namespace bad_name_test
