#include "role.hpp"

#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

namespace peer_quit {

using test_support::Answer;
using test_support::Ask;
using test_support::Channel;
using namespace std::chrono_literals;

static std::optional<Channel::Server> global_server;
static std::optional<Channel::Client> global_client;

static Answer answer(const Ask& ask) {
  if (ask.what == Ask::What::leave) std::exit(static_cast<int>(ask.id));
  if (ask.what == Ask::What::hang) {
    peer::say("taken");
    for (;;) std::this_thread::sleep_for(1s);
  }
  return Answer{ask.id, 1};
}

// Not by hearing: a thread that reads from a stream may keep exit() from closing it.
static int outlast() {
  std::this_thread::sleep_for(100s);
  return 1;
}

// quit NAME HOW: says "ready" and serves. Its handler calls exit() when it is asked to leave.
const peer::Role quit{"quit", [](const peer::Arguments& arguments) {
                        const std::string& how = arguments.at(1);
                        shared_channel::ServerOptions options;
                        if (how == "start, two threads") options.threads = 2;
                        if (how == "local") {
                          Channel::Server server(arguments[0], options);
                          peer::say("ready");
                          (void)server.serve(answer);
                          return outlast();
                        }
                        if (how == "static") {
                          static Channel::Server server(arguments[0], options);
                          peer::say("ready");
                          (void)server.serve(answer);
                          return outlast();
                        }
                        global_server.emplace(arguments[0], options);
                        if (how == "serve elsewhere" || how == "main returns") {
                          std::thread([] { (void)global_server->serve(answer); }).detach();
                        } else if (how != "serve") {
                          global_server->start(answer).value();
                        }
                        peer::say("ready");
                        if (how == "serve") (void)global_server->serve(answer);
                        if (how != "main returns") return outlast();
                        peer::hear();
                        return 7;
                      }};

// quit_in_callback NAME: calls, and has the callback call exit(7).
const peer::Role quit_in_callback{"quit_in_callback", [](const peer::Arguments& arguments) {
                                    global_client.emplace(arguments.at(0));
                                    (void)global_client->call_async(test_support::echo(1), 50s,
                                                                    [](const auto&) { std::exit(7); });
                                    return outlast();
                                  }};

}  // namespace peer_quit
