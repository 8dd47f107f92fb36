// Whom a client lets serve it, and what an admitted client of another user cannot do.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

#ifndef _WIN32
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#endif

namespace server_user_test {

using namespace shared_channel;
using namespace test_support;
using Catch::Matchers::Contains;

namespace {

ClientOptions served_by(ServerUser user) {
  ClientOptions options;
  options.server = std::move(user);
  return options;
}

// How a client that lets such a user serve it is refused, before any system object is made.
std::string refusal(ServerUser user) {
  const auto name = unique_name("server_user");
  const Footprint before(name);
  const auto client = Channel::Client::create(name, served_by(std::move(user)));
  CHECK(Footprint(name) == before);
  if (client) return "accepted";
  CHECK(client.error().code() == Errc::invalid_argument);
  return client.error().message();
}

Result<void> start_echo(Channel::Server& server) {
  return server.start([](const Ask& ask) { return Answer{ask.id, 0}; });
}

}  // namespace

TEST_CASE("server user: one's own server is called by default and by any") {
  const auto name = unique_name("server_user");
  Channel::Server server(name);
  REQUIRE(start_echo(server));
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 1);
  CHECK(Channel::Client(name, served_by(ServerUser::any())).call(echo(2), amply).value().id == 2);
}

#ifdef _WIN32

TEST_CASE("server user: a SID must be one, and is not for Linux only") {
  for (const char* sid : {"", "nonsense", "S-1-", "65534"}) {
    CAPTURE(sid);
    CHECK_THAT(refusal(ServerUser::sid(sid)), Contains("takes a SID"));
  }
  CHECK_THAT(refusal(ServerUser::uid(0)), Contains("ServerUser::uid is for Linux"));
  CHECK(refusal(ServerUser::sid("S-1-5-18")) == "accepted");
}

TEST_CASE("server user: by SID, one's own server is called and another's is not") {
  const auto name = unique_name("server_user");
  ServerOptions options;
  options.access = Access::sddl("D:P(A;;GA;;;WD)");  // names no owner
  Channel::Server server(name, options);
  REQUIRE(start_echo(server));
  const std::string mine = detail::platform::win32::text_of(detail::platform::win32::our_user().get().User.Sid);
  CHECK(Channel::Client(name, served_by(ServerUser::sid(mine))).call(echo(1), amply).value().id == 1);
  const auto refused = Channel::Client(name, served_by(ServerUser::sid("S-1-5-7"))).call(echo(1), amply);
  REQUIRE(error_of(refused) == Errc::not_owner);
  CHECK_THAT(refused.error().message(), Contains("ServerUser::sid(\"" + mine + "\")"));
}

#else

namespace {

const std::string nobody = "65534";
const std::string other = "12345";

bool is_root() { return ::geteuid() == 0; }

std::string path_of(const std::string& object) { return "/dev/shm/" + object; }

// A live server of this process, and the names of its objects.
struct Service {
  explicit Service(Access access = Access::everyone()) : server(name, options_of(std::move(access))) {
    REQUIRE(start_echo(server));
    generation = detail::platform::ServerLease::current_generation(names).value().generation;
  }
  static ServerOptions options_of(Access access) {
    ServerOptions options;
    options.access = std::move(access);
    return options;
  }
  std::string record() const { return path_of(names.rendezvous()); }
  std::string page() const { return path_of(names.server_page(generation)); }
  std::string segment() const { return path_of(names.segment(generation)); }

  std::string name = unique_name("server_user");
  detail::Names names = detail::Names::make(name, Scope::session).value();
  Channel::Server server;
  std::uint64_t generation = 0;
};

Errc called(const std::string& name, ServerUser user, std::string* message = nullptr) {
  const auto answer = Channel::Client(name, served_by(std::move(user))).call(echo(1), amply);
  if (answer) return Errc{};
  if (message != nullptr) *message = answer.error().message();
  return answer.error().code();
}

}  // namespace

TEST_CASE("server user: a number must be a user's, and is not for Win32 only") {
  CHECK_THAT(refusal(ServerUser::sid("S-1-5-18")), Contains("ServerUser::sid is for Win32"));
  CHECK_THAT(refusal(ServerUser::uid(0xFFFF'FFFF)), Contains("takes the number of a user"));
  CHECK(refusal(ServerUser::uid(0xFFFF'FFFE)) == "accepted");
}

TEST_CASE("server user: by number, one's own server is called and another's is not") {
  const Service service(Access::current_user());
  const auto me = static_cast<std::uint32_t>(::geteuid());
  CHECK(called(service.name, ServerUser::uid(me)) == Errc{});
  std::string message;
  CHECK(called(service.name, ServerUser::uid(me + 1), &message) == Errc::not_owner);
  CHECK_THAT(message, Contains("served by user " + std::to_string(me) +
                               "; set ClientOptions::server to ServerUser::uid(" + std::to_string(me) + ")"));
}

TEST_CASE("server user: another user's server is refused unless the client says whom it trusts") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("server_user");
  Process squatter = peer("serve_as", nobody, nobody, name, "everyone");
  REQUIRE(squatter.read_line() == "ready");
  std::string message;
  CHECK(called(name, ServerUser::mine_or_system(), &message) == Errc::not_owner);
  CHECK_THAT(message, Contains("served by user 65534; set ClientOptions::server to ServerUser::uid(65534)"));
  CHECK(called(name, ServerUser::uid(12'345)) == Errc::not_owner);
  CHECK(called(name, ServerUser::uid(65'534)) == Errc{});
  CHECK(called(name, ServerUser::any()) == Errc{});

  CHECK(peer("call_as", other, other, name).read_line() == "not_owner");
  CHECK(peer("call_as", other, other, name, "0").read_line() == "not_owner");
  CHECK(peer("call_as", other, other, name, nobody).read_line() == "ok");
  CHECK(peer("call_as", other, other, name, "any").read_line() == "ok");
  CHECK(peer("call_as", nobody, nobody, name).read_line() == "ok");
}

TEST_CASE("server user: root's server is called by others by default, but not in another user's name") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const Service service;
  CHECK(peer("call_as", other, other, service.name).read_line() == "ok");
  CHECK(peer("call_as", other, other, service.name, other).read_line() == "not_owner");
}

TEST_CASE("server user: in a user namespace a server that may be anybody's is not one's own") {
  const auto name = unique_name("server_user");
  ServerOptions options;
  options.access = Access::everyone();
  Channel::Server server(name, options);
  REQUIRE(start_echo(server));
  Process client = peer("call_unmapped", name);
  const auto said = client.read_line();
  if (said == "no namespace") SKIP_TEST("no user namespace of one's own");
  CHECK_THAT(said, Contains("does not tell which user") && Contains("ServerUser::any()"));
  Process trusting = peer("call_unmapped", name, "any");
  CHECK(trusting.read_line() == "ok");
}

TEST_CASE("server user: a number is anybody's where the namespace does not map it") {
  namespace linux_user = shared_channel::detail::platform::linux_user;
  CHECK(linux_user::has_line_for("         0          0 4294967295\n", 65534));
  CHECK(linux_user::has_line_for("0 1000 1\n1 100000 65536\n", 65534));
  CHECK_FALSE(linux_user::has_line_for("0 1000 1\n1 100000 65533\n", 65534));
  CHECK_FALSE(linux_user::has_line_for("", 65534));
  CHECK_FALSE(linux_user::may_be_anybody(0));
}

TEST_CASE("server user: the record, the page and the segment must be one user's") {
  if (!is_root()) SKIP_TEST("only root can make another user's file");
  const Service service;
  for (const std::string& path : {service.record(), service.page(), service.segment()}) {
    CAPTURE(path);
    REQUIRE(::chown(path.c_str(), 65'534, 65'534) == 0);
    CHECK(called(service.name, ServerUser::mine_or_system()) == Errc::not_owner);
    CHECK(called(service.name, ServerUser::any()) == Errc::not_owner);
    CHECK(called(service.name, ServerUser::uid(65'534)) == Errc::not_owner);
    REQUIRE(::chown(path.c_str(), 0, 0) == 0);
    CHECK(called(service.name, ServerUser::mine_or_system()) == Errc{});
  }
}

TEST_CASE("server user: an object with a second name is not taken for a server's") {
  const Service service(Access::current_user());
  const std::string link = path_of(unique_name("link"));
  for (const std::string& path : {service.record(), service.page(), service.segment()}) {
    CAPTURE(path);
    REQUIRE(::link(path.c_str(), link.c_str()) == 0);
    CHECK(called(service.name, ServerUser::any()) == Errc::not_owner);
    std::filesystem::remove(link);
    CHECK(called(service.name, ServerUser::any()) == Errc{});
  }
}

TEST_CASE("server user: another user's record does not part a client from a server that is slow") {
  if (!is_root()) SKIP_TEST("only root can make another user's file");
  const auto name = unique_name("server_user");
  std::atomic<bool> is_slow{true};
  Channel::Server server(name);
  REQUIRE(server.start([&](const Ask& ask) {
    while (is_slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Answer{ask.id, 0};
  }));
  const auto names = detail::Names::make(name, Scope::session).value();
  const std::string record = path_of(names.rendezvous());
  const std::uint64_t generation = detail::platform::ServerLease::current_generation(names).value().generation;
  Channel::Client client(name);
  REQUIRE(client.wait_for_server(amply));

  const auto publish = [&](std::uint64_t number, unsigned user) {
    std::fstream(record, std::ios::in | std::ios::out | std::ios::binary)
        .seekp(16)
        .write(reinterpret_cast<const char*>(&number), sizeof number);
    REQUIRE(::chown(record.c_str(), user, user) == 0);
  };
  publish(generation + 1, 65'534);
  CHECK(error_of(client.call(echo(1), std::chrono::milliseconds(50))) == Errc::timed_out);
  CHECK(client.connected());
  is_slow = false;
  CHECK(client.call(echo(2), amply).value().id == 2);
  publish(generation, 0);
}

namespace {

// Of many lines, padding and all.
struct Secret {
  alignas(8) std::uint64_t words[64];
  std::uint8_t odd;
};

}  // namespace

TEST_CASE("server user: another user finds nothing of messages whose calls have ended") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  using Secrets = SharedChannel<Secret>;
  const auto name = unique_name("server_user");
  constexpr std::uint64_t asked = 0x5EC2'E7A5'0000'0001, answered = 0x5EC2'E7A5'0000'0002;
  Secrets::Server server(name, Service::options_of(Access::everyone()));
  std::atomic<bool> is_slow{false};
  REQUIRE(server.start([&](const Secret& secret, Secret& reply) {
    for (std::uint64_t& word : reply.words) word = answered;
    if (secret.odd == 2) throw std::runtime_error(std::string(8, '\x5E'));
    while (is_slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  Process peeker = peer("peek_as", nobody, nobody, name);
  const auto found = [&] {
    int all = 0;
    for (const std::uint64_t wanted : {asked, answered, std::uint64_t{0x5E5E'5E5E'5E5E'5E5E}}) {
      peeker.write_line(std::to_string(wanted));
      all += std::stoi(peeker.read_line());
    }
    return all;
  };
  Secrets::Client client(name);
  Secret secret{};
  for (std::uint64_t& word : secret.words) word = asked;
  CHECK(found() == 0);
  CHECK(client.call(secret, amply).value().words[63] == answered);
  CHECK(found() == 0);
  secret.odd = 2;
  CHECK(error_of(client.call(secret, amply)) == Errc::handler_failed);
  CHECK(found() == 0);
  CHECK(client.call_async(secret, amply).get().error().code() == Errc::handler_failed);
  CHECK(found() == 0);

  secret.odd = 0;
  is_slow = true;
  auto running = client.call_async(secret, amply);
  CHECK(found() > 0);  // while a call is under way, whoever is let in can read it
  CHECK(error_of(client.call(secret, std::chrono::milliseconds(50))) == Errc::timed_out);  // was not taken
  is_slow = false;
  CHECK(running.get());
  CHECK(found() == 0);
  peeker.close_input();
  CHECK(peeker.wait() == ExitStatus{});
}

TEST_CASE("server user: a channel of one user's peers clears nothing") {
  const Service own(Access::current_user());
  const auto page = detail::platform::Mapping::open(own.names, own.names.server_page(own.generation)).value();
  CHECK(reinterpret_cast<const detail::ServerPage*>(page.data())->identity.flags == 0);
}

TEST_CASE("server user: an admitted client of another user becomes neither the server nor an obstacle to the next") {
  if (!is_root()) SKIP_TEST("only root can become another user");
  const auto name = unique_name("server_user");
  ServerOptions options;
  options.access = Access::everyone();
  auto first = Channel::Server::create(name, options);
  REQUIRE(first);
  REQUIRE(start_echo(*first));
  Channel::Client attached(name);
  CHECK(attached.call(echo(1), amply).value().id == 1);

  Process intruder = peer("intrude_as", nobody, nobody, name);
  CHECK(intruder.read_line() == "nothing");
  CHECK(attached.call(echo(2), amply).value().id == 2);
  CHECK(called(name, ServerUser::mine_or_system()) == Errc{});

  { const auto ended = std::move(first); }
  auto second = Channel::Server::create(name, options);
  REQUIRE(second);
  REQUIRE(start_echo(*second));
  CHECK(attached.call(echo(3), amply).value().id == 3);
  CHECK(called(name, ServerUser::mine_or_system()) == Errc{});
  intruder.close_input();
  CHECK(intruder.wait() == ExitStatus{0, false});
}

#endif

}  // namespace server_user_test
