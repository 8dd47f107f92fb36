// A program that closes every descriptor that is not its own, as daemons do, and goes on using the channel: what is
// opened next gets the numbers of what was closed, and may be the same file.
#ifdef __linux__
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <unistd.h>

#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/seam.hpp"
#include "support/time.hpp"

namespace closed_descriptors_test {

using namespace std::chrono_literals;
using namespace test_support;
using namespace shared_channel::detail::platform;
using shared_channel::Errc;

namespace {

/// What the channel has open in this process.
std::set<int> descriptors_of(const std::string& channel) {
  const std::string prefix = "/dev/shm/shared_channel." + channel;
  std::set<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto file = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!gone && file.compare(0, prefix.size(), prefix) == 0) found.insert(std::atoi(entry.path().filename().c_str()));
  }
  return found;
}

/// Closes it, but for what is `kept`. The tests' own descriptors stay.
std::size_t close_descriptors_of(const std::string& channel, const std::set<int>& kept = {}) {
  std::size_t closed = 0;
  for (const int descriptor : descriptors_of(channel)) {
    if (!kept.contains(descriptor) && ::close(descriptor) == 0) ++closed;
  }
  return closed;
}

struct Counts {
  std::atomic<int> answered{0}, wrong{0}, failed{0};
};

void ask(Channel::Client& client, std::uint64_t first, Counts& counts) {
  for (std::uint64_t id = first; id < first + 150; ++id) {
    const auto answer = client.call(nap(3, id), amply);
    ++(!answer ? counts.failed : answer->id == id ? counts.answered : counts.wrong);
  }
}

}  // namespace

TEST_CASE("closed descriptors: a description of the same file under our number is not ours") {
  const auto segment = Segment::create(unique_name("closed"));
  const auto first = Segment::open(segment.names().channel());
  const auto view = ClientLease::view(segment.names(), Segment::generation, first.mapping());
  CHECK_FALSE(view.is_held(7));
  CHECK(first.mapping().has_file());
  const auto second = Segment::open(segment.names().channel());
  const auto held = second.take_lease(7);
  REQUIRE(held);
  const int number = first.mapping().descriptor();
  ::dup2(second.mapping().descriptor(), number);
  CHECK(view.is_held(7));
  CHECK_FALSE(first.mapping().has_file());
  CHECK(second.mapping().has_file());
  ::close(number);
  CHECK(view.is_held(7));
  segment.remove();
}

TEST_CASE("closed descriptors: two clients of one process do not take each other's slots") {
  const auto name = unique_name("closed");
  Process server = peer("serve", name, "2", "4");
  REQUIRE(server.read_line() == "ready");
  Channel::Client one(name);
  REQUIRE(one.call(echo(1), amply));
  REQUIRE(close_descriptors_of(name) > 0);
  Channel::Client other(name);
  Counts counts;
  std::vector<std::thread> callers;
  for (std::uint64_t i = 0; i < 3; ++i) {
    callers.emplace_back([&, i] { ask(one, 1000 * (i + 1), counts); });
    callers.emplace_back([&, i] { ask(other, 1000 * (i + 11), counts); });
  }
  for (auto& caller : callers) caller.join();
  CHECK(counts.wrong == 0);
  CHECK(counts.failed == 0);
  CHECK(counts.answered == 6 * 150);
}

TEST_CASE("closed descriptors: the only client left gets the slots of the dead all the same") {
  const auto name = unique_name("closed");
  shared_channel::ServerOptions options;
  options.max_calls = 1;
  Channel::Server server(name, options);
  const auto servers = descriptors_of(name);
  Channel::Client client(name);
  REQUIRE(client.wait_for_server(amply));
  Process dying = peer("hang", name);
  REQUIRE(eventually([&] { return server.stats().waiting == 1; }));
  dying.kill();
  dying.wait();
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  REQUIRE(close_descriptors_of(name, servers) > 0);
  CHECK(error_of(client.call(echo(1), 200ms)) == Errc::busy);
  CHECK(client.call(echo(2), amply).value().id == 2);
}

TEST_CASE("closed descriptors: a second server of the name ends the first") {
  const auto name = unique_name("closed");
  const auto answer_as = [](std::uint64_t server) { return [server](const Ask&) { return Answer{server, 0}; }; };
  std::optional<Channel::Server> first(name);
  first->start(answer_as(1)).value();
  Channel::Client client(name);
  CHECK(client.call(echo(0), amply)->id == 1);
  REQUIRE(close_descriptors_of(name) > 0);
  Channel::Server second(name);
  second.start(answer_as(2)).value();
  CHECK(error_of(first->wait(amply)) == Errc::server_stopped);
  CHECK(client.call(echo(0), amply)->id == 2);
  first.reset();
  CHECK(Channel::Client(name).call(echo(0), amply)->id == 2);
}

}  // namespace closed_descriptors_test
#endif
