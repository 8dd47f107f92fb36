// A server that is made as root and then becomes another user, who cannot remove root's files.
#ifdef __linux__

#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace dropped_privileges_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using Catch::Matchers::Contains;

TEST_CASE("dropped privileges: the server serves on, ends, and root's next start takes over what it left") {
  if (::geteuid() != 0) SKIP_TEST("only root can become another user");
  const auto name = unique_name("dropped");
  const std::string files = "shared_channel." + name;
  for (int round = 0; round < 2; ++round) {
    Process server = peer("drop_to", "65534", "65534", name);
    REQUIRE(server.read_line() == "ready");
    Channel::Client client(name);
    CHECK(client.call(echo(1), amply));
    std::this_thread::sleep_for(3s);  // until it has looked after its files, as the other user
    CHECK(client.call(echo(2), amply));
    server.close_input();
    CHECK(server.read_line() == "ended");
    CHECK(server.wait() == ExitStatus{});
    CHECK_FALSE(shm_entries(files).empty());
    CHECK(error_of(Channel::Client(name).call(echo(3), amply)) == Errc::no_server);

    Process other = peer("serve_as", "65534", "65534", name);
    CHECK(other.read_line() == "not_owner");
    if (round == 0) continue;  // the same program starts again, or another one of root's
    CHECK_FALSE(error_of(Channel::Server::create(name)));
    CHECK(shm_entries(files).empty());
    Process own = peer("serve_as", "65534", "65534", name);
    CHECK(own.read_line() == "ready");
  }
}

TEST_CASE("dropped privileges: a server that no longer sees its files serves on") {
  if (::geteuid() != 0) SKIP_TEST("only root can change its root directory");
  const auto name = unique_name("dropped");
  const auto elsewhere = std::filesystem::temp_directory_path() / name;
  std::filesystem::create_directory(elsewhere);
  {
    Process server = peer("drop_to", "0", "0", name, elsewhere.string());
    REQUIRE(server.read_line() == "ready");
    Channel::Client client(name);
    CHECK(client.call(echo(1), amply));
    std::this_thread::sleep_for(3s);  // until it has looked for its files
    CHECK(client.call(echo(2), amply));
    CHECK(Channel::Client(name).call(echo(3), amply));
    server.close_input();
    CHECK(server.read_line() == "ended");
    CHECK(server.wait() == ExitStatus{});
  }
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  CHECK(shm_entries("shared_channel." + name).empty());
  std::filesystem::remove(elsewhere);
}

TEST_CASE("dropped privileges: a server that has closed its descriptors too serves on") {
  if (::geteuid() != 0) SKIP_TEST("only root can become another user");
  const auto name = unique_name("dropped");
  {
    Process server = peer("drop_renewing", "65534", "65534", name, "closing");
    REQUIRE(server.read_line() == "ready");
    Channel::Client client(name);
    CHECK(client.call(echo(1), amply));
    std::this_thread::sleep_for(3s);  // until it has looked after its lock, which it can neither open nor make
    CHECK(client.call(echo(2), amply));
    CHECK(Channel::Client(name).call(echo(3), amply));
    server.close_input();
    CHECK(server.wait() == ExitStatus{});
  }
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("dropped privileges: a server whose record or lock is removed stops and says why") {
  if (::geteuid() != 0) SKIP_TEST("only root can become another user");
  const std::string part = GENERATE("", ":server");
  const auto name = unique_name("dropped");
  const std::string files = "/dev/shm/shared_channel." + name;
  {
    Process server = peer("drop_renewing", "65534", "65534", name);
    REQUIRE(server.read_line() == "ready");
    Channel::Client client(name);
    CHECK(client.call(echo(1), amply));
    REQUIRE(std::filesystem::remove(files + part));
    server.write_line("and then?");
    CHECK_THAT(server.read_line(), Contains("has become another user"));
    CHECK(client.call(echo(2), amply).error().not_executed());
    CHECK_FALSE(std::filesystem::exists(files + part));
    CHECK(server.wait() == ExitStatus{});
  }
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  for (const auto& object : shm_entries("shared_channel." + name)) std::filesystem::remove("/dev/shm/" + object);
}

}  // namespace dropped_privileges_test

#endif
