// Servers of protocol version 2 and before, whose lock on the name was one on the record.
#ifdef __linux__

#include "support/catch.hpp"

#include <shared_channel/inspect.hpp>
#include <shared_channel/shared_channel.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace older_version_test {

using namespace shared_channel;
using namespace test_support;
namespace linux_shm = shared_channel::detail::platform::linux_shm;

namespace {

std::string path_of(const std::string& name) { return "/dev/shm/shared_channel." + name; }

/// What such a server has under its name, as long as it lives.
class OldServer {
 public:
  OldServer(const std::string& name, std::uint64_t magic)
      : file_(::open(path_of(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    REQUIRE(linux_shm::lock(file_, 0) == 0);
    const std::uint64_t record[] = {magic, 2, 17, 17};
    REQUIRE(::ftruncate(file_, detail::rendezvous_bytes) == 0);
    REQUIRE(::pwrite(file_, record, sizeof record, 0) == ssize_t{sizeof record});
  }
  OldServer(const OldServer&) = delete;
  OldServer& operator=(const OldServer&) = delete;
  ~OldServer() { die(); }
  void die() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
  }

 private:
  int file_;
};

bool is_locked_for_the_old(const std::string& name) {
  const int file = ::open(path_of(name).c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  const bool is_locked = linux_shm::is_locked(file, 0);
  ::close(file);
  return is_locked;
}

}  // namespace

TEST_CASE("older version: a living server keeps its name, a killed one does not") {
  const auto name = unique_name("older");
  {
    OldServer old(name, detail::rendezvous_magic);
    CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
    CHECK(error_of(Channel::Client(name).call(echo(1), amply)) == Errc::layout_mismatch);
    CHECK(inspect(name).value().state == ChannelState::unreadable);
    old.die();
    CHECK(error_of(Channel::Client(name).call(echo(1), amply)) == Errc::no_server);
    CHECK(inspect(name).value().state == ChannelState::dead);
    CHECK_FALSE(error_of(Channel::Server::create(name)));
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("older version: a server that is still starting keeps its name") {
  const auto name = unique_name("older");
  {
    OldServer old(name, 0);
    CHECK(error_of(Channel::Server::create(name)) == Errc::name_in_use);
    old.die();
    CHECK_FALSE(error_of(Channel::Server::create(name)));
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("older version: who may only read a record does not keep its name by a lock") {
  const auto name = unique_name("older");
  std::uint64_t magic = 0;
  SECTION("of an older server") { magic = detail::rendezvous_magic; }
  SECTION("that was never finished"){} {
    OldServer(name, magic).die();
    const ChannelState unlocked = inspect(name).value().state;
    const int reader = ::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC);
    struct flock all {};
    all.l_type = F_RDLCK;
    REQUIRE(::fcntl(reader, F_OFD_SETLK, &all) == 0);
    CHECK(inspect(name).value().state == unlocked);
    CHECK(error_of(Channel::Client(name).call(echo(1), amply)) == Errc::no_server);
    CHECK_FALSE(error_of(Channel::Server::create(name)));
    ::close(reader);
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("older version: it finds the name of a newer server taken, also after the record was made anew") {
  const auto name = unique_name("older");
  {
    Channel::Server server(name);
    server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
    CHECK(is_locked_for_the_old(name));
    REQUIRE(::unlink(path_of(name).c_str()) == 0);
    CHECK(eventually([&] { return is_locked_for_the_old(name); }));
  }
  CHECK(shm_entries("shared_channel." + name).empty());
}

}  // namespace older_version_test

#endif
