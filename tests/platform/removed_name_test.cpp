// Somebody removes a live server's rendezvous from /dev/shm, as systemd does at the end of a session.
#ifdef __linux__

#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <sys/mman.h>

#include <optional>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace removed_name_test {

using namespace shared_channel;
using namespace test_support;

TEST_CASE("removed name: the server that lost it does not take it from the next one") {
  const auto answer = [](const Ask& ask) { return Answer{ask.id, 0}; };
  const auto name = unique_name("removed");
  std::optional<Channel::Server> first(std::in_place, name);
  for (const char* object : {"", ":server"}) REQUIRE(::shm_unlink(("/shared_channel." + name + object).c_str()) == 0);
  {
    Channel::Server second(name);
    CHECK_FALSE(error_of(second.start(answer)));
    first.reset();
    CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
    CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

}  // namespace removed_name_test

#endif
