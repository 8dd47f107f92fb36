// What operators see and set: files, metrics, the tool, passwords, TLS, clusters.
#include "world.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

namespace bridge_seen_test {

using namespace bridge_test;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// A folder of its own, gone at the end.
struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / unique_name("bridge")) {
    std::filesystem::create_directory(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(file(name));
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  const std::filesystem::path path;
};

std::string all_lines(Process& process) {
  std::string text;
  try {
    for (;;) text += process.read_line() + '\n';
  } catch (const std::runtime_error&) {  // it has said all
  }
  return text;
}

Channel::Server echoing(const std::string& name) {
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 1}; }).value();
  return server;
}

}  // namespace

TEST_CASE("bridge seen: a file says what many channels are, and both ends count") {
  const Folder folder;
  const World world;
  const std::string other = unique_name("far");
  const auto server = echoing(world.far), second = echoing(other);
  const std::string exports = folder.write(
      "export.json", R"({"nats": ")" + world.broker.url() + R"(", "metrics": ")" + folder.file("export.prom") +
                         R"(", "export": [{"name": ")" + world.far + R"(", "as": "one"}, ")" + other + R"(=two"]})");
  const std::string imports = folder.write(
      "import.json", R"({"nats": ")" + world.broker.url() + R"(", "metrics": ")" + folder.file("import.prom") +
                         R"(", "silence": "20s", "import": [{"name": ")" + world.near +
                         R"(", "as": "one", "max_calls": 4}, ")" + world.near + R"(.too=two"]})");
  const Process exporter = bridge({"run", exports}), importer = bridge({"run", imports});
  Channel::Client client(world.near), too(world.near + ".too");
  for (Channel::Client* one : {&client, &too}) {
    one->wait_for_server(amply).value();
    CHECK(one->call(echo(3), amply).value().id == 3);
  }
  const auto counts = [&](const char* file, const std::string& line) {
    return eventually([&] { return folder.read(file).find(line) != std::string::npos; });
  };
  CHECK(counts("import.prom", "_calls_total{end=\"import\",channel=\"" + world.near + "\"} 1\n"));
  CHECK(counts("import.prom", "_answer_seconds_count{end=\"import\",channel=\"" + world.near + ".too\"} 1\n"));
  CHECK(counts("export.prom", "_calls_total{end=\"export\",channel=\"" + world.far + "\"} 1\n"));
  CHECK(counts("export.prom", "_served{end=\"export\",channel=\"" + other + "\"} 1\n"));
}

TEST_CASE("bridge seen: what cannot be meant is refused before anything begins") {
  const Folder folder;
  const auto code_of = [](const std::vector<std::string>& arguments) { return bridge(arguments).wait().code; };
  CHECK(code_of({}) == 2);
  CHECK(code_of({"export"}) == 2);
  CHECK(code_of({"export", "no name"}) == 2);
  CHECK(code_of({"import", "name", "--silence", "soon"}) == 2);
  CHECK(code_of({"import", "name", "--access", "nobody"}) == 2);
  CHECK(code_of({"import", "name", "--certificate", "file"}) == 2);
  CHECK(code_of({"run", folder.file("missing")}) == 2);
  CHECK(code_of({"run", folder.write("broken", "{")}) == 2);
  CHECK(code_of({"run", folder.write("empty", "{}")}) == 2);
  CHECK(code_of({"run", folder.write("unknown", R"({"export": ["a"], "colour": "red"})")}) == 2);
  Process help = bridge({"--help"});
  CHECK(all_lines(help).find("client --shared memory--> import NAME --NATS--> export NAME") != std::string::npos);
  CHECK(help.wait().code == 0);
}

#ifdef SHARED_CHANNEL_TOOL
TEST_CASE("bridge seen: the tool marks what is imported") {
  World world;
  const auto server = echoing(world.far);
  const Process exporter = world.exports(), importer = world.imports();
  world.client();
  Process list(SHARED_CHANNEL_TOOL, {"list"}), show(SHARED_CHANNEL_TOOL, {"show", world.near}),
      own(SHARED_CHANNEL_TOOL, {"show", world.far});
  CHECK(all_lines(list).find("channel-bridge (imported)") != std::string::npos);
  CHECK(all_lines(show).find("channel-bridge (imported)") != std::string::npos);
  CHECK(all_lines(own).find("imported") == std::string::npos);
}
#endif

TEST_CASE("bridge seen: a password is asked for") {
  const Folder folder;
  World world({"--user", "bridge", "--pass", "secret"});
  const auto server = echoing(world.far);
  const std::string right = folder.write("right", "secret\n"), wrong = folder.write("wrong", "guess\n");
  const Process exporter = world.exports({"--user", "bridge", "--password-file", right});
  {
    const Process importer = world.imports({"--user", "bridge", "--password-file", wrong});
    Channel::Client client(world.near);
    CHECK(error_of(client.wait_for_server(500ms)) == Errc::no_server);
  }
  const Process importer = world.imports({"--user", "bridge", "--password-file", right});
  CHECK(world.client().call(echo(1), amply).value().id == 1);
}

TEST_CASE("bridge seen: credentials of an account let in, and others do not") {
  const Folder folder;
  const std::string make =
      std::string(SHARED_CHANNEL_BRIDGE_TESTS) + "/make_credentials '" + folder.path.string() + "'";
  if (std::system((make + " 2>/dev/null").c_str()) != 0) SKIP_TEST("no python3 or openssl to make credentials with");
  World world({"-c", folder.file("server.conf")});
  const auto server = echoing(world.far);
  const Process exporter = world.exports({"--credentials", folder.file("right.creds")});
  for (const std::vector<std::string>& refused :
       {std::vector<std::string>{"--credentials", folder.file("wrong.creds")}, std::vector<std::string>{}}) {
    const Process importer = world.imports(refused);
    Channel::Client client(world.near);
    CHECK(error_of(client.wait_for_server(500ms)) == Errc::no_server);
  }
  const Process importer = world.imports({"--credentials", folder.file("right.creds")});
  CHECK(world.client().call(echo(1), amply).value().id == 1);
}

TEST_CASE("bridge seen: what NATS does not permit is logged, once") {
  const Folder folder;
  const std::string users = folder.write("server.conf", R"(authorization: { users: [
    { user: "mute", password: "secret", permissions: { publish: { deny: ["shared_channel.*.find"] } } }
    { user: "deaf", password: "secret", permissions: { subscribe: { deny: ["shared_channel.*.at.*"] } } } ] })");
  World world({"-c", users});
  const std::string password = folder.write("password", "secret\n");
  const auto started = [&](const std::string& what, const std::string& name, const std::string& user) {
    Streams streams;
    streams.errors = Stream::file(folder.file(user));
    return Process(
        SHARED_CHANNEL_BRIDGE,
        {what, name + "=" + world.offered(), "--nats", world.broker.url(), "--user", user, "--password-file", password},
        streams);
  };
  const Process importer = started("import", world.near, "mute"), exporter = started("export", world.far, "deaf");
  const auto count = [&](const char* user, const std::string& line) {
    const std::string text = folder.read(user);
    int found = 0;
    for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) ++found;
    return found;
  };
  CHECK(eventually([&] { return count("deaf", "Permissions Violation for Subscription to") == 1; }));
  CHECK(eventually([&] { return count("mute", "Permissions Violation for Publish to") == 1; }));
  std::this_thread::sleep_for(1200ms);  // for more in vain
  CHECK(count("mute", "Permissions Violation") == 1);
}

TEST_CASE("bridge seen: each call that fails is logged with who asked, if that is wanted") {
  const Folder folder;
  for (const bool is_wanted : {true, false}) {
    World world;
    Channel::Server server(world.far);
    const auto refuse_odd = [](const Ask& ask) {
      if (ask.id % 2 == 1) throw std::runtime_error("it is odd");
      return Answer{ask.id, 1};
    };
    server.start(refuse_odd).value();
    const std::string log = is_wanted ? "wanted" : "unwanted";
    std::vector<std::string> arguments{"export", world.far + "=" + world.offered(), "--nats", world.broker.url()};
    if (is_wanted) arguments.push_back("--log-calls");
    Streams streams;
    streams.errors = Stream::file(folder.file(log));
    const Process exporter(SHARED_CHANNEL_BRIDGE, arguments, streams), importer = world.imports();
    auto client = world.client();
    CHECK(client.call(echo(2), amply));
    CHECK(error_of(client.call(echo(3), amply)) == Errc::handler_failed);
    CHECK(client.call(echo(4), amply));
    const std::string line = "export " + world.far + ": a call of process " + std::to_string(::getpid()) + " of user " +
                             std::to_string(::geteuid()) + " at importer ";
    const std::string text = folder.read(log);
    const std::size_t at = text.find(line);
    CHECK((at != std::string::npos) == is_wanted);
    if (at == std::string::npos) continue;
    CHECK(text.substr(at, text.find('\n', at) - at).find("it is odd") != std::string::npos);
    CHECK(text.find(line, at + 1) == std::string::npos);
  }
}

TEST_CASE("bridge seen: the connection may be TLS, to a server that is who it says") {
  const Folder folder;
  const auto certify = [&](const std::string& name) {
    const std::string command =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        "subjectAltName=IP:127.0.0.1,DNS:localhost -keyout " +
        folder.file(name + ".key") + " -out " + folder.file(name + ".pem") + " 2>/dev/null";
    return std::system(command.c_str()) == 0;
  };
  if (!certify("server") || !certify("stranger")) SKIP_TEST("no openssl to make certificates with");
  World world({"--tls", "--tlscert", folder.file("server.pem"), "--tlskey", folder.file("server.key")});
  const auto server = echoing(world.far);
  const Process exporter = world.exports({"--ca", folder.file("server.pem")});
  {
    const Process importer = world.imports({"--ca", folder.file("stranger.pem")});
    Channel::Client client(world.near);
    CHECK(error_of(client.wait_for_server(500ms)) == Errc::no_server);
  }
  const Process importer = world.imports({"--ca", folder.file("server.pem")});
  CHECK(world.client().call(echo(1), amply).value().id == 1);
}

namespace {

/// Three nats-servers that know of each other.
struct Three {
  explicit Three(const std::vector<std::string>& more = {}) {
    const auto url = [](std::uint16_t port) { return "nats://127.0.0.1:" + std::to_string(port); };
    const std::uint16_t first = free_port();
    for (int i = 0; i < 3; ++i) {
      std::vector<std::string> arguments{"--cluster_name", "three",   "--cluster", url(i == 0 ? first : free_port()),
                                         "--routes",       url(first)};
      arguments.insert(arguments.end(), more.begin(), more.end());
      brokers.push_back(std::make_unique<Broker>(std::move(arguments)));
    }
  }
  std::vector<std::unique_ptr<Broker>> brokers;
};

}  // namespace

TEST_CASE("bridge seen: three nats-servers are one, and one that goes is done without, now and later") {
  const std::string near = unique_name("near"), far = unique_name("far");
  const Three three;
  const auto server = echoing(far);
  const Process exporter = bridge({"export", far + "=" + near + ".x", "--nats", three.brokers[0]->url()});
  // It is told of one only; the cluster tells it of the others.
  const Process importer =
      bridge({"import", near + "=" + near + ".x", "--nats", three.brokers[1]->url(), "--silence", "20s"});
  Channel::Client client(near);
  client.wait_for_server(amply).value();
  for (std::uint64_t id = 0; id < 50; ++id) REQUIRE(client.call(echo(id), amply).value().id == id);
  const auto goes_on = [&] { return client.call(echo(1), 1s).has_value(); };
  three.brokers[1]->kill();
  CHECK(eventually(goes_on));
  for (std::uint64_t id = 0; id < 50; ++id) CHECK(client.call(echo(id), amply).value().id == id);
  for (const int one : {0, 2}) three.brokers[one]->kill();  // whichever it has found
  for (const int one : {0, 2}) three.brokers[one]->start();
  CHECK(eventually(goes_on));
}

TEST_CASE("bridge seen: a password in the URL is good for the whole cluster, and stays out of the log") {
  const Folder folder;
  const std::string near = unique_name("near"), far = unique_name("far");
  for (const bool is_token : {false, true}) {
    const Three three(is_token ? std::vector<std::string>{"--auth", "secret"}
                               : std::vector<std::string>{"--user", "bridge", "--pass", "secret"});
    const auto started = [&](const std::string& what, const std::string& name, const std::vector<std::string>& more) {
      std::string url = three.brokers[what == "export" ? 0 : 1]->url();
      url.insert(url.find("//") + 2, is_token ? "secret@" : "bridge:secret@");
      std::vector<std::string> arguments{what, name + "=" + near + ".x", "--nats", url};
      arguments.insert(arguments.end(), more.begin(), more.end());
      Streams streams;
      streams.errors = Stream::file(folder.file(what));
      return Process(SHARED_CHANNEL_BRIDGE, arguments, streams);
    };
    const auto server = echoing(far);
    const Process exporter = started("export", far, {}), importer = started("import", near, {"--silence", "20s"});
    Channel::Client client(near);
    client.wait_for_server(amply).value();
    CHECK(client.call(echo(1), amply));
    three.brokers[1]->kill();
    CHECK(eventually([&] { return client.call(echo(1), 1s).has_value(); }));
    for (const char* log : {"export", "import"}) {
      CAPTURE(folder.read(log));
      CHECK(folder.read(log).find("connected to nats://127.0.0.1:") != std::string::npos);
      CHECK(folder.read(log).find("secret") == std::string::npos);
    }
  }
}

TEST_CASE("bridge seen: a file that sets what only the other direction has is refused") {
  const Folder folder;
  for (const char* text :
       {R"({"export": [{"name": "one", "access": "everyone"}]})", R"({"export": [{"name": "one", "max_calls": 4}]})",
        R"({"import": [{"name": "one", "server": "any"}]})"}) {
    CAPTURE(text);
    Process refused = bridge({"run", folder.write("file.json", text)});
    CHECK(refused.wait() == ExitStatus{2, false});
  }
}

}  // namespace bridge_seen_test
