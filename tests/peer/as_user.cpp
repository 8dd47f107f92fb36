#ifdef __linux__

#include "role.hpp"

#include <grp.h>
#include <unistd.h>

#include <chrono>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

using namespace test_support;
using namespace shared_channel;

static void become(const peer::Arguments& arguments) {
  const auto user = static_cast<uid_t>(std::stoul(arguments.at(0)));
  const auto group = static_cast<gid_t>(std::stoul(arguments.at(1)));
  if (::setgroups(0, nullptr) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0)
    throw std::runtime_error("cannot change user");
}

// serve_as USER GROUP NAME: says "ready" and echoes until it hears no more, or says what went wrong.
const peer::Role serve_as{"serve_as", [](const peer::Arguments& arguments) {
                            become(arguments);
                            auto server = Channel::Server::create(arguments.at(2));
                            if (!server) {
                              peer::say(to_string(server.error().code()));
                              return 0;
                            }
                            server->start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
                            peer::say("ready");
                            peer::hear();
                            return 0;
                          }};

// call_as USER GROUP NAME: one call; says "ok" or what went wrong.
const peer::Role call_as{"call_as", [](const peer::Arguments& arguments) {
                           become(arguments);
                           const auto answer = Channel::Client(arguments.at(2)).call(echo(1), std::chrono::seconds(60));
                           peer::say(answer ? "ok" : to_string(answer.error().code()));
                           return 0;
                         }};

#endif
