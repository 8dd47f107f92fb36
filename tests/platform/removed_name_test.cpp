// Somebody removes a live server's rendezvous from /dev/shm, as systemd does at the end of a session.
#ifdef __linux__

#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace removed_name_test {

using namespace shared_channel;
using namespace test_support;

namespace {

// As closefrom(3) does to descriptors that are not its caller's.
std::size_t close_descriptors(const std::string& name) {
  std::vector<int> ours;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().starts_with("/dev/shm/shared_channel." + name))
      ours.push_back(std::stoi(entry.path().filename()));
  }
  for (const int descriptor : ours) ::close(descriptor);
  return ours.size();
}

}  // namespace

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

TEST_CASE("removed name: the next server removes what a killed one has left without a record") {
  const auto answer = [](const Ask& ask) { return Answer{ask.id, 0}; };
  const auto name = unique_name("removed");
  Channel::Server namesake(name + ".0123456789abcdef");  // as a generation of it would be called
  namesake.start(answer).value();
  const auto kept = shm_entries("shared_channel." + name);
  Process killed = peer("serve", name);
  REQUIRE(killed.read_line() == "ready");
  killed.kill();
  const std::string record = "/shared_channel." + name;
  SECTION("somebody has removed it") { REQUIRE(::shm_unlink(record.c_str()) == 0); }
  SECTION("somebody has emptied it") { REQUIRE(::truncate(("/dev/shm" + record).c_str(), 0) == 0); }
  CHECK(shm_entries("shared_channel." + name).size() >= kept.size() + 3);
  {
    Channel::Server next(name);
    next.start(answer).value();
    CHECK(shm_entries("shared_channel." + name).size() == 2 * kept.size());
    CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
    CHECK(Channel::Client(name + ".0123456789abcdef").call(echo(2), amply).value().id == 2);
  }
  CHECK(shm_entries("shared_channel." + name) == kept);
}

TEST_CASE("removed name: a server whose descriptors were closed leaves the next one's files alone") {
  const auto name = unique_name("closed");
  std::optional<Channel::Server> first(std::in_place, name);
  REQUIRE(close_descriptors(name) >= 2);  // the lock's among them
  {
    Process second = peer("serve", name);
    REQUIRE(second.read_line() == "ready");
    first.reset();
    CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
    CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
    second.close_input();
    CHECK(second.wait() == ExitStatus{});
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("removed name: a server whose descriptors were closed still removes its own files") {
  const auto name = unique_name("closed");
  {
    Channel::Server server(name);
    REQUIRE(close_descriptors(name) >= 2);
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("removed name: a server whose descriptors were closed notices that its files are gone") {
  const auto name = unique_name("closed");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  REQUIRE(close_descriptors(name) >= 2);
  for (const auto& object : shm_entries("shared_channel." + name)) REQUIRE(::shm_unlink(("/" + object).c_str()) == 0);
  CHECK(error_of(server.wait(amply)) == Errc::server_stopped);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
}

TEST_CASE("removed name: a server whose descriptors were closed makes its record anew") {
  const auto name = unique_name("closed");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  REQUIRE(close_descriptors(name) >= 2);
  for (const char* object : {"", ":server"}) REQUIRE(::shm_unlink(("/shared_channel." + name + object).c_str()) == 0);
  CHECK(eventually([&] { return Channel::Client(name).call(echo(1), amply).has_value(); }));
  CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
}

TEST_CASE("removed name: a server that spins for minutes makes its record anew meanwhile") {
  const auto name = unique_name("spinning");
  ServerOptions options;
  options.wait.spin = std::chrono::minutes(10);
  Channel::Server server(name, options);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  REQUIRE(::shm_unlink(("/shared_channel." + name).c_str()) == 0);
  CHECK(eventually([&] { return Channel::Client(name).call(echo(1), amply).has_value(); }));
}

TEST_CASE("removed name: upkeep takes a lock again whose descriptor was closed, and keeps it") {
  namespace platform = shared_channel::detail::platform;
  const auto name = unique_name("closed");
  const auto names = shared_channel::detail::Names::make(name, Scope::session).value();
  auto lease = platform::ServerLease::acquire(names, Access::current_user()).value();
  REQUIRE(close_descriptors(name) >= 2);
  bool has_record = false;
  CHECK(lease.keep_name(Access::current_user(), has_record) == platform::NameState::ours);
  CHECK(error_of(platform::ServerLease::acquire(names, Access::current_user())) == Errc::name_in_use);
}

TEST_CASE("removed name: a server whose record was cut short ends all the same") {
  const auto name = unique_name("short");
  {
    Channel::Server server(name);
    REQUIRE(::truncate(("/dev/shm/shared_channel." + name).c_str(), 0) == 0);
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

}  // namespace removed_name_test

#endif
