// What somebody who is no party to a channel sees of it, in every state that it can be in.
#include "support/catch.hpp"

#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <unistd.h>

#include <fstream>
#endif

namespace inspect_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

ChannelInfo see(const std::string& name) { return inspect(name).value(); }

bool is_listed(const std::string& name) {
  const auto names = list_channels().value();
  CHECK(std::is_sorted(names.begin(), names.end()));
  return std::binary_search(names.begin(), names.end(), name);
}

std::uint32_t process_id() { return detail::platform::process_id(); }

// The states of the calls in flight, in the order of their slots.
std::vector<CallState> states(const ChannelInfo& info) {
  std::vector<CallState> found;
  for (const CallInfo& call : info.calls) found.push_back(call.state);
  return found;
}

std::ptrdiff_t count(const ChannelInfo& info, CallState state) {
  const auto all = states(info);
  return std::count(all.begin(), all.end(), state);
}

}  // namespace

TEST_CASE("inspect: a name that nobody serves, and one that cannot be") {
  const auto name = unique_name("inspect");
  CHECK(error_of(inspect(name)) == Errc::no_server);
  CHECK(error_of(inspect("a/b")) == Errc::invalid_name);
  CHECK_FALSE(is_listed(name));
}

TEST_CASE("inspect: an idle server, what it is and what travels") {
  [[maybe_unused]] const auto before = std::chrono::system_clock::now() - 60s;
  const auto name = unique_name("inspect");
  ServerOptions options;
  options.max_calls = 7;
  SharedChannel<Ask, std::string>::Server server(name, options);
  const ChannelInfo info = see(name);
  CHECK(info.name == name);
  CHECK(info.state == ChannelState::open);
  CHECK(info.problem == "");
  CHECK(info.generation != 0);
  CHECK(info.protocol_version == detail::abi_version);
  CHECK(info.process_id == process_id());
#ifdef _WIN32
  CHECK(info.program.ends_with(".exe"));
#else
  std::string program;
  std::getline(std::ifstream("/proc/self/comm"), program);
  CHECK(info.program == program);
#endif
  CHECK(info.user == detail::platform::user_of(process_id()));
  CHECK_FALSE(info.access.empty());
  REQUIRE(info.started);
  CHECK(*info.started <= std::chrono::system_clock::now() + 60s);
#ifdef __linux__
  CHECK(*info.started >= before);
  CHECK(info.access == "0600");
#endif
  CHECK(info.memory >= faults::LiveSegment(name).bytes().size() + 4096);
  CHECK(info.shape.request.description == description_of<Ask>());
  CHECK(info.shape.request.size == sizeof(Ask));
  CHECK(info.shape.request.align == alignof(Ask));
  CHECK_FALSE(info.shape.request.is_variable);
  CHECK(info.shape.reply == MessageShape{64 * 1024, 16, true, "string"});
  CHECK(info.max_calls == 7);
  CHECK(info.calls.empty());
  CHECK_FALSE(info.is_slot_awaited);
  CHECK(info.clients == 0);
  CHECK(info.clients_so_far == 0);
  CHECK(info.slots_used == 0);
  CHECK(info.calls_so_far == 0);
  CHECK(info.stats.running == 0);
  CHECK(is_listed(name));
}

TEST_CASE("inspect: calls are queued, run, are given up and answered") {
  GatedChannel channel(4);
  auto running = channel.client.call_async(nap(0, 1), 5min);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  auto queued = channel.client.call_async(echo(2), (std::chrono::nanoseconds::max)());
  auto other = channel.client.call_async(echo(3), 10min);
  ChannelInfo info = see(channel.name);
  CHECK(info.state == ChannelState::open);
  CHECK(info.clients == 1);
  CHECK(info.clients_so_far == 1);
  CHECK(info.calls_so_far == 3);
  REQUIRE(info.calls.size() == 3);
  CHECK(count(info, CallState::running) == 1);
  CHECK(count(info, CallState::queued) == 2);
  CHECK(info.stats.running == 1);
  CHECK(info.stats.waiting == 2);
  for (const CallInfo& call : info.calls) {
    CHECK(call.slot < 4);
    CHECK(call.number == 1);
    CHECK(call.process_id == process_id());
    CHECK(call.is_caller_alive);
    REQUIRE(call.left);
    const bool is_forever = *call.left == (std::chrono::nanoseconds::max)();
    CHECK((is_forever || (*call.left > 60s && *call.left <= 10min)));
    if (!is_forever) {
      REQUIRE(call.waited);
      CHECK(*call.waited >= 0ns);
      CHECK(*call.waited < 60s);
    }
  }

  { const auto dropped = std::move(running); }
  info = see(channel.name);
  CHECK(count(info, CallState::abandoned) == 1);
  CHECK(count(info, CallState::queued) == 2);
  CHECK(info.stats.running == 1);
  for (const CallInfo& call : info.calls) {
    if (call.state == CallState::abandoned) CHECK(call.process_id == 0);
  }

  channel.gate.open();
  CHECK(queued.wait(amply));
  CHECK(other.wait(amply));
  info = see(channel.name);
  CHECK(count(info, CallState::answered) == 2);
  CHECK(eventually([&] { return count(see(channel.name), CallState::abandoned) == 0; }));
  CHECK(queued.get().value().id == 2);
  CHECK(other.get().value().id == 3);
  CHECK(see(channel.name).calls.empty());
}

TEST_CASE("inspect: a caller that prepares its request, and callers that wait for a slot") {
  GatedChannel channel(1);
  std::vector<CallState> seen;
  CallInfo call;
  const auto look = [&](Ask& ask) {
    ask = echo(1);
    const ChannelInfo info = see(channel.name);
    seen = states(info);
    if (!info.calls.empty()) call = info.calls[0];
  };
  CHECK_FALSE(error_of(channel.client.call_in_place(
      look, [](const Answer&) {}, amply)));
  CHECK(seen == std::vector{CallState::preparing});
  CHECK(channel.client.call(echo(2), amply));
  CHECK_FALSE(error_of(channel.client.call_in_place(
      look, [](const Answer&) {}, amply)));
  CHECK(seen == std::vector{CallState::preparing});  // in a slot that had a call before, too
  CHECK(call.number == 3);
  CHECK(call.process_id == 0);  // that call's words are not told for this one's
  CHECK_FALSE(call.waited);

  auto running = channel.client.call_async(nap(0, 1), amply);
  auto waiting = peer("call", channel.name, "1", "7");
  CHECK(eventually([&] { return see(channel.name).is_slot_awaited; }));
  CHECK(see(channel.name).clients == 2);
  channel.gate.open();
  CHECK(running.get().value().id == 1);
  CHECK(waiting.read_line() == "ok");
}

TEST_CASE("inspect: a caller that has died is told from one that lives") {
  const auto name = unique_name("inspect");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  auto asker = peer("hang", name);
  REQUIRE(asker.read_line() == "asking");
  REQUIRE(server.read_line() == "taken");
  ChannelInfo info = see(name);
  REQUIRE(info.calls.size() == 1);
  CHECK(info.calls[0].state == CallState::running);
  CHECK(info.calls[0].is_caller_alive);
  CHECK(info.process_id != process_id());
  CHECK_FALSE(info.program.empty());
  CHECK(info.clients == 1);
  asker.kill();
  CHECK(eventually([&] { return !see(name).calls[0].is_caller_alive; }));
  info = see(name);
  CHECK(info.calls[0].state == CallState::running);
  CHECK(info.calls[0].process_id != 0);
  CHECK(info.clients == 0);
}

TEST_CASE("inspect: clients are counted right while objects of others come and go") {
  const auto name = unique_name("inspect");
  const Channel::Server server(name);
  std::vector<Channel::Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(name);
    clients.back().wait_for_server(amply).value();
  }
  std::jthread others([](const std::stop_token& over) {
    while (!over.stop_requested()) const Channel::Server other(unique_name("others"));
  });
  for (int look = 0; look < 200; ++look) REQUIRE(see(name).clients == 3);
}

TEST_CASE("inspect: a server that stops, and one that was killed") {
  {
    GatedChannel channel;
    auto running = channel.client.call_async(nap(0, 1), amply);
    REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
    channel.server.stop();
    CHECK(see(channel.name).state == ChannelState::stopping);
    CHECK(count(see(channel.name), CallState::running) == 1);
    channel.gate.open();
    CHECK(running.get().value().id == 1);
  }
  const auto name = unique_name("inspect");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  Channel::Client client(name);
  CHECK(client.call(echo(1), amply).value().id == 1);
  CHECK(see(name).state == ChannelState::open);
  server.kill();
#ifdef _WIN32
  CHECK(eventually([&] { return error_of(inspect(name)) == Errc::no_server; }));
#else
  CHECK(eventually([&] { return see(name).state == ChannelState::dead; }));
  CHECK(is_listed(name));
  const ChannelInfo info = see(name);
  CHECK(info.program == "");
  CHECK(info.max_calls == 16);
  CHECK(info.clients == 1);
#endif
}

TEST_CASE("inspect: a name that is held without a channel") {
  const auto name = unique_name("inspect");
  const auto names = detail::Names::make(name, Scope::session).value();
  {
    const auto admission = detail::platform::Admission(Access::current_user());
    const auto lease = detail::platform::ServerLease::acquire(names, admission);
    REQUIRE(lease);
    CHECK(see(name).state == ChannelState::starting);
    CHECK(is_listed(name));
  }
  CHECK(error_of(inspect(name)) == Errc::no_server);
}

TEST_CASE("inspect: counters are the server's") {
  const auto name = unique_name("inspect");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  RawClient client(name);
  Answer answer;
  for (std::uint64_t id = 0; id < 5; ++id)
    CHECK(client.call(bytes_of(echo(id)), room_of(answer), amply).value() == sizeof answer);
  CHECK(error_of(client.call(bytes_of(fail), room_of(answer), amply)) == Errc::handler_failed);
  CHECK(see(name).calls_so_far == 6);
  CHECK(eventually([&] { return see(name).stats_age.has_value() && see(name).stats.done == 5; }));
  const ChannelInfo info = see(name);
  CHECK(info.stats.failed == 1);
  CHECK(*info.stats_age < 60s);
  CHECK(info.slots_used >= 1);
}

TEST_CASE("inspect: a look takes nothing and changes nothing") {
  const auto name = unique_name("inspect");
  RawServer server(name, ChannelShape{});
  RawClient client(name);
  auto waiting = client.call_async(bytes_of("x"), amply);
  const faults::LiveSegment segment(name);
  const std::vector<std::byte> before(segment.bytes().begin(), segment.bytes().end());
  for (int look = 0; look < 10; ++look) {
    CHECK(see(name).state == ChannelState::open);
    static_cast<void>(list_channels().value());
  }
  CHECK(std::equal(before.begin(), before.end(), segment.bytes().begin()));
  CHECK(see(name).clients == 1);
  CHECK(see(name).clients_so_far == 1);
}

TEST_CASE("inspect: the words for states") {
  CHECK(to_string(ChannelState::no_access) == "no_access");
  CHECK(to_string(ChannelState::unreadable) == "unreadable");
  CHECK(to_string(CallState::preparing) == "preparing");
  CHECK(to_string(CallState::answered) == "answered");
}

TEST_CASE("inspect: which channels the names of objects belong to") {
  const auto channels = [](std::vector<std::string> objects) {
    for (std::string& object : objects) object.insert(0, "shared_channel.");
    return detail::channels_among(objects);
  };
  using Found = std::vector<std::string>;
  CHECK(channels({"a", "a:server", "a.0123456789abcdef", "a.0123456789abcdef.server"}) == Found{"a"});
  CHECK(channels({"b.0123456789abcdef.done.12", "a.0123456789abcdef.client.3"}) == Found{"a", "b"});
  CHECK(channels({"a.server", "a.server:server"}) == Found{"a.server"});
  CHECK(channels({"a.0123456789abcde", "b.0123456789abcdeF"}) == Found{"a.0123456789abcde", "b.0123456789abcdeF"});
  CHECK(channels({"a.0123456789abcdef.other"}) == Found{"a.0123456789abcdef.other"});
  // A channel whose name looks like another's segment has a lock.
  CHECK(channels({"a.0123456789abcdef", "a.0123456789abcdef:server"}) == Found{"a.0123456789abcdef"});
  CHECK(channels({"a.0123456789abcdef", "a.0123456789abcdef:server", "a:server"}) == Found{"a", "a.0123456789abcdef"});
  CHECK(channels({"a.0123456789abcdef.0123456789abcdef.server"}) == Found{"a.0123456789abcdef"});
  CHECK(channels({"", ":server", "a b", "..", "a\n:server"}) == Found{});
  CHECK(detail::channels_among({"other", "shared_channe", "shared_channel"}) == Found{});
}

#ifdef __linux__
TEST_CASE("inspect: another user's channel is listed, and is no business of one's own") {
  if (::geteuid() != 0) SKIP_TEST("only root can become another user");
  const auto name = unique_name("inspect");
  Channel::Server server(name);
  auto other = peer("inspect_as", "65534", "65534", name);
  CHECK(other.read_line() == "listed no_access");
  const auto shared = unique_name("inspect");
  ServerOptions options;
  options.access = Access::everyone();
  Channel::Server open_to_all(shared, options);
  auto another = peer("inspect_as", "65534", "65534", shared);
  CHECK(another.read_line() == "listed open");
  CHECK(see(shared).access == "0666 group " + std::to_string(::getegid()));
}
#else
TEST_CASE("inspect: a channel that this user may not open is listed") {
  const auto name = unique_name("inspect");
  ServerOptions options;
  options.access = Access::sddl("D:(A;;GA;;;SY)");
  Channel::Server server(name, options);
  const ChannelInfo info = see(name);
  CHECK(info.state == ChannelState::no_access);
  CHECK(info.problem.find(name) != std::string::npos);
  CHECK(is_listed(name));
}
#endif

}  // namespace inspect_test
