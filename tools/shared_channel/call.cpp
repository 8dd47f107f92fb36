// shared_channel call: asks a server, with messages made and shown by their descriptions.
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shared_channel/raw.hpp>

#include "command.hpp"
#include "text.hpp"
#include "type.hpp"
#include "value.hpp"

namespace tool {
namespace {

using shared_channel::ChannelShape;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::MessageShape;
using shared_channel::RawClient;
using shared_channel::Result;
using std::chrono::nanoseconds;

struct CallRequest {
  std::string channel;
  std::vector<std::string> values;
  std::string hex;
  nanoseconds timeout = shared_channel::default_timeout;
  bool waits = false;
  bool any_user = false;
};

/// What is no JSON is a string, so that `call echo hello` works.
Json parse(const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  if (!value.is_discarded()) return value;
  if (text.find_first_of("[{\"") == 0) throw ValueError("'" + printable(text) + "' is no JSON");
  return text;
}

Json parse_all(const std::vector<std::string>& texts) {
  if (texts.size() == 1) return parse(texts.front());
  Json values = Json::array();
  for (const std::string& text : texts) values.push_back(parse(text));
  return values;
}

/// A value that the description alone cannot make is asked for as bytes.
Type type_of(const MessageShape& message, const char* which) {
  auto type = parse_type(message.description);
  if (type) return *std::move(type);
  throw ValueError(std::string("the ") + which + "'s description '" + printable(message.description.substr(0, 100)) +
                   "' cannot be read; give bytes: --hex");
}

class Caller {
 public:
  Caller(const CallRequest& request, const Common& common) : request_(request), common_(common) {}

  int run() {
    shared_channel::ClientOptions options;
    options.scope = common_.scope();
    options.wait_for_server = request_.waits;
    if (request_.any_user) options.server = shared_channel::ServerUser::any();
    auto client = RawClient::create(request_.channel, options);
    if (!client) return report(common_, client.error());
    client_.emplace(*std::move(client));
    if (request_.values != std::vector<std::string>{"-"} || !request_.hex.empty()) return once(request_.values);
    for (std::string line; std::getline(std::cin, line);) {
      if (line.empty()) continue;
      if (const int code = once({line}); code != exit_code::done) return code;
    }
    return exit_code::done;
  }

 private:
  int once(const std::vector<std::string>& values) try {
    for (bool again : {true, false}) {
      auto shape = client_->shape(request_.waits ? request_.timeout : nanoseconds::zero());
      if (!shape) return report(common_, without_server(shape.error()));
      const std::vector<std::byte> message = request_.hex.empty() ? encoded(*shape, values) : from_hex(request_.hex);
      std::vector<std::byte> reply;
      auto answered = ask(message, reply);
      if (answered) return show(*shape, reply);
      const bool was_replaced = answered.error().code() == Errc::layout_mismatch && answered.error().not_executed();
      if (!was_replaced || !again) return report(common_, answered.error());
    }
    return exit_code::problem;
  } catch (const ValueError& error) {
    return report(common_, exit_code::usage, error.what());
  }

  /// Of a server that was not waited for, in words that fit the tool's options.
  [[nodiscard]] Error without_server(const Error& error) const {
    if (request_.waits) return error;
    if (error.code() == Errc::no_server)
      return {Errc::no_server, request_.channel, "no server is running; start it, or wait for it: --wait"};
    const std::string waited = "waited 0 s: ";
    const std::string& cause = error.cause();
    return {error.code(), request_.channel, cause.substr(cause.rfind(waited, 0) == 0 ? waited.size() : 0),
            error.native(), error.not_executed() ? Execution::none : Execution::possible};
  }

  [[nodiscard]] std::vector<std::byte> encoded(const ChannelShape& shape,
                                               const std::vector<std::string>& values) const {
    const Type type = type_of(shape.request, "request");
    try {
      return encode(type, parse_all(values), {shape.request.is_variable});
    } catch (const ValueError& error) {
      throw ValueError(std::string(error.what()) + "; the channel takes " + shape.request.description);
    }
  }

  Result<void> ask(const std::vector<std::byte>& message, std::vector<std::byte>& reply) {
    const auto fill = [&](std::span<std::byte> room) {
      if (message.size() <= room.size()) std::copy(message.begin(), message.end(), room.begin());
      return message.size();
    };
    const auto read = [&](std::span<const std::byte> bytes) { reply.assign(bytes.begin(), bytes.end()); };
    return client_->call_in_place(fill, read, request_.timeout);
  }

  /// At once: whoever writes requests line by line may wait for each answer. One that is lost was executed all the
  /// same.
  int show(const ChannelShape& shape, const std::vector<std::byte>& reply) const {
    print_reply(shape, reply);
    return flush_output() ? exit_code::done : exit_code::perhaps_run;
  }

  void print_reply(const ChannelShape& shape, const std::vector<std::byte>& reply) const {
    if (!request_.hex.empty())
      return common_.json ? print({{"reply", {{"hex", to_hex(reply)}}}}) : print_line(to_hex(reply));
    Json value;
    try {
      value = decode(type_of(shape.reply, "reply"), reply, {shape.reply.is_variable});
    } catch (const ValueError&) {
      value = {{"hex", to_hex(reply)}};  // it was answered, and that is what counts
    }
    common_.json ? print({{"reply", std::move(value)}}) : print(value);
  }

  static void print_line(const std::string& text) { std::printf("%s\n", text.c_str()); }

  const CallRequest& request_;
  const Common& common_;
  std::optional<RawClient> client_;
};

}  // namespace

void add_call(CLI::App& app, Common& common, Action& action) {
  CLI::App& command =
      add_command(app, common, "call", "Ask a channel's server; the reply is printed as JSON",
                  "  shared_channel call adder '[2, 3]'\n"
                  "  shared_channel call adder 2 3                   the members one by one\n"
                  "  shared_channel call store '{\"0\": \"colour\"}'     the first alternative of a variant\n"
                  "  shared_channel call adder --hex 0200000003000000\n"
                  "  generate | shared_channel call echo -           a call for each line");
  const auto request = std::make_shared<CallRequest>();
  command.add_option("NAME", request->channel, "The channel")->required();
  command.add_option("JSON", request->values,
                     "The request, or its members; what is no JSON is a string; - reads requests from standard input, "
                     "one a line");
  command.add_option("--hex", request->hex, "The request's bytes; the reply is shown likewise")->type_name("DIGITS");
  add_duration(command, "--timeout,-t", request->timeout, "How long to wait for the answer [250ms]");
  command.add_flag("--wait,-w", request->waits, "Wait for a server, inside the timeout");
  command.add_flag("--any-user", request->any_user, "Ask also a server of another user's");
  command.callback([&common, &action, request, &command] {
    if (request->values.empty() == request->hex.empty() || (!request->hex.empty() && command.count("JSON") != 0))
      throw CLI::RequiredError("either JSON or --hex");
    action = [&common, request] { return Caller(*request, common).run(); };
  });
}

}  // namespace tool
