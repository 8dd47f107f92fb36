// Runs one example as its reader would, and compares what it prints.
// usage: check_examples hello|calculator|wc|key_value|deferred|context|protobuf
//        check_examples hello PYTHON SCRIPT   asks with a client in another language as well
//        check_examples says PROGRAM TEXT...  runs a program that is server and client in one, with a channel's name:
//        it
//                                             succeeds, and prints these texts in this order
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/files.hpp"
#include "support/programs.hpp"
#include "support/wc_reference.hpp"
#include "tests/support/scoped_env.hpp"
#include "wc.hpp"

using namespace std::chrono_literals;
using support::channel;
using support::exit_code_of;
using support::start_example;
using support::text_of;
using test_support::Process;

namespace {

void expect_equal(const std::string& what, const std::string& found, const std::string& expected) {
  if (found != expected) throw std::runtime_error(what + ": expected\n" + expected + "but found\n" + found);
}

void expect(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

void wait_until(const std::string& what, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("waited in vain until " + what);
    std::this_thread::sleep_for(10ms);
  }
}

/// What a program prints, from its start to its end.
struct Run {
  int code;
  std::string output;
};
Run run(const std::string& program, const std::vector<std::string>& arguments, const std::string& input = {}) {
  if (!input.empty()) support::write_file("input", input);
  Process process = start_example(program, arguments, {input.empty() ? "" : "input", "output", "errors"});
  const int code = exit_code_of(process);
  return {code, text_of("output")};
}

Process serving_hello() {
  Process server = start_example("hello", {"serve"});
  wait_until("hello is answered", [&] {
    // Its name is fixed: another run of this test on the machine may have it.
    if (!server.is_running()) server = start_example("hello", {"serve"});
    return run("hello", {}).output == "2 + 3 = 5\n";
  });
  return server;
}

void check_answers(const std::vector<std::string>& other_client) {
  const Run second = run("hello", {"serve"});
  expect(second.code == 1, "a second server of the same name did not end in exit code 1");
  expect_equal("a second server", second.output,
               "shared channel 'adder': a server is already running under this name; "
               "stop it first or choose another name\n");
  if (!other_client.empty()) {
    Process client = support::start(other_client[0], {other_client[1]}, {{}, "output", "errors"});
    expect(exit_code_of(client) == 0, "the other client failed: " + text_of("errors"));
    expect_equal("the other client", text_of("output"), "2 + 3 = 5\n");
  }
}

void check_hello(const std::vector<std::string>& other_client) {
  for (const auto ask_to_end : {&Process::interrupt, &Process::terminate}) {
    Process server = serving_hello();
    check_answers(other_client);
    (server.*ask_to_end)();
    expect(exit_code_of(server) == 0, "the server did not end with success when it was asked to");
  }
}

void check_calculator() {
  const std::string name = channel("calculator");
  const std::string greeting = "type something like 6 * 7\n";
  expect_equal("without a server", run("calculator_client", {name}, "1 + 1\n").output,
               greeting + "! start calculator_server, then ask again\n");

  Process server = start_example("calculator_server", {name}, {{}, "server", {}});
  wait_until("the server serves", [] { return text_of("server") == "serving; Ctrl-C stops\n"; });
  expect_equal("with a server", run("calculator_client", {name}, "6 * 7\n1 / 4\n1 / 0\n2 ^ 3\nsix\n").output,
               greeting + "= 42\n= 0.25\n! shared channel '" + name +
                   "': the server's handler failed: division by zero\n" + "! shared channel '" + name +
                   "': the server's handler failed: the operation must be one of + - * /\n" +
                   "? NUMBER OPERATION NUMBER, with spaces between them\n");
  expect(run("calculator_server", {name}).code == 1, "a second server of the same name was not refused");

  server.interrupt();
  wait_until("Ctrl-C stops the server", [&] { return !server.is_running(); });
  expect(exit_code_of(server) == 0, "after Ctrl-C the server did not end with success");
  expect_equal("after Ctrl-C", text_of("server"), "serving; Ctrl-C stops\nstopped\n");
}

void check_wc() {
  const std::string name = channel("wc");
  Process server = start_example("wc_server", {"--channel", name});
  support::WcReference reference;

  // One file ends inside a word, one has a word across its blocks, one has nothing, one no line end.
  support::write_file("words", "one two\tthree\v\ffour\r\n\n  five");
  support::write_file("blocks",
                      std::string(block_capacity - 3, ' ') + "across " + std::string(3 * block_capacity, 'x') + "\n");
  support::write_file("empty", "");
  support::write_file("bytes", std::string("a\0b \x01 \x80\xFF c\x80z", 12));
  const std::vector<std::string> files = {"words", "blocks", "empty", "bytes", "words"};
  const auto with_channel = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--channel", name});
    return arguments;
  };
  const bool all_comparable = reference.ignores_other_bytes();
  const std::vector<std::string> comparable =
      all_comparable ? files : std::vector<std::string>{"words", "blocks", "empty"};
  const Run counted = run("wc_client", with_channel(comparable));
  expect(counted.code == 0, "wc_client failed: " + text_of("errors"));
  expect_equal("files", counted.output, reference.count(comparable));

  expect_equal("standard input", run("wc_client", with_channel({}), "one two\n").output, "1 2 8\n");
  expect_equal("one file", run("wc_client", with_channel({"words"})).output, " 2  5 28 words\n");

  const Run missing = run("wc_client", with_channel({"words", "nowhere", "empty"}));
  expect(missing.code == 1, "a missing file did not end in exit code 1");
  expect_equal("a missing file", missing.output, " 2  5 28 words\n 0  0  0 empty\n 2  5 28 total\n");
  expect_equal("its message", text_of("errors"), "wc_client: nowhere: No such file or directory\n");

  std::filesystem::create_directory("directory");
  const Run directory = run("wc_client", with_channel({"directory"}));
  expect(directory.code == 1, "a directory did not end in exit code 1");
  expect_equal("a directory", directory.output, "      0       0       0 directory\n");
  expect_equal("its message", text_of("errors"), "wc_client: directory: Is a directory\n");

  server.interrupt();
  expect(exit_code_of(server) == 0, "after Ctrl-C the server did not end with success");
}

// A server that is killed leaves shared memory behind, which goes with the next server of that name.
void end(Process& server, const std::string& name) {
  server.kill();
  server.wait();
  static_cast<void>(WordCount::Server::create(name));
}

void check_key_value() {
  const std::string name = channel("key_value");
  Process server = start_example("key_value_server", {name}, {{}, "server", {}});
  wait_until("the server serves", [] { return text_of("server") == "serving; Ctrl-C stops\n"; });
  const auto answer = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), name);
    return run("key_value_client", arguments).output;
  };
  expect_equal("a new key", answer({"put", "colour", "red"}), "(none)\n");
  expect_equal("a key of old", answer({"put", "colour", "green"}), "red\n");
  expect_equal("a value with a space", answer({"put", "cost", "10 marks"}), "(none)\n");
  expect_equal("a value of no bytes", answer({"put", "empty", ""}), "(none)\n");
  expect_equal("get", answer({"get", "cost"}), "10 marks\n");
  expect_equal("get nothing", answer({"get", "price"}), "(none)\n");
  expect_equal("get no bytes", answer({"get", "empty"}), "\n");
  expect_equal("list", answer({"list"}), "colour\ncost\nempty\n");
  expect_equal("list some", answer({"list", "co"}), "colour\ncost\n");
  expect_equal("erase", answer({"erase", "colour"}), "green\n");
  expect_equal("erase nothing", answer({"erase", "colour"}), "(none)\n");

  std::vector<Process> clients;
  for (int i = 0; i < 5; ++i)
    clients.push_back(start_example("key_value_client", {name, "put", "client." + std::to_string(i), "was here"}));
  for (Process& client : clients) expect(exit_code_of(client) == 0, "one of several clients failed");
  expect_equal("several clients", answer({"list", "client."}), "client.0\nclient.1\nclient.2\nclient.3\nclient.4\n");
  expect(run("key_value_client", {name, "put", "colour"}).code == 1, "put without a value was not refused");

  server.interrupt();
  wait_until("Ctrl-C stops the server", [&] { return !server.is_running(); });
  expect(exit_code_of(server) == 0, "after Ctrl-C the server did not end with success");
}

void check_deferred() {
  const std::string name = channel("factoring");
  Process server = start_example("deferred", {"serve", name}, {{}, "server", {}});
  wait_until("the server serves", [] { return text_of("server") == "serving\n"; });
  expect_equal("answered at once", run("deferred", {"360", name}).output, "360: 2 2 2 3 3 5\n");
  expect_equal("answered later", run("deferred", {"600851475143", name}).output, "600851475143: 71 839 1471 6857\n");
  end(server, name);
}

void check_context() {
  const std::string name = channel("primes");
  Process server = start_example("context", {"serve", name}, {{}, "server", {}});
  wait_until("the server serves", [] { return text_of("server") == "serving\n"; });
  expect_equal("in time", run("context", {"1000", "30000", name}).output, "168 primes\n");
  expect(run("context", {"1000000000000", "50", name}).code == 1, "a call without end did not end");
  wait_until("the server stops counting",
             [] { return text_of("server").find("waits no more\n") != std::string::npos; });
  expect_equal("afterwards", run("context", {"100", "30000", name}).output, "25 primes\n");
  end(server, name);
}

void check_protobuf() {
  const std::string name = channel("phone_book");
  Process server = start_example("protobuf", {"serve", name}, {{}, "server", {}});
  wait_until("the server serves", [] { return text_of("server") == "serving\n"; });
  expect_equal("some", run("protobuf", {"A", name}).output, "Ada: 1815 1852\nAlan: 1912\n");
  expect_equal("none", run("protobuf", {"B", name}).output, "");
  end(server, name);
}

void check_says(const std::string& program, bool is_named, const std::vector<std::string>& texts) {
  std::vector<std::string> arguments;
  if (is_named) arguments.push_back(channel(program.c_str()));
  const Run said = run(program, arguments);
  std::size_t at = 0;
  for (const std::string& text : texts) {
    at = said.output.find(text, at);
    expect(at != std::string::npos, "'" + text + "' is not where it should be in\n" + said.output);
    at += text.size();
  }
  expect(said.code == 0, "the exit code is " + std::to_string(said.code) + "; it printed\n" + said.output);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string what = arguments.empty() ? "" : arguments[0];
  const test_support::ScopedEnv locale("LC_ALL", "C");
  try {
    const support::Scratch scratch;
    if (what == "hello" && (argc == 2 || argc == 4))
      check_hello({arguments.begin() + 1, arguments.end()});
    else if ((what == "says" || what == "says_named") && argc > 3)
      check_says(arguments[1], what == "says_named", {arguments.begin() + 2, arguments.end()});
    else if (what == "calculator" && argc == 2)
      check_calculator();
    else if (what == "wc" && argc == 2)
      check_wc();
    else if (what == "key_value" && argc == 2)
      check_key_value();
    else if (what == "deferred" && argc == 2)
      check_deferred();
    else if (what == "context" && argc == 2)
      check_context();
    else if (what == "protobuf" && argc == 2)
      check_protobuf();
    else
      throw std::runtime_error(
          "usage: check_examples hello|calculator|wc|key_value|deferred|context|protobuf, or hello PYTHON SCRIPT, or "
          "says|says_named PROGRAM TEXT...");
    return 0;
  } catch (const std::exception& exception) {
    std::printf("%s: %s\n", what.c_str(), exception.what());
    return 1;
  }
}
