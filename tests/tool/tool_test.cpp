// The program shared_channel beside servers and clients in every state.
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "run.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"

#ifdef __linux__
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#endif

namespace tool_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using test_support::eventually;
using test_support::GatedChannel;
using test_support::unique_name;

struct ToolNumbers {
  std::int32_t a, b;
};
struct ToolSum {
  std::int32_t value;
};
struct ToolPut {
  std::string key, value;
};
using Adder = SharedChannel<ToolNumbers, ToolSum>;
using ToolStore = SharedChannel<std::variant<std::string, ToolPut>, std::optional<std::string>>;

TEST_CASE("tool: a server of typed messages is called without a line of code") {
  const std::string name = unique_name("tool");
  Adder::Server server(name);
  server.start([](const ToolNumbers& numbers) { return ToolSum{numbers.a + numbers.b}; }).value();
  CHECK(call({name, "[2, 3]"}).lines == std::vector<std::string>{"5"});
  CHECK(call({name, "2", "3"}).lines == std::vector<std::string>{"5"});
  CHECK(call({name, "--hex", "0200000003000000"}).lines == std::vector<std::string>{"05000000"});
  CHECK(call({name, "--json", "[2, 3]"}).json() == Json{{"reply", 5}});
  const Run many = call({name, "-"}, {"[1, 1]", "", "[-2, 1]"});
  CHECK(many.code == 0);
  CHECK(many.lines == std::vector<std::string>{"2", "-1"});
}

TEST_CASE("tool: whoever writes requests line by line is answered line by line") {
  const std::string name = unique_name("tool");
  Adder::Server server(name);
  server.start([](const ToolNumbers& numbers) { return ToolSum{numbers.a + numbers.b}; }).value();
  Process adding(SHARED_CHANNEL_TOOL, {"call", name, "-", "-t", "60s"});
  adding.write_line("[1, 1]");
  CHECK(adding.read_line().substr(0, 1) == "2");
  adding.write_line("[2, 3]");
  CHECK(adding.read_line().substr(0, 1) == "5");
  adding.close_input();
  CHECK(adding.wait().code == 0);
}

TEST_CASE("tool: strings, optionals and variants travel too") {
  const std::string name = unique_name("tool");
  ToolStore::Server server(name);
  std::string kept;
  server
      .start([&](const std::variant<std::string, ToolPut>& request) -> std::optional<std::string> {
        const auto* const put = std::get_if<ToolPut>(&request);
        if (put == nullptr) return kept.empty() ? std::nullopt : std::optional(kept);
        return std::exchange(kept, put->value);
      })
      .value();
  CHECK(call({name, R"({"0": "colour"})"}).lines == std::vector<std::string>{"null"});
  CHECK(call({name, R"({"1": ["colour", "red"]})"}).lines == std::vector<std::string>{R"("")"});
  CHECK(call({name, "colour"}).lines == std::vector<std::string>{R"("red")"});
}

TEST_CASE("tool: how a call failed is in its exit code") {
  const std::string name = unique_name("tool");
  CHECK(run({"call", name, "1"}).code == 3);
  CHECK(run({"call", "no name", "1"}).code == 2);
  CHECK(run({"call", name}).code == 2);
  CHECK(run({"jump", name}).code == 2);
  CHECK(run({"call", name, "1", "--timeout", "soon"}).code == 2);
  const Json none = run({"call", name, "1", "--json"}).json();
  CHECK(none["error"]["code"] == "no_server");
  CHECK(none["error"]["safe_to_retry"] == true);

  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  CHECK(call({name, "[0, 0, 7]"}).lines == std::vector<std::string>{"[7,1]"});
  CHECK(call({name, "[0, 0]"}).code == 2);       // too few members
  CHECK(call({name, "--hex", "00"}).code == 4);  // too few bytes
  CHECK(call({name, "[3, 0, 0]"}).code == 5);    // the handler throws
  Process hanging(SHARED_CHANNEL_TOOL, {"call", name, "[2, 0, 0]", "-t", "60s"});
  REQUIRE(peer.read_line() == "taken");
  peer.kill();  // under the handler
  CHECK(hanging.wait().code == 5);
  CHECK(run({"call", name, "[0, 0, 7]", "--wait", "-t", "50ms"}).code == 3);
}

TEST_CASE("tool: an error that a handler passed on says nothing of the channel") {
  const std::string name = unique_name("tool");
  Adder::Server server(name);
  std::atomic<int> runs{0};
  server
      .start([&](const ToolNumbers& numbers) -> Result<ToolSum> {
        ++runs;
        if (numbers.a == 0) return Error(Errc::layout_mismatch, "other", "it takes other messages");
        return Error(Errc::invalid_name, "other", "it was asked for by a wrong name", 0, Execution::possible);
      })
      .value();
  const Run other = call({name, "[0, 0]", "--json"});
  CHECK(other.code == 4);
  CHECK(other.json()["error"]["passed_on"] == true);
  CHECK(runs == 1);  // not asked again, as after a change of servers
  CHECK(call({name, "[1, 0]"}).code == 5);
}

TEST_CASE("tool: the wait for a server and the call share one timeout") {
  // The server comes a second after the wait has most probably begun; a try in which it had not proves nothing.
  bool is_shared = false;
  for (int tries = 0; tries < 5 && !is_shared; ++tries) {
    const std::string name = unique_name("tool");
    Process calling(SHARED_CHANNEL_TOOL, {"call", name, "[2, 0, 0]", "--wait", "-t", "3s", "--json"});
    std::this_thread::sleep_for(1s);
    auto peer = test_support::peer("serve", name);
    REQUIRE(peer.read_line() == "ready");
    const Json error = Json::parse(calling.read_line())["error"];
    CAPTURE(error.dump());
    CHECK(error["code"] != "handler_failed");
    const std::string message = error["message"];
    is_shared = calling.wait().code == 5 && message.find("within") != std::string::npos &&
                message.find("within 3 s") == std::string::npos;
    peer.kill();
  }
  CHECK(is_shared);
}

TEST_CASE("tool: help and version") {
  CHECK(run({"--version"}).lines ==
        std::vector<std::string>{"shared_channel " + std::to_string(SHARED_CHANNEL_VERSION_MAJOR) + '.' +
                                 std::to_string(SHARED_CHANNEL_VERSION_MINOR) + '.' +
                                 std::to_string(SHARED_CHANNEL_VERSION_PATCH)});
  for (const char* command : {"list", "show", "top", "call", "clean", "doctor", "metrics", "watch"}) {
    CAPTURE(command);
    const Run help = run({command, "--help"});
    CHECK(help.code == 0);
    CHECK(help.has("Examples:"));
    CHECK(help.has("--json"));
  }
}

TEST_CASE("tool: a channel without calls is listed and shown as it is") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name, "5", "2");
  REQUIRE(peer.read_line() == "ready");
  const Json channel = show(name);
  CHECK(channel["state"] == "open");
  CHECK(channel["process_id"] == peer.pid());
  CHECK(channel["max_calls"] == 5);
  CHECK(channel["request"]["description"] == "{u32 u32 u64}");
  CHECK(channel["reply"]["description"] == "{u64 u64}");
  CHECK(channel["in_flight"] == 0);
  CHECK(channel["calls_per_second"] == 0);
  CHECK(channel["stats"]["longest_running"] == 0);
  CHECK(channel["clients"] == 0);
  CHECK(listed(name)["state"] == "open");
  CHECK(line_of(run({"list"}), name).find("0/5") != std::string::npos);
  const Run text = run({"show", name});
  CHECK(text.code == 0);
  CHECK(text.has("{u32 u32 u64}, 16 bytes"));
  CHECK(run({"show", unique_name("tool")}).code == 3);
}

TEST_CASE("tool: calls are queued, run, and are abandoned") {
  auto peer = test_support::peer("serve", unique_name("tool"));  // a process of its own is in the list as well
  REQUIRE(peer.read_line() == "ready");
  GatedChannel channel(4);
  auto running = channel.client.call_async(test_support::nap(0), 1min);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  auto queued = channel.client.call_async(test_support::nap(0), 1min);
  Json now;
  REQUIRE(eventually([&] {
    now = show(channel.name);
    return now["queued"] == 1;
  }));
  CHECK(now["running"] == 1);
  CHECK(now["stats"]["running"] == 1);
  CHECK(now["stats"]["waiting"] == 1);
  CHECK(now["stats"]["longest_running"].get<double>() > 0);
  CHECK(now["in_flight"] == 2);
  CHECK(now["clients"] == 1);
  CHECK(now["calls"][0]["caller_alive"] == true);
  const Run text = run({"show", channel.name});
  CHECK(text.has("2: 1 queued, 1 running, the longest for "));
  CHECK(text.has("WAITED"));
  for (const char* state : {"running ", "queued "}) {  // a line for each call
    CAPTURE(state);
    CHECK(std::any_of(text.lines.begin(), text.lines.end(), [&](const std::string& line) {
      return line.find(state) != std::string::npos &&
             line.find(' ' + std::to_string(detail::platform::process_id()) + ' ') != std::string::npos;
    }));
  }
  CHECK(line_of(run({"list"}), channel.name).find("2/4") != std::string::npos);
  CHECK(line_of(run({"top", "--count", "1"}), channel.name).find("2/4") != std::string::npos);
  const Run metrics = run({"metrics"});
  CHECK(metrics.has("shared_channel_in_flight{channel=\"" + channel.name + "\",state=\"queued\"} 1"));
  CHECK(metrics.has("shared_channel_up{channel=\"" + channel.name + "\"} 1"));
  const Json all = run({"metrics", "--json"}).json()["channels"];
  const auto same = std::find_if(all.begin(), all.end(), [&](const Json& one) { return one["name"] == channel.name; });
  REQUIRE(same != all.end());
  CHECK((*same)["queued"] == 1);
  CHECK((*same)["running"] == 1);
  for (const auto& [key, value] : now.items()) {
    CAPTURE(key);
    if (key != "calls_per_second") CHECK(same->contains(key));
  }

  const auto file = std::filesystem::temp_directory_path() / (channel.name + ".prom");
  CHECK(run({"metrics", "-o", file.string()}).lines.empty());
  std::ifstream written(file);
  const std::string text_of_file{std::istreambuf_iterator<char>(written), {}};
  written.close();
  CHECK(text_of_file.find("shared_channel_up{channel=\"" + channel.name + "\"} 1") != std::string::npos);
  std::filesystem::remove(file);
  CHECK(run({"metrics", "-o", (file / "below" / "a file").string()}).code == 1);

  running.cancel();
  REQUIRE(eventually([&] { return show(channel.name)["calls"][0]["state"] == "abandoned"; }));
  CHECK(run({"clean", channel.name}).code == 6);
  channel.gate.open();
  CHECK(queued.get().has_value());
}

TEST_CASE("tool: metrics are written whole, or not at all, by several at once") {
  const auto folder = std::filesystem::temp_directory_path() / unique_name("tool");
  std::filesystem::create_directory(folder);
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  };
  const std::string file = (folder / "all.prom").string();
  std::filesystem::create_directory(folder / "all.prom");  // what cannot be replaced by a file
  CHECK(run({"metrics", "-o", file}).code == 1);
  CHECK(files() == 1);
  std::filesystem::remove(folder / "all.prom");
#ifdef __linux__  // Win32 replaces no file that somebody reads
  std::atomic<int> written{0}, unwritten{0}, torn{0};
  const auto write = [&] {
    for (int i = 0; i < 20; ++i) ++(run({"metrics", "-o", file}).code == 0 ? written : unwritten);
  };
  std::thread writers[] = {std::thread(write), std::thread(write)};
  while (written + unwritten < 40) {
    std::ifstream in(file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    torn += in.is_open() && text.find("# TYPE shared_channel_start_time_seconds gauge\n") == std::string::npos;
    std::this_thread::sleep_for(1ms);
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(unwritten == 0);
  CHECK(torn == 0);
  CHECK(files() == 1);
#endif
  std::filesystem::remove_all(folder);
}

TEST_CASE("tool: what a killed server left is dead, and is cleaned away") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  test_support::Channel::Client client(name);
  REQUIRE(client.call(test_support::echo(1)).has_value());
  CHECK(run({"clean", name}).code == 6);
  const std::string missing = unique_name("tool");
  CHECK(run({"clean", name, missing}).code == 6);  // whichever comes first
  CHECK(run({"clean", missing, name}).code == 6);
  REQUIRE(client.call(test_support::echo(1)).has_value());
  peer.kill();
  peer.wait();
#ifdef __linux__
  CHECK(eventually([&] { return listed(name)["state"] == "dead"; }));
  CHECK(line_of(run({"list"}), name).find("dead") != std::string::npos);
  const Run text = run({"show", name});
  CHECK(text.code == 0);
  CHECK(text.has("shared_channel clean " + name));
  CHECK_FALSE(text.has("in flight"));
  CHECK(run({"metrics"}).has("shared_channel_up{channel=\"" + name + "\"} 0"));
  CHECK(run({"doctor"}).code == 1);
  CHECK(run({"clean", name}).code == 0);
  CHECK(run({"clean", name}).code == 3);
  CHECK(listed(name) == nullptr);
#else
  CHECK(eventually([&] { return listed(name) == nullptr; }));  // its record goes with it
  CHECK(run({"clean", name}).code == 3);
#endif
}

TEST_CASE("tool: a server that stops is shown while its handlers run") {
  GatedChannel channel;
  auto running = channel.client.call_async(test_support::nap(0), 1min);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  channel.server.stop();
  const Json now = show(channel.name);
  CHECK(now["state"] == "stopping");
  CHECK(now["running"] == 1);
  const std::string line = line_of(run({"list"}), channel.name);
  CHECK(line.find("stopping") != std::string::npos);
  REQUIRE(line.find(" 1/16 ") != std::string::npos);
  std::istringstream columns(line.substr(line.find(" 1/16 ") + 6));
  int queued = -1, is_running = -1;
  double longest = -1;
  columns >> queued >> is_running >> longest;
  CHECK(queued == 0);
  CHECK(is_running == 1);
  CHECK(longest > 0);
  CHECK(run({"show", channel.name}).has("1: 0 queued, 1 running"));
  CHECK(run({"metrics"}).has("shared_channel_up{channel=\"" + channel.name + "\"} 0"));
  CHECK(run({"call", channel.name, "[0, 0, 7]"}).code == 3);
  const Run clean = run({"clean", channel.name, "--json"});
  CHECK(clean.code == 6);
  CHECK(clean.json()["channels"][0]["removed"] == false);
  channel.gate.open();
  CHECK(running.get().has_value());
}

TEST_CASE("tool: a name that is held without a channel is starting") {
  const std::string name = unique_name("tool");
  const auto names = detail::Names::make(name, Scope::session).value();
  {
    const auto lease = detail::platform::ServerLease::acquire(names, Access::current_user());
    REQUIRE(lease);
    CHECK(show(name)["state"] == "starting");
    CHECK(listed(name)["state"] == "starting");
    CHECK(line_of(run({"list"}), name).find("starting") != std::string::npos);
    const Run text = run({"show", name});
    CHECK(text.code == 0);
    CHECK_FALSE(text.has("in flight"));
    CHECK(run({"clean", name}).code == 6);
  }
  CHECK(run({"show", name}).code == 3);
}

#ifdef __linux__
TEST_CASE("tool: another user's channel is listed without what is inside") {
  if (::geteuid() != 0) SKIP_TEST("only root can become another user");
  const std::string name = unique_name("tool");
  Adder::Server server(name);
  server.start([](const ToolNumbers& numbers) { return ToolSum{numbers.a + numbers.b}; }).value();
  // Where everybody gets to it.
  const auto folder = std::filesystem::temp_directory_path() / name;
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  const auto copy = folder / "shared_channel";
  std::filesystem::copy_file(SHARED_CHANNEL_TOOL, copy);
  const auto as_nobody = [&](std::vector<std::string> arguments) {
    std::vector<std::string> all = {"--reuid=65534", "--regid=65534", "--clear-groups", copy.string()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(all, {}, "setpriv");
  };
  const Run shown = as_nobody({"show", name, "--json"});
  CHECK(shown.code == 1);
  CHECK(shown.json()["state"] == "no_access");
  CHECK(shown.json()["problem"].is_string());
  CHECK(line_of(as_nobody({"list"}), name).find("no access") != std::string::npos);
  CHECK(as_nobody({"call", name, "[2, 3]"}).code == 4);
  CHECK(as_nobody({"clean", name}).code == 1);
  CHECK(as_nobody({"metrics"}).has("shared_channel_up{channel=\"" + name + "\"} 0"));
  CHECK(run({"call", name, "[2, 3]"}).code == 0);  // and nothing happened to it
  std::filesystem::remove_all(folder);
}
#endif

TEST_CASE("tool: top tells rates, line by line where there is no terminal") {
  GatedChannel channel;
  std::atomic<bool> is_over{false};
  std::thread caller([&] {
    while (!is_over) static_cast<void>(channel.client.call(test_support::echo(1)));
  });
  const Run top = run({"top", "--json", "--interval", "200ms", "--count", "2"});
  const Run lines = run({"top", "--interval", "50ms", "--count", "1"});
  const Json shown = show(channel.name);
  const Run text = run({"show", channel.name});
  is_over = true;
  caller.join();
  CHECK(top.code == 0);
  REQUIRE(top.lines.size() == 2);
  const Json last = Json::parse(top.lines.back());
  for (const Json& one : last["channels"]) {
    if (one["name"] == channel.name) CHECK(one["calls_per_second"].get<double>() > 0);
  }
  CHECK(shown["calls_per_second"].get<double>() > 0);
  CHECK(text.has(" a second, "));
  CHECK(lines.has("CALLS/S"));
  CHECK_FALSE(lines.has("\x1b"));
}

TEST_CASE("tool: watch tells of calls that last, and of a server that dies") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  test_support::Channel::Client client(name);
  REQUIRE(client.call(test_support::echo(1)).has_value());
  Process watch(SHARED_CHANNEL_TOOL, {"watch", name, "--over", "60ms", "--for", "1min", "--json"});
  auto pending = client.call_async(test_support::hang, 1min);
  const Json slow = Json::parse(watch.read_line());
  CHECK(slow["event"] == "slow");
  CHECK(slow["state"] == "running");
  CHECK(slow["lasted"].get<double>() >= 0.06);
  peer.kill();
  const Json died = Json::parse(watch.read_line());
  CHECK(died["event"] == "server");
  CHECK(pending.get().error().code() == Errc::server_died);
}

TEST_CASE("tool: watch tells again of a slow call that is abandoned, and counts those it has not seen") {
  const std::string name = unique_name("tool");
  test_support::Gate gates[2];
  test_support::Channel::Server server(name);
  server
      .start([&](const test_support::Ask& ask) {
        if (ask.what == test_support::Ask::What::fail) throw std::runtime_error("as asked");
        return gates[ask.id](ask);
      })
      .value();
  test_support::Channel::Client client(name);
  Process watch(SHARED_CHANNEL_TOOL, {"watch", name, "--over", "60ms", "--for", "10min", "--json"});
  auto seen = client.call_async(test_support::nap(0, 0), 1min);
  const Json slow = Json::parse(watch.read_line());
  CHECK(slow["event"] == "slow");
  seen.cancel();
  const Json abandoned = Json::parse(watch.read_line());
  CHECK(abandoned["event"] == "abandoned");
  CHECK(abandoned["number"] == slow["number"]);
  CHECK(abandoned["slot"] == slow["slot"]);
  gates[0].open();
  CHECK_FALSE(seen.get());  // which lets its slot go

  watch.suspend();
  auto unseen = client.call_async(test_support::nap(0, 1), 1min);
  REQUIRE(eventually([&] { return gates[1].runs == 1; }));
  unseen.cancel();
  gates[1].open();
  CHECK_FALSE(unseen.get());
  REQUIRE(eventually([&] { return server.stats().abandoned == 2; }));
  watch.resume();
  const std::string line = watch.read_line();
  CAPTURE(line, abandoned.dump());
  const Json counted = Json::parse(line);
  CHECK(counted["event"] == "abandoned");
  CHECK(counted.value("count", 0) == 1);

  CHECK_FALSE(client.call(test_support::fail, 1min));
  CHECK(Json::parse(watch.read_line())["event"] == "failed");  // and nothing was told twice
}

TEST_CASE("tool: watch tells of the first failures of a server that starts again") {
  const std::string name = unique_name("tool");
  const auto start = [&] {
    auto server = test_support::peer("serve", name);
    REQUIRE(server.read_line() == "ready");
    return server;
  };
  auto peer = start();
  test_support::Channel::Client client(name);
  REQUIRE(client.call(test_support::echo(1), 1min));
  Process watch(SHARED_CHANNEL_TOOL, {"watch", name, "--over", "60ms", "--for", "10min", "--json"});
  const auto reads = [&](const char* event) {
    while (Json::parse(watch.read_line())["event"] != event) {
    }
    return true;
  };
  auto pending = client.call_async(test_support::hang, 10min);
  REQUIRE(reads("slow"));
  peer.kill();
  REQUIRE(reads("server"));
  auto next = start();
  REQUIRE_FALSE(client.call(test_support::fail, 1min));
  CHECK(reads("failed"));
}

TEST_CASE("tool: doctor says what it found, and what to do") {
  const Json findings = run({"doctor", "--json"}).json()["findings"];
  CHECK(findings.size() >= 4);
  for (const Json& finding : findings) CHECK((finding["grade"] == "ok") == finding["advice"].is_null());
}

#ifdef __linux__
TEST_CASE("tool: watch goes on after a logout that it was told to ignore") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  test_support::Channel::Client client(name);
  Process watch("sh", {"-c", "trap '' HUP INT; exec \"$@\"", "sh", SHARED_CHANNEL_TOOL, "watch", name, "--over", "1ms",
                       "--for", "10min", "--json"});
  auto pending = client.call_async(test_support::hang, 10min);
  REQUIRE(Json::parse(watch.read_line())["event"] == "slow");
  REQUIRE(::kill(static_cast<pid_t>(watch.pid()), SIGHUP) == 0);
  watch.interrupt();
  CHECK_FALSE(watch.ends_within(500ms));
  peer.kill();
  CHECK(Json::parse(watch.read_line())["event"] == "server");
  watch.terminate();
  CHECK(watch.wait().code == 0);
}

TEST_CASE("tool: what cannot be written is not taken for said") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  const auto code = [](const std::vector<std::string>& arguments) {
    using test_support::Stream;
    return Process(SHARED_CHANNEL_TOOL, arguments, {Stream::nothing(), Stream::file("/dev/full"), Stream::nothing()})
        .wait()
        .code;
  };
  CHECK(code({"--version"}) == 1);
  CHECK(code({"--help"}) == 1);
  CHECK(code({"call", name, "[0, 0, 7]", "-t", "60s"}) == 5);
  CHECK(code({"call", name, "--hex", std::string(32, '0'), "-t", "60s"}) == 5);
  test_support::Channel::Client client(name);
  auto pending = client.call_async(test_support::hang, 10min);
  REQUIRE(peer.read_line() == "taken");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"list"},
                                             {"list", "--json"},
                                             {"show", name},
                                             {"show", name, "--json"},
                                             {"top", "-i", "1ms"},
                                             {"top", "-i", "1ms", "--json"},
                                             {"watch", name, "--over", "1ms"},
                                             {"watch", name, "--over", "1ms", "--json"},
                                             {"metrics"},
                                             {"metrics", "--json"},
                                             {"doctor"}}) {
    CAPTURE(arguments[0], arguments.back());
    CHECK(code(arguments) == 1);
  }
  peer.kill();
  peer.wait();
  CHECK(code({"clean", name}) == 1);
}

TEST_CASE("tool: metrics replace files, and nothing else") {
  const auto folder = std::filesystem::temp_directory_path() / unique_name("tool");
  std::filesystem::create_directory(folder);
  const auto metrics = [&](const char* file) { return run({"metrics", "-o", (folder / file).string()}); };
  std::filesystem::create_symlink("/proc/self/fd/1", folder / "stdout");
  std::filesystem::create_symlink("/dev/full", folder / "full");
  std::filesystem::create_symlink("file", folder / "link");
  std::ofstream(folder / "file") << "of before";
  CHECK(metrics("stdout").has("# TYPE shared_channel_up gauge"));
  CHECK(metrics("full").code == 1);
  CHECK(metrics("link").code == 0);
  for (const char* const link : {"stdout", "full", "link"}) {
    CAPTURE(link);
    CHECK(std::filesystem::is_symlink(folder / link));
  }
  CHECK(std::filesystem::file_size(folder / "file") > 9);
  std::filesystem::remove_all(folder);
}

TEST_CASE("tool: requests that cannot be read are not taken for none") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  using test_support::Stream;
  Process calling(SHARED_CHANNEL_TOOL, {"call", name, "-"}, {Stream::file("/"), Stream::nothing(), Stream::nothing()});
  CHECK(calling.wait().code == 1);
}

TEST_CASE("tool: forever is no moment") {
  Process top(SHARED_CHANNEL_TOOL, {"top", "--json", "--count", "2", "--interval", "inf"});
  CHECK_FALSE(top.ends_within(300ms));
  top.terminate();
  CHECK(top.wait().code == 0);
}

// Every member that is said, among the words of the manual page.
TEST_CASE("tool: the manual page knows what JSON there is") {
  std::ifstream in(SHARED_CHANNEL_MANUAL);
  std::string words{std::istreambuf_iterator<char>(in), {}};
  REQUIRE_FALSE(words.empty());
  for (char& c : words) {
    if (std::string_view("_abcdefghijklmnopqrstuvwxyz").find(c) == std::string_view::npos) c = ' ';
  }
  const std::function<void(const Json&)> find_all = [&](const Json& value) {
    if (!value.is_structured()) return;
    for (const auto& [key, member] : value.items()) {
      CAPTURE(key);
      if (value.is_object()) CHECK(words.find(' ' + key + ' ') != std::string::npos);
      find_all(member);
    }
  };
  GatedChannel channel(4);
  auto running = channel.client.call_async(test_support::nap(0), 1min);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  find_all(show(channel.name));
  find_all(listed(channel.name));
  find_all(run({"top", "--json", "--count", "1"}).json());
  find_all(run({"doctor", "--json"}).json());
  find_all(run({"clean", channel.name, "--json"}).json());
  find_all(run({"show", "no name", "--json"}).json());
  find_all(Json::parse(Process(SHARED_CHANNEL_TOOL, {"watch", channel.name, "--over", "0", "--json"}).read_line()));
  channel.gate.open();
  CHECK(running.get().has_value());
  Json reply = run({"call", channel.name, "[0, 0, 7]", "--json", "-t", "60s"}).json();
  find_all(reply);
}

TEST_CASE("tool: a reply that nobody reads any more was called for all the same") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  using test_support::Stream;
  Process calling(SHARED_CHANNEL_TOOL, {"call", name, "-", "-t", "60s"},
                  {Stream::pipe(), Stream::file("/proc/self/fd/" + std::to_string(ends[1])), Stream::nothing()});
  ::close(ends[0]);
  ::close(ends[1]);
  calling.write_line("[0, 0, 7]");
  CHECK(calling.wait() == test_support::ExitStatus{5, false});
}

TEST_CASE("tool: without standard output nothing is said, and nothing else is written to") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  const auto code = [&](std::vector<std::string> words) {
    std::vector<std::string> all = {"-c", "exec \"$@\" >&- <&- 2>&-", "sh", SHARED_CHANNEL_TOOL};
    all.insert(all.end(), words.begin(), words.end());
    return run(all, {}, "sh").code;
  };
  CHECK(code({"list"}) == 1);
  CHECK(code({"show", name, "--json"}) == 1);
  CHECK(code({"metrics"}) == 1);
  for (int i = 0; i < 3; ++i) CHECK(code({"call", name, "[0, 0, 7]", "-t", "60s"}) == 5);
  CHECK(call({name, "[0, 0, 7]"}).lines == std::vector<std::string>{"[7,4]"});  // and three calls before
}

TEST_CASE("tool: a call that could not even attach was not executed") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    const std::string file = entry.path().filename().string();
    if (file.find(name) == std::string::npos || !file.ends_with(".server")) continue;
    std::fstream(entry.path(), std::ios::in | std::ios::out | std::ios::binary).put('?');  // its magic
  }
  const Run refused = call({name, "[0, 0, 7]", "--json"});
  CHECK(refused.code == 4);
  CHECK(refused.json()["error"]["not_executed"] == true);
}

// Everything that a channel has in /dev/shm, overwritten at random while the tool looks.
TEST_CASE("tool: damaged channels are shown as well as they can be") {
  const std::string name = unique_name("tool");
  auto peer = test_support::peer("serve", name);
  REQUIRE(peer.read_line() == "ready");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    if (entry.path().filename().string().find(name) != std::string::npos) files.push_back(entry.path());
  }
  REQUIRE(files.size() >= 3);
  peer.kill();
  peer.wait();
  std::minstd_rand random(7);
  const std::vector<std::vector<std::string>> commands = {
      {"list"}, {"show", name}, {"show", name, "--json"}, {"call", name, "[0, 0, 7]"}, {"metrics"}, {"top", "-n", "1"}};
  for (unsigned round = 0; round < 30; ++round) {
    for (const auto& file : files) {
      const auto size = std::filesystem::file_size(file);
      std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
      for (unsigned bytes = 0; size != 0 && bytes < 16; ++bytes) {
        out.seekp(static_cast<std::streamoff>(random() % size));
        out.put(static_cast<char>(random()));
      }
    }
    for (const auto& command : commands) {
      const int code = run(command).code;
      CAPTURE(round, command[0], code);
      CHECK((code >= 0 && code <= 5));
    }
  }
  for (const auto& file : files) std::filesystem::remove(file);
}
#endif

}  // namespace tool_test
