// What errors say: what happened, how long it was waited for, whether a handler may have run, and what to do.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace error_text_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;
using detail::duration_text;

namespace {

template <class T>
std::string cause_of(const Result<T>& result) {
  if (result) return "no error";
  CHECK(result.error().message().find("shared channel '") == 0);
  return result.error().cause();
}

ClientOptions patient() {
  ClientOptions options;
  options.wait_for_server = true;
  return options;
}

}  // namespace

TEST_CASE("error text: a length of time is told in the largest unit that says it exactly") {
  CHECK(duration_text(250ms) == "250 ms");
  CHECK(duration_text(1500ms) == "1500 ms");
  CHECK(duration_text(2min) == "120 s");
  CHECK(duration_text(20us) == "20 us");
  CHECK(duration_text(1ns) == "1 ns");
  CHECK(duration_text(0s) == "0 s");
  CHECK(duration_text(-1s) == "0 s");
}

TEST_CASE("error text: the channel is named") {
  const auto name = unique_name("text");
  CHECK(Channel::Client(name).call(echo(1)).error().message() ==
        "shared channel '" + name + "': no server is running; start it, or set ClientOptions::wait_for_server");
}

TEST_CASE("error text: who waited for a server is told how long, and not to set what is set") {
  const auto name = unique_name("text");
  CHECK(cause_of(Channel::Client(name, patient()).call(echo(1), 20ms)) ==
        "waited 20 ms: no server is running; start it, or wait longer");
  CHECK(cause_of(Channel::Client(name).wait_for_server(20ms)) ==
        "waited 20 ms: no server is running; start it, or wait longer");
}

TEST_CASE("error text: each names the channel, its cause, and ends as a part of a sentence does") {
  const auto name = unique_name("text");
  Channel::Server server(name);
  Channel::Client client(name);
  std::vector<Error> errors;
  const auto take = [&](const auto& result) {
    REQUIRE_FALSE(result);
    errors.push_back(result.error());
  };
  const auto handler = [](const Ask& ask) { return Answer{ask.id, 0}; };
  take(Channel::Server::create(name));
  take(Channel::Server::create("a name"));
  take(Channel::Server::create(unique_name("text"), GatedChannel::with(0)));
  take(SharedChannel<int>::Client(name).call(1, amply));
  take(client.call(echo(1), 1ms));
  take(server.wait());
  take(server.start(std::function<Answer(const Ask&)>()));
  server.start(handler).value();
  take(server.serve(handler));
  take(server.wait(1ms));
  std::stop_source source;
  source.request_stop();
  take(client.call(echo(1), amply, source.get_token()));
  CHECK(client.call(echo(1), amply));
  server.stop();
  take(client.call(echo(1), amply));
  take(Channel::Client(unique_name("text")).call(echo(1), amply));
  for (const Error& error : errors) {
    INFO(error.message());
    const std::string text = error.message();
    CHECK(text.find("shared channel '") == 0);
    CHECK(text.find_last_of(".!,;: \n") != text.size() - 1);
    CHECK(error.cause().size() > 10);
  }
}

TEST_CASE("error text: a server that was killed is not there any more") {
  const auto name = unique_name("text");
  Process server = peer("serve", name, "16");
  REQUIRE(server.read_line() == "ready");
  server.kill();
  server.wait();
  Channel::Client client(name);
  // Linux keeps what it left, by which it is known that there was one.
  const std::string none = cause_of(client.call(echo(1), amply));
  const std::string what_to_do = "; start it, or set ClientOptions::wait_for_server";
#ifdef __linux__
  CHECK(none == "no server is running any more: the last one has ended" + what_to_do);
  CHECK(cause_of(client.wait_for_server(20ms)) ==
        "waited 20 ms: no server is running any more: the last one has ended; start it, or wait longer");
#else
  CHECK((none == "no server is running" + what_to_do ||
         none == "no server is running any more: the last one has ended" + what_to_do));
#endif
  CHECK(Channel::Server::create(name));  // takes over what was left
}

TEST_CASE("error text: a call that timed out says how long it waited, and whether it may have run") {
  GatedChannel channel(1);
  std::string text;
  // A machine that was too busy to take the request in time says so.
  REQUIRE(eventually([&] {
    text = cause_of(channel.client.call(nap(1), 30ms));
    return channel.gate.runs > 0;
  }));
  if (text.find("did not take") == std::string::npos)
    CHECK(text == "no reply came within 30 ms; the handler may still be running and its reply will be dropped");
  CHECK(cause_of(channel.client.call(echo(1), 20ms)) ==
        "every slot stayed occupied for 20 ms; raise ServerOptions::max_calls or the timeout");
}

TEST_CASE("error text: a call that was not taken in time says that it never runs") {
  const auto name = unique_name("text");
  Channel::Server server(name);
  CHECK(cause_of(Channel::Client(name).call(echo(1), 20ms)) ==
        "the server did not take the request within 20 ms; it was withdrawn and never runs");
}

TEST_CASE("error text: an asynchronous call says the same") {
  const auto name = unique_name("text");
  Channel::Server server(name);
  Channel::Client client(name);
  CHECK(cause_of(client.call_async(echo(1), 20ms).get()) ==
        "the server did not take the request within 20 ms; it was withdrawn and never runs");
}

}  // namespace error_text_test
