#include "role.hpp"

#include <chrono>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

using namespace test_support;
using namespace shared_channel;

static std::string outcome(const Error& error) {
  return std::string(to_string(error.code())) + (error.not_executed() ? " safe" : " unsafe");
}

static ClientOptions patient() {
  ClientOptions options;
  options.wait_for_server = true;
  return options;
}

// call NAME COUNT FIRST: COUNT calls with ids from FIRST; says "ok", or what went wrong with the first that failed.
const peer::Role calling{"call", [](const peer::Arguments& arguments) {
                           Channel::Client client(arguments.at(0), patient());
                           const auto first = std::stoull(arguments.at(2));
                           for (auto id = first; id < first + std::stoull(arguments.at(1)); ++id) {
                             const auto answer = client.call(echo(id), std::chrono::seconds(60));
                             if (!answer || answer->id != id) {
                               peer::say(answer ? "another call's answer" : answer.error().message());
                               return 1;
                             }
                           }
                           peer::say("ok");
                           return 0;
                         }};

// hang NAME: says "asking" once attached, asks for an answer that never comes, and says how that ended.
const peer::Role hang_there{"hang", [](const peer::Arguments& arguments) {
                              Channel::Client client(arguments.at(0));
                              client.wait_for_server(std::chrono::seconds(60)).value();
                              peer::say("asking");
                              const auto answer = client.call(hang, std::chrono::seconds(60));
                              peer::say(answer ? "ok" : outcome(answer.error()));
                              return 0;
                            }};

// hold NAME: says "holding" once it has a slot, and sends its request when it hears a line.
const peer::Role hold{"hold", [](const peer::Arguments& arguments) {
                        Channel::Client client(arguments.at(0), patient());
                        const auto fill = [](Ask& ask) {
                          ask = echo(1);
                          peer::say("holding");
                          peer::hear();
                        };
                        const auto done = client.call_in_place(
                            fill, [](const Answer&) {}, std::chrono::seconds(60));
                        peer::say(done ? "ok" : outcome(done.error()));
                        return 0;
                      }};

// attach NAME MESSAGE: calls a server with messages of type "long" or "block".
const peer::Role attach{"attach", [](const peer::Arguments& arguments) {
                          const auto say_outcome = [](const auto& result) {
                            peer::say(result ? "ok" : outcome(result.error()));
                          };
                          if (arguments.at(1) == "long") {
                            SharedChannel<long>::Client client(arguments.at(0));
                            say_outcome(client.call(1, std::chrono::seconds(60)));
                          } else {
                            BlockChannel::Client client(arguments.at(0));
                            bool doubled = true;
                            const auto fill = [](Block& block) {
                              for (std::size_t i = 0; i < Block::count; ++i) block.words[i] = i;
                            };
                            const auto read = [&](const Block& block) {
                              for (std::size_t i = 0; i < Block::count; ++i)
                                doubled = doubled && block.words[i] == 2 * i;
                            };
                            const auto done = client.call_in_place(fill, read, std::chrono::seconds(60));
                            doubled ? say_outcome(done) : peer::say("wrong words");
                          }
                          return 0;
                        }};
