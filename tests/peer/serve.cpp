#include "role.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

using namespace test_support;
using namespace shared_channel;

static std::atomic<std::uint64_t> runs{0};

static Answer answer(const Ask& ask) {
  const Answer reply{ask.id, ++runs};
  switch (ask.what) {
    case Ask::What::echo:
      break;
    case Ask::What::nap:
      std::this_thread::sleep_for(std::chrono::milliseconds(ask.milliseconds));
      break;
    case Ask::What::hang:
      peer::say("taken");
      for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
    case Ask::What::fail:
      throw std::runtime_error("as asked");
    case Ask::What::leave:
      std::_Exit(0);
  }
  return reply;
}

static ServerOptions options(const peer::Arguments& arguments) {
  ServerOptions options;
  if (arguments.size() > 1) options.max_calls = static_cast<unsigned>(std::stoul(arguments[1]));
  if (arguments.size() > 2) options.threads = static_cast<unsigned>(std::stoul(arguments[2]));
  return options;
}

// serve NAME [SLOTS [THREADS]]: says "ready" and serves until it hears no more. Hears "stop" and "runs".
const peer::Role serve{"serve", [](const peer::Arguments& arguments) {
                         auto server = Channel::Server::create(arguments.at(0), options(arguments));
                         if (!server) {
                           peer::say(to_string(server.error().code()));
                           return 1;
                         }
                         server->start(answer).value();
                         peer::say("ready");
                         while (const auto line = peer::hear()) {
                           if (*line == "stop") server->stop();
                           peer::say(*line == "runs" ? std::to_string(runs) : *line);
                         }
                         return 0;
                       }};

// serve_blocks NAME: answers a Block with its words doubled.
const peer::Role serve_blocks{"serve_blocks", [](const peer::Arguments& arguments) {
                                ServerOptions few;
                                few.max_calls = 2;
                                BlockChannel::Server server(arguments.at(0), few);
                                const auto twice = [](const Block& block, Block& reply) {
                                  for (std::size_t i = 0; i < Block::count; ++i) reply.words[i] = 2 * block.words[i];
                                };
                                server.start(twice).value();
                                peer::say("ready");
                                peer::hear();
                                return 0;
                              }};
