// Somebody else's object under a channel's name.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

#ifdef _WIN32
#include "support/windows.hpp"
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#endif

namespace squat_test {

using namespace shared_channel;
using namespace test_support;

namespace {

// How both ends take what stands under their channel's name.
void check_refused(const std::string& name, Errc for_client) {
  const Stopwatch watch;
  const auto server = Channel::Server::create(name);
  CHECK(error_of(server) == Errc::not_owner);
  const auto answer = Channel::Client(name).call(echo(1), amply);
  CHECK(error_of(answer) == for_client);
  CHECK(watch.elapsed() < promptly);
}

}  // namespace

#ifdef _WIN32

namespace {

std::wstring object_name(const std::string& name) {
  return L"Local\\shared_channel." + std::wstring(name.begin(), name.end());
}

}  // namespace

TEST_CASE("squat: an event under the channel's name") {
  const auto name = unique_name("squat");
  const HANDLE event = CreateEventW(nullptr, FALSE, FALSE, object_name(name).c_str());
  REQUIRE(event != nullptr);
  check_refused(name, Errc::not_owner);
  CloseHandle(event);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
}

TEST_CASE("squat: a mutex under the channel's name") {
  const auto name = unique_name("squat");
  const HANDLE mutex = CreateMutexW(nullptr, FALSE, object_name(name).c_str());
  REQUIRE(mutex != nullptr);
  check_refused(name, Errc::not_owner);
  CloseHandle(mutex);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
}

TEST_CASE("squat: an event under the name of the server's mutex") {
  const auto name = unique_name("squat");
  const HANDLE event = CreateEventW(nullptr, FALSE, FALSE, (object_name(name) + L":server").c_str());
  REQUIRE(event != nullptr);
  check_refused(name, Errc::no_server);
  CloseHandle(event);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
}

TEST_CASE("squat: a mapping of zeros under the channel's name is taken over") {
  const auto name = unique_name("squat");
  // With an owner by name: Wine keeps none otherwise.
  auto ours =
      detail::platform::win32::SecurityAttributes::for_us(detail::Names::make(name, Scope::session).value()).value();
  const HANDLE mapping =
      CreateFileMappingW(INVALID_HANDLE_VALUE, ours.get(), PAGE_READWRITE, 0, 4096, object_name(name).c_str());
  REQUIRE(mapping != nullptr);
  CHECK(error_of(Channel::Client(name).call(echo(1), amply)) == Errc::no_server);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  CloseHandle(mapping);
}

#else

namespace {

std::filesystem::path path_of(const std::string& name) { return "/dev/shm/shared_channel." + name; }

// The path of a channel's rendezvous while something else stands there.
class Squat {
 public:
  explicit Squat(const std::string& name) : path_(path_of(name)) {}
  ~Squat() { std::filesystem::remove_all(path_); }
  operator const char*() const { return path_.c_str(); }
  bool is_there() const { return std::filesystem::exists(std::filesystem::symlink_status(path_)); }

 private:
  std::filesystem::path path_;
};

constexpr unsigned nobody = 65534;

bool is_root() { return ::geteuid() == 0; }

}  // namespace

TEST_CASE("squat: a FIFO under the channel's name does not make anybody wait") {
  const auto name = unique_name("squat");
  const Squat squat(name);
  REQUIRE(::mkfifo(squat, 0600) == 0);
  check_refused(name, Errc::no_server);
  CHECK(squat.is_there());
}

TEST_CASE("squat: a directory under the channel's name") {
  const auto name = unique_name("squat");
  const Squat squat(name);
  REQUIRE(::mkdir(squat, 0700) == 0);
  check_refused(name, Errc::no_server);
  CHECK(squat.is_there());
}

TEST_CASE("squat: a symbolic link under the channel's name is not followed") {
  const auto name = unique_name("squat");
  const auto target = std::filesystem::temp_directory_path() / unique_name("target");
  std::ofstream(target) << "precious";
  {
    const Squat squat(name);
    REQUIRE(::symlink(target.c_str(), squat) == 0);
    check_refused(name, Errc::not_owner);
    CHECK(squat.is_there());
  }
  CHECK(std::filesystem::file_size(target) == 8);
  std::filesystem::remove(target);
}

TEST_CASE("squat: a dangling symbolic link makes no file elsewhere") {
  const auto name = unique_name("squat");
  const auto target = std::filesystem::temp_directory_path() / unique_name("target");
  const Squat squat(name);
  REQUIRE(::symlink(target.c_str(), squat) == 0);
  check_refused(name, Errc::not_owner);
  CHECK_FALSE(std::filesystem::exists(target));
}

TEST_CASE("squat: an empty file of our own is taken over") {
  const auto name = unique_name("squat");
  { std::ofstream file(path_of(name)); }
  CHECK(error_of(Channel::Client(name).call(echo(1), amply)) == Errc::no_server);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  CHECK_FALSE(std::filesystem::exists(path_of(name)));
}

TEST_CASE("squat: a corrupted file is taken over") {
  const auto name = unique_name("squat");
  std::ofstream(path_of(name)) << std::string(10'000, 'x');
  CHECK(error_of(Channel::Client(name).call(echo(1), amply)) == Errc::no_server);
  CHECK_FALSE(error_of(Channel::Server::create(name)));
  CHECK_FALSE(std::filesystem::exists(path_of(name)));
}

TEST_CASE("squat: another user's file is never served") {
  if (!is_root()) SKIP_TEST("only root can make another user's file");
  const auto name = unique_name("squat");
  const Squat squat(name);
  { std::ofstream file(squat); }
  REQUIRE(::chown(squat, nobody, nobody) == 0);
  check_refused(name, Errc::no_server);
  CHECK(squat.is_there());
}

TEST_CASE("squat: root's file is never served by another user") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  for (const mode_t mode : {0600u, 0666u}) {
    const auto name = unique_name("squat");
    const Squat squat(name);
    { std::ofstream file(squat); }
    REQUIRE(::chmod(squat, mode) == 0);
    CHECK(peer("serve_as", std::to_string(nobody), std::to_string(nobody), name).read_line() == "not_owner");
    CHECK(squat.is_there());
  }
}

TEST_CASE("squat: a second link to a file of our own is not taken for ours") {
  const auto name = unique_name("squat");
  const auto precious = path_of(unique_name("precious"));
  for (const char* object : {"", ":server"}) {
    const Squat squat(name + object);
    std::ofstream(precious) << "precious";
    REQUIRE(::link(precious.c_str(), squat) == 0);
    CHECK(error_of(Channel::Server::create(name)) == Errc::not_owner);
    CHECK(std::filesystem::file_size(precious) == 8);
    std::filesystem::remove(precious);
  }
}

TEST_CASE("squat: another user's file under the name of the lock is never served") {
  if (!is_root()) SKIP_TEST("only root can make another user's file");
  const auto name = unique_name("squat");
  const Squat squat(name + ":server");
  { std::ofstream file(squat); }
  REQUIRE(::chown(squat, nobody, nobody) == 0);
  check_refused(name, Errc::no_server);
  CHECK(squat.is_there());
}

#endif

}  // namespace squat_test
