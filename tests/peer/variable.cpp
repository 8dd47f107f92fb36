#include "role.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include <shared_channel/shared_channel.hpp>

using namespace shared_channel;

static ServerOptions limits(const peer::Arguments& arguments) {
  ServerOptions options;
  if (arguments.size() > 1) options.max_request_bytes = std::stoul(arguments[1]);
  if (arguments.size() > 2) options.max_reply_bytes = std::stoul(arguments[2]);
  return options;
}

// serve_text NAME [MAX_REQUEST [MAX_REPLY]]: answers a text with itself backwards, and "repeat N" with N times x.
const peer::Role serve_text{"serve_text", [](const peer::Arguments& arguments) {
                              SharedChannel<std::string>::Server server(arguments.at(0), limits(arguments));
                              const auto answer = [](std::string text) {
                                if (text.starts_with("repeat ")) return std::string(std::stoul(text.substr(7)), 'x');
                                std::reverse(text.begin(), text.end());
                                return text;
                              };
                              server.start(answer).value();
                              peer::say("ready");
                              peer::hear();
                              return 0;
                            }};

// serve_bytes NAME [MAX_REQUEST [MAX_REPLY]]: answers bytes with themselves backwards.
const peer::Role serve_bytes{"serve_bytes", [](const peer::Arguments& arguments) {
                               SharedChannel<Bytes>::Server server(arguments.at(0), limits(arguments));
                               const auto answer = [](std::span<const std::byte> request, std::span<std::byte> reply) {
                                 std::reverse_copy(request.begin(), request.end(), reply.begin());
                                 return request.size();
                               };
                               server.start(answer).value();
                               peer::say("ready");
                               peer::hear();
                               return 0;
                             }};

// call_text NAME COUNT: texts of many lengths, which are to come back; says "ok", or what went wrong first.
const peer::Role call_text{"call_text", [](const peer::Arguments& arguments) {
                             ClientOptions patient;
                             patient.wait_for_server = true;
                             SharedChannel<std::string>::Client client(arguments.at(0), patient);
                             for (std::size_t call = 0; call < std::stoul(arguments.at(1)); ++call) {
                               const std::string text(call * 37 % 9000, static_cast<char>('a' + call % 26));
                               const auto answer = client.call(text, std::chrono::seconds(60));
                               if (!answer || *answer != text) {
                                 peer::say(answer ? "another call's answer" : answer.error().message());
                                 return 1;
                               }
                             }
                             peer::say("ok");
                             return 0;
                           }};
