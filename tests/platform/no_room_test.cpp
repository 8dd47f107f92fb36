// Channels that do not fit, and processes that may have no more of what a channel needs.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#ifdef __linux__
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#endif

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/resources.hpp"
#include "support/time.hpp"

namespace no_room_test {

using namespace shared_channel;
using namespace test_support;

TEST_CASE("no room: a channel larger than the memory there is") {
  struct Gibibyte {
    unsigned char bytes[std::size_t{1} << 30];
  };
  const auto name = unique_name("no-room");
  ServerOptions options;
  options.max_calls = max_slots;
  const Footprint before(name);
  const Stopwatch watch;
  const auto server = SharedChannel<Gibibyte>::Server::create(name, options);
  CHECK(watch.elapsed() < promptly);
  REQUIRE(error_of(server) == Errc::out_of_memory);
  CHECK(server.error().message().find("lower ServerOptions::max_calls") != std::string::npos);
  CHECK(Footprint(name) == before);
}

#ifdef __linux__
TEST_CASE("no room: a client that asks whether it is connected keeps no memory of a server that has gone") {
  const auto name = unique_name("no-room");
  const auto mappings = [&] {
    std::ifstream maps("/proc/self/maps");
    int found = 0;
    for (std::string line; std::getline(maps, line);) found += line.find(name) != std::string::npos ? 1 : 0;
    return found;
  };
  SharedChannel<int>::Client client(name);
  {
    SharedChannel<int>::Server server(name);
    REQUIRE_FALSE(error_of(client.wait_for_server(amply)));
  }
  CHECK(mappings() > 0);
  CHECK_FALSE(client.connected());
  CHECK(mappings() == 0);
}

TEST_CASE("no room: a server ends well where there is no memory") {
  const auto name = unique_name("no-room");
  CHECK(peer("no_memory_at_the_end", name).wait() == ExitStatus{});
  CHECK(shm_entries("shared_channel." + name).empty());
}

TEST_CASE("no room: what a server is made of is removed if memory runs out on the way") {
  const auto name = unique_name("no-room");
  Process making = peer("no_memory_to_make", name);
  CHECK(making.read_line() == "left:");
  CHECK(making.wait() == ExitStatus{});
}

TEST_CASE("no room: a request whose call cannot be handed over never runs") {
  int thrown = 0;
  for (int most = 0; most < 12; ++most) {
    CAPTURE(most);
    const auto name = unique_name("no-room");
    Channel::Server server(name);
    Process asking = peer("no_memory_to_ask", name, std::to_string(most));
    const bool has_thrown = asking.read_line() == "thrown";
    const bool has_run = server.serve_one(
                                   [](const Ask& ask) {
                                     return Answer{ask.id, 0};
                                   },
                                   std::chrono::nanoseconds(0))
                             .value();
    CHECK_FALSE((has_thrown && has_run));
    thrown += has_thrown ? 1 : 0;
    asking.close_input();
    CHECK(asking.wait() == ExitStatus{});
  }
  CHECK(thrown > 0);
}

TEST_CASE("no room: no more descriptors") {
  const auto name = unique_name("no-room");
  SharedChannel<int>::Client client(name);
  const Footprint before(name);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  rlimit none = limit;
  const int next = ::dup(0);
  none.rlim_cur = static_cast<rlim_t>(next);
  ::close(next);
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto server = SharedChannel<int>::Server::create(name);
  const auto answer = client.call(1, amply);
  ::setrlimit(RLIMIT_NOFILE, &limit);

  REQUIRE(error_of(server) == Errc::system_error);
  CHECK(server.error().native() == EMFILE);
  REQUIRE(error_of(answer) == Errc::system_error);
  CHECK(answer.error().native() == EMFILE);
  CHECK(answer.error().not_executed());
  CHECK(Footprint(name) == before);
  CHECK_FALSE(error_of(SharedChannel<int>::Server::create(name)));
}

TEST_CASE("no room: no more descriptors but the one of standard input, which was closed") {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  SKIP_TEST("UndefinedBehaviorSanitizer looks at objects through a pipe, for which there is no descriptor");
#endif
#endif
  const auto name = unique_name("no-room");
  const Footprint before(name);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const int input = ::fcntl(0, F_DUPFD_CLOEXEC, 100);
  const int next = ::dup(0);
  ::close(next);
  bool is_made = false;
  for (int more = 0; more < 10 && !is_made; ++more) {  // one step further each time
    rlimit few = limit;
    few.rlim_cur = static_cast<rlim_t>(next + more);
    ::setrlimit(RLIMIT_NOFILE, &few);
    ::close(0);
    const auto error = error_of(SharedChannel<int>::Server::create(name));
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::dup2(input, 0);
    CAPTURE(more);
    is_made = !error;
    if (error) CHECK(error == Errc::system_error);
    ::close(input);
    CHECK(Footprint(name) == before);
    CHECK(::fcntl(0, F_DUPFD_CLOEXEC, 100) == input);
  }
  ::close(input);
  CHECK(is_made);
}
#endif

}  // namespace no_room_test
