// Whom a channel lets in, and by which permissions of its objects.
#include "support/catch.hpp"

#ifndef _WIN32

#include <shared_channel/shared_channel.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace access_test {

using namespace shared_channel;
using namespace test_support;

namespace {

// The permission bits of a live channel's objects: the record, the server page, the segment and the lock.
std::vector<unsigned> modes_of(const std::string& name) {
  const std::string rendezvous = "shared_channel." + name;
  std::vector<unsigned> modes(4);
  for (const auto& object : shm_entries(rendezvous)) {
    struct stat status {};
    CHECK(::stat(("/dev/shm/" + object).c_str(), &status) == 0);
    const bool is_page = object.ends_with(".server");
    const std::size_t which = object == rendezvous ? 0 : is_page ? 1 : object.ends_with(":server") ? 3 : 2;
    modes[which] = status.st_mode & 0777;
  }
  return modes;
}

constexpr unsigned nobody = 65534;

bool is_root() { return ::geteuid() == 0; }

}  // namespace

TEST_CASE("access: without more a channel is its user's alone") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("access");
  Channel::Server server(name);
  CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
  CHECK(peer("call_as", std::to_string(nobody), std::to_string(nobody), name).read_line() == "access_denied");
  CHECK(peer("call_as", "0", "0", name).read_line() == "ok");
}

TEST_CASE("access: everyone lets other users in") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("access");
  ServerOptions options;
  options.access = Access::everyone();
  Channel::Server server(name, options);
  CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
  CHECK(peer("call_as", std::to_string(nobody), std::to_string(nobody), name).read_line() == "ok");
  CHECK(peer("serve_as", std::to_string(nobody), std::to_string(nobody), name).read_line() == "not_owner");
}

TEST_CASE("access: mode and group let the group in") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("access");
  ServerOptions options;
  options.access = Access::mode(0660, 12'345);
  Channel::Server server(name, options);
  CHECK_FALSE(error_of(server.start([](const Ask& ask) { return Answer{ask.id, 0}; })));
  CHECK(peer("call_as", std::to_string(nobody), "12345", name).read_line() == "ok");
  CHECK(peer("call_as", std::to_string(nobody), "54321", name).read_line() == "access_denied");
}

TEST_CASE("access: a channel that a server has only begun to make refuses nobody") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("access");
  const auto record = "/shared_channel." + name;
  const int descriptor = ::shm_open(record.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  REQUIRE(descriptor >= 0);
  const detail::AtEnd removed([&]() noexcept {
    ::close(descriptor);
    ::shm_unlink(record.c_str());
  });
  const auto user = std::to_string(nobody);
  CHECK(peer("call_as", user, user, name).read_line() == "no_server");
  REQUIRE(::ftruncate(descriptor, 4096) == 0);
  CHECK(peer("call_as", user, user, name).read_line() == "access_denied");
}

TEST_CASE("access: another user's server is called like one's own") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("access");
  Process server = peer("serve_as", std::to_string(nobody), std::to_string(nobody), name);
  REQUIRE(server.read_line() == "ready");
  ClientOptions options;
  options.server = ServerUser::uid(nobody);
  CHECK(Channel::Client(name, options).call(echo(3), amply).value().id == 3);
  CHECK(error_of(Channel::Server::create(name)) == Errc::not_owner);
  server.close_input();
  CHECK(server.wait() == ExitStatus{0, false});
  CHECK_FALSE(std::filesystem::exists("/dev/shm/shared_channel." + name));
}

TEST_CASE("access: the umask does not narrow what the server grants") {
  const auto name = unique_name("access");
  const mode_t before = ::umask(0777);
  ServerOptions options;
  options.access = Access::mode(0644);
  auto server = Channel::Server::create(name, options);
  ::umask(before);
  REQUIRE(server);
  CHECK(modes_of(name) == std::vector<unsigned>{0644, 0644, 0600, 0600});
}

TEST_CASE("access: what clients only read they cannot write, and a class that may not write gets nothing to lock") {
  const auto modes = [](const Access& access) {
    const auto name = unique_name("access");
    ServerOptions options;
    options.access = access;
    const auto server = Channel::Server::create(name, options);
    return server ? modes_of(name) : std::vector<unsigned>{};
  };
  CHECK(modes(Access::current_user()) == std::vector<unsigned>{0600, 0600, 0600, 0600});
  CHECK(modes(Access::everyone()) == std::vector<unsigned>{0644, 0644, 0666, 0600});
  CHECK(modes(Access::mode(0660)) == std::vector<unsigned>{0640, 0640, 0660, 0600});
  CHECK(modes(Access::mode(0664)) == std::vector<unsigned>{0644, 0644, 0660, 0600});
  CHECK(modes(Access::mode(0622)) == std::vector<unsigned>{0600, 0600, 0600, 0600});
}

}  // namespace access_test

#endif
