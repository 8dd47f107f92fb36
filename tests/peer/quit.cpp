#include "role.hpp"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

namespace peer_quit {

struct LastWord {
  char empty = 0;
};
struct Observed {
  std::int32_t number = 0;
};
struct Asked {
  std::int32_t number = 0;
};
inline bool is_time_to_quit = false;

}  // namespace peer_quit

template <>
struct shared_channel::Codec<peer_quit::LastWord> {
  static std::size_t size(const peer_quit::LastWord&) { return 1; }
  static void encode(const peer_quit::LastWord&, std::span<std::byte>) { std::exit(7); }
  static std::optional<peer_quit::LastWord> decode(std::span<const std::byte>) { return peer_quit::LastWord{}; }
};

template <>
struct shared_channel::ObserverOf<peer_quit::Observed> {
  static void server_done(const shared_channel::CallRecord&) { std::exit(7); }
};
template <>
struct shared_channel::ObserverOf<peer_quit::Asked> {
  static void client_done(const shared_channel::CallRecord&) {
    if (peer_quit::is_time_to_quit) std::exit(7);
  }
};

namespace peer_quit {

using LastWords = shared_channel::SharedChannel<std::int32_t, LastWord>;
using shared_channel::Responder;

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

// quit_in_codec NAME: answers from a thread of its own, and calls exit(7) in the reply's codec.
const peer::Role quit_in_codec{
    "quit_in_codec", [](const peer::Arguments& arguments) {
      static LastWords::Server server(arguments.at(0));
      server
          .start([](const std::int32_t&, Responder<LastWord> responder) {
            std::thread([kept = std::move(responder)]() mutable { kept.reply({}); }).detach();
          })
          .value();
      peer::say("ready");
      return outlast();
    }};

// ask_last_word NAME: says how a call of that server ended.
const peer::Role ask_last_word{"ask_last_word", [](const peer::Arguments& arguments) {
                                 const auto reply = LastWords::Client(arguments.at(0)).call(1, 50s);
                                 peer::say(reply ? "answered" : to_string(reply.error().code()));
                                 return 0;
                               }};

// quit_in_observer NAME HOW: serves, and calls exit(7) when it is told that it has answered.
const peer::Role quit_in_observer{
    "quit_in_observer", [](const peer::Arguments& arguments) {
      using Numbers = shared_channel::SharedChannel<Observed, std::int32_t>;
      static Numbers::Server server(arguments.at(0));
      const auto answer = [](const Observed& observed) { return observed.number; };
      if (arguments.at(1) == "start") server.start(answer).value();
      if (arguments[1] == "deferred") {
        server
            .start([](const Observed& observed, Responder<std::int32_t> responder) {
              std::thread([kept = std::move(responder), observed]() mutable { kept.reply(observed.number); }).detach();
            })
            .value();
      }
      peer::say("ready");
      if (arguments[1] == "serve") static_cast<void>(server.serve(answer));
      return outlast();
    }};

// ask_observed NAME: says how a call of that server ended.
const peer::Role ask_observed{
    "ask_observed", [](const peer::Arguments& arguments) {
      const auto reply = shared_channel::SharedChannel<Observed, std::int32_t>::Client(arguments.at(0)).call({1}, 50s);
      peer::say(reply ? "answered" : to_string(reply.error().code()));
      return 0;
    }};

// quit_when_asked NAME HOW: makes a call that is not answered, ends it, and calls exit(7) when it is told of that.
const peer::Role quit_when_asked{
    "quit_when_asked", [](const peer::Arguments& arguments) {
      using Numbers = shared_channel::SharedChannel<Asked, std::int32_t>;
      const std::string& how = arguments.at(1);
      static std::vector<Responder<std::int32_t>> kept;
      static Numbers::Server server(arguments[0]);
      server.start([](Asked, Responder<std::int32_t> responder) { kept.push_back(std::move(responder)); }).value();
      static Numbers::Client client(arguments[0]);
      is_time_to_quit = true;
      if (how == "token") {
        std::stop_source source;
        (void)client.call_async(
            {1}, 50s, [](const auto&) {}, source.get_token());
        source.request_stop();
        return outlast();
      }
      auto& pending = *new auto(client.call_async({1}, how == "timeout" ? 10ms : 50s));
      (void)pending.native_handle();
      if (how == "cancel") pending.cancel();
      if (how == "drop") pending = {};
      while (!pending.ready()) std::this_thread::yield();
      return outlast();
    }};

// quit_when_stopped NAME: serves until its token is asked to stop, whereupon another callback of that calls exit(7).
const peer::Role quit_when_stopped{
    "quit_when_stopped", [](const peer::Arguments& arguments) {
      static Channel::Server server(arguments.at(0));
      static std::stop_source source;
      static const bool is_first = arguments.at(1) == "before";
      const auto leave = [] { std::exit(7); };
      std::optional<std::stop_callback<void (*)()>> callback;
      if (is_first) callback.emplace(source.get_token(), leave);
      std::thread([] { static_cast<void>(server.serve(answer, source.get_token())); }).detach();
      while (!Channel::Client(arguments[0]).call(test_support::echo(1), 1s)) {
      }
      if (!is_first) callback.emplace(source.get_token(), leave);
      source.request_stop();
      return outlast();
    }};

#ifdef __linux__
static const Answer reply{};

static shared_channel::Result<void> answer_one_by_one(Channel::Server& server) {
  for (;;) {
    if (auto answered = server.serve_one(answer, 100s); !answered) return std::move(answered).error();
  }
}

// quit_on_signal NAME HOW: says "ready" and serves, or calls, until SIGTERM, whose handler calls exit(7).
const peer::Role quit_on_signal{"quit_on_signal", [](const peer::Arguments& arguments) {
                                  const std::string& how = arguments.at(1);
                                  std::signal(SIGTERM, [](int) { std::exit(7); });
                                  if (how == "call") {
                                    static Channel::Client client(arguments[0]);
                                    peer::say("ready");
                                    (void)client.call(test_support::hang, 100s);
                                    return outlast();
                                  }
                                  shared_channel::ServerOptions options;
                                  if (how == "serve, two threads") options.threads = 2;
                                  if (how == "raw") {
                                    static shared_channel::RawServer server(
                                        arguments[0], shared_channel::channel_shape_of<Ask, Answer>());
                                    peer::say("ready");
                                    while (auto call = server.next(100s).value())
                                      call->responder.reply(std::as_bytes(std::span(&reply, 1)));
                                    return outlast();
                                  }
                                  static Channel::Server server(arguments[0], options);
                                  if (how == "wait" || how == "in a worker") server.start(answer).value();
                                  if (how == "in a worker") {
                                    sigset_t all;
                                    sigfillset(&all);
                                    pthread_sigmask(SIG_SETMASK, &all, nullptr);
                                  }
                                  if (how == "serve_one, with a handle") (void)server.native_handle();
                                  peer::say("ready");
                                  if (how == "serve" || how == "serve, two threads") (void)server.serve(answer);
                                  if (how == "serve_one" || how == "serve_one, with a handle")
                                    (void)answer_one_by_one(server);
                                  if (how == "wait") (void)server.wait();
                                  return outlast();
                                }};
#endif

}  // namespace peer_quit
