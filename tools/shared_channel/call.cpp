// shared_channel call: asks a server, with messages made and shown by their descriptions.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <shared_channel/raw.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"
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
using Clock = std::chrono::steady_clock;

struct CallRequest {
  std::string channel;
  std::vector<std::string> values;
  std::optional<std::string> hex;
  nanoseconds timeout = shared_channel::default_timeout;
  bool waits = false;
  bool any_user = false;
};

/// Deeper than any message goes, and not so deep that what walks through it runs out of stack.
bool is_shallow(int depth, Json::parse_event_t, const Json&) {
  if (depth > 1000) throw ValueError("the value has arrays or objects within others more than 1000 deep");
  return true;
}

/// What is no JSON is a string, so that `call echo hello` works.
Json parse(const std::string& text) {
  Json value = Json::parse(text, is_shallow, false);
  if (!value.is_discarded()) return value;
  if (text.find_first_of("[{\"") == 0) {
    const bool is_long = text.size() > 60;
    throw ValueError("'" + printable(text.substr(0, is_long ? 57 : 60)) + (is_long ? "..." : "") +
                     "' is no JSON; a text that begins so stands in quotes");
  }
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
    outlive_readers();
    shared_channel::ClientOptions options;
    options.scope = common_.scope();
    options.wait_for_server = request_.waits;
    if (request_.any_user) options.server = shared_channel::ServerUser::any();
    auto client = RawClient::create(request_.channel, options);
    if (!client) return report(client.error());
    client_.emplace(*std::move(client));
    if (request_.values != std::vector<std::string>{"-"}) return once(request_.values);
    for (std::string line; std::getline(std::cin, line);) {
      if (line.empty()) continue;
      if (const int code = once({line}); code != exit_code::done) return code;
    }
    if (std::cin.bad() || std::ferror(stdin) != 0)
      return tool::report(common_, exit_code::problem, "cannot read standard input");
    return exit_code::done;
  }

 private:
  int once(const std::vector<std::string>& values) try {
    const auto begin = Clock::now();
    // In whole milliseconds, which read better, where that is not longer than was asked for.
    const auto left = [&]() -> nanoseconds {
      if (request_.timeout == (nanoseconds::max)()) return request_.timeout;
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(request_.timeout - (Clock::now() - begin));
      return std::clamp<nanoseconds>(rest, nanoseconds::zero(), request_.timeout);
    };
    for (bool again : {true, false}) {
      auto shape = client_->shape(request_.waits ? left() : nanoseconds::zero());
      if (!shape) return report(without_server(shape.error()));
      const std::vector<std::byte> message = request_.hex ? from_hex(*request_.hex) : encoded(*shape, values);
      std::vector<std::byte> reply;
      auto answered = ask(message, reply, left());
      if (answered) return show(*shape, reply);
      if (!again || !was_replaced(answered.error())) return report(answered.error());
    }
    return exit_code::problem;
  } catch (const ValueError& error) {
    return tool::report(common_, exit_code::usage, error.what());
  }

  [[nodiscard]] int report(const Error& error) const { return tool::report(common_, code_of_call(error), error); }

  /// Whether the message was made for a server before this one, rather than that a handler met with such an error.
  static bool was_replaced(const Error& error) {
    return error.code() == Errc::layout_mismatch && error.not_executed() && !error.passed_on();
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
      throw ValueError(std::string(error.what()) + "; the channel takes " + printable(shape.request.description));
    }
  }

  Result<void> ask(const std::vector<std::byte>& message, std::vector<std::byte>& reply, nanoseconds timeout) {
    const auto fill = [&](std::span<std::byte> room) {
      if (message.size() <= room.size()) std::copy(message.begin(), message.end(), room.begin());
      return message.size();
    };
    const auto read = [&](std::span<const std::byte> bytes) { reply.assign(bytes.begin(), bytes.end()); };
    return client_->call_in_place(fill, read, timeout);
  }

  /// At once: whoever writes requests line by line may wait for each answer. One that is lost was executed all the
  /// same.
  int show(const ChannelShape& shape, const std::vector<std::byte>& reply) const {
    print_reply(shape, reply);
    return flush_output() ? exit_code::done : exit_code::perhaps_run;
  }

  void print_reply(const ChannelShape& shape, const std::vector<std::byte>& reply) const {
    if (request_.hex) return common_.json ? print({{"reply", {{"hex", to_hex(reply)}}}}) : print_line(to_hex(reply));
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
                  "  shared_channel call echo -- --json              the text --json\n"
                  "  generate | shared_channel call echo -           a call for each line");
  const auto request = std::make_shared<CallRequest>();
  add_word(command, "NAME", request->channel, "The channel").required();
  add_words(command, "JSON", request->values,
            "The request, or its members; what is no JSON is a string; - reads requests from standard input, one a "
            "line; after -- nothing is an option");
  const auto read_hex = [request](const std::string& text) {
    request->hex = text;
    return true;
  };
  add_value(command, "--hex", "DIGITS", "The request's bytes; the reply is shown likewise", "row of digits", read_hex);
  add_duration(command, "--timeout,-t", request->timeout, "How long to wait for the answer [250ms]");
  command.add_flag("--wait,-w", request->waits, "Wait for a server, inside the timeout");
  command.add_flag("--any-user", request->any_user, "Ask also a server of another user's");
  command.callback([&common, &action, request] {
    if (request->values.empty() != request->hex.has_value()) throw CLI::RequiredError("either JSON or --hex");
    action = [&common, request] { return Caller(*request, common).run(); };
  });
}

}  // namespace tool
