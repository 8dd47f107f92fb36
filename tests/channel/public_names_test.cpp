// Every name of the contract, used as outside programs use it.
#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include "support/catch.hpp"

#include <concepts>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "support/error_codes.hpp"
#include "support/names.hpp"

namespace public_names_test {

using namespace shared_channel;
using std::chrono::nanoseconds;

namespace {

struct Ask {
  int a, b;
};
struct Sum {
  int value;
};
using Channel = SharedChannel<Ask, Sum>;
using Server = Channel::Server;
using Client = Channel::Client;

Sum add(const Ask& ask) { return {ask.a + ask.b}; }
const auto ask_two_and_three = [](Ask& ask) { ask = {2, 3}; };
const auto ignore = [](const Sum&) {};

template <class A, class B>
constexpr bool same = std::is_same_v<A, B>;

static_assert(same<SharedChannel<Ask>, SharedChannel<Ask, Ask>>);

// Server
static_assert(!std::is_default_constructible_v<Server> && !std::is_copy_constructible_v<Server> &&
              !std::is_copy_assignable_v<Server>);
static_assert(std::is_nothrow_move_constructible_v<Server> && std::is_nothrow_move_assignable_v<Server>);
static_assert(std::is_constructible_v<Server, std::string_view> &&
              std::is_constructible_v<Server, std::string_view, const ServerOptions&>);
static_assert(!std::is_convertible_v<std::string_view, Server>);
static_assert(same<decltype(Server::create("name")), Result<Server>>);
static_assert(same<decltype(Server::create("name", ServerOptions{})), Result<Server>>);
static_assert(same<decltype(std::declval<Server&>().serve(add)), Result<void>>);
static_assert(same<decltype(std::declval<Server&>().serve(add, std::stop_token{})), Result<void>>);
static_assert(same<decltype(std::declval<Server&>().serve_one(add, nanoseconds(1))), Result<bool>>);
static_assert(same<decltype(std::declval<Server&>().start(add)), Result<void>>);
static_assert(same<decltype(std::declval<Server&>().stop()), void>&& noexcept(std::declval<Server&>().stop()));

// Client
static_assert(!std::is_default_constructible_v<Client> && !std::is_copy_constructible_v<Client> &&
              !std::is_copy_assignable_v<Client>);
static_assert(std::is_nothrow_move_constructible_v<Client> && std::is_nothrow_move_assignable_v<Client>);
static_assert(std::is_constructible_v<Client, std::string_view> &&
              std::is_constructible_v<Client, std::string_view, const ClientOptions&>);
static_assert(!std::is_convertible_v<std::string_view, Client>);
static_assert(same<decltype(Client::create("name")), Result<Client>>);
static_assert(same<decltype(Client::create("name", ClientOptions{})), Result<Client>>);
static_assert(same<decltype(std::declval<Client&>().call(Ask{})), Result<Sum>>);
static_assert(same<decltype(std::declval<Client&>().call(Ask{}, nanoseconds(1))), Result<Sum>>);
static_assert(same<decltype(std::declval<Client&>().call(Ask{}, nanoseconds(1), std::stop_token{})), Result<Sum>>);
static_assert(same<decltype(std::declval<Client&>().call_in_place(ask_two_and_three, ignore)), Result<void>>);
static_assert(
    same<decltype(std::declval<Client&>().call_in_place(ask_two_and_three, ignore, nanoseconds(1))), Result<void>>);
static_assert(
    same<decltype(std::declval<Client&>().call_in_place(ask_two_and_three, ignore, nanoseconds(1), std::stop_token{})),
         Result<void>>);
static_assert(same<decltype(std::declval<Client&>().wait_for_server(nanoseconds(1))), Result<void>>);
static_assert(same<decltype(std::declval<Client&>().wait_for_server(nanoseconds(1), std::stop_token{})), Result<void>>);
static_assert(same<decltype(std::declval<const Error&>().not_executed()), bool> &&
              same<decltype(std::declval<const Error&>().safe_to_retry()), bool>);
static_assert(std::is_error_code_enum_v<Errc> && same<decltype(make_error_code(Errc::busy)), std::error_code>);
static_assert(same<decltype(std::declval<Responder<Sum>&>().fail(std::declval<const Error&>())), void>);
static_assert(same<decltype(std::declval<const Server&>().stats()), ServerStats>);
static_assert(same<decltype(ClientOptions::server), ServerUser>);
static_assert(std::is_default_constructible_v<PendingCall<Sum>>);
static_assert(same<decltype(&Client::connected), bool (Client::*)() const noexcept>);
static_assert(default_timeout == std::chrono::milliseconds(250));

// Options
static_assert(same<decltype(ServerOptions::max_calls), unsigned> && same<decltype(ServerOptions::threads), unsigned>);
static_assert(same<decltype(ServerOptions::access), Access> && same<decltype(ServerOptions::scope), Scope>);
static_assert(same<decltype(ServerOptions::wait), WaitPolicy>);
static_assert(same<decltype(ClientOptions::scope), Scope> && same<decltype(ClientOptions::wait), WaitPolicy>);
static_assert(same<decltype(ClientOptions::wait_for_server), bool>);
static_assert(same<decltype(WaitPolicy::spin), nanoseconds>);
constexpr WaitPolicy sleeping = WaitPolicy::sleep();
constexpr WaitPolicy spinning = WaitPolicy::spin_only();
static_assert(sleeping.spin == nanoseconds::zero() && spinning.spin == (nanoseconds::max)());
static_assert(same<decltype(Access::current_user()), Access> && same<decltype(Access::everyone()), Access>);
static_assert(same<decltype(Access::sddl("D:P(A;;GA;;;BA)")), Access> &&
              same<decltype(Access::mode(0660, 100)), Access>);

// Error
static_assert(same<decltype(&Error::code), Errc (Error::*)() const noexcept>);
static_assert(same<decltype(&Error::native), int (Error::*)() const noexcept>);
static_assert(same<decltype(&Error::message), std::string (Error::*)() const>);
static_assert(same<decltype(&Error::not_executed), bool (Error::*)() const noexcept>);
static_assert(same<decltype(&Error::safe_to_retry), bool (Error::*)() const noexcept>);
static_assert(std::is_base_of_v<std::exception, ChannelException> && std::is_constructible_v<ChannelException, Error>);

// Result
static_assert(std::is_constructible_v<bool, Result<Sum>> && !std::is_convertible_v<Result<Sum>, bool>);
static_assert(std::is_constructible_v<bool, Result<void>> && !std::is_convertible_v<Result<void>, bool>);
static_assert(same<decltype(std::declval<const Result<Sum>&>().has_value()), bool>);
static_assert(same<decltype(*std::declval<Result<Sum>&>()), Sum&>);
static_assert(same<decltype(std::declval<Result<Sum>&>()->value), int>);
static_assert(same<decltype(std::declval<Result<Sum>&>().value()), Sum&>);
static_assert(same<decltype(std::declval<Result<Sum>&>().error()), const Error&>);
static_assert(same<decltype(std::declval<Result<Sum>&>().value_or(Sum{})), Sum>);
static_assert(same<decltype(std::declval<Result<void>&>().value()), void>);

// Loops of the program's own
#ifdef _WIN32
static_assert(same<NativeHandle, void*>);
#else
static_assert(same<NativeHandle, int>);
#endif
static_assert(same<decltype(std::declval<Server&>().native_handle()), NativeHandle> &&
              same<Server::native_handle_type, NativeHandle>);
static_assert(same<decltype(std::declval<PendingCall<Sum>&>().native_handle()), NativeHandle> &&
              same<PendingCall<Sum>::native_handle_type, NativeHandle>);

// Raw channels
constexpr CallOptions at_once{.timeout = std::chrono::seconds(1), .slot_wait = nanoseconds::zero()};
static_assert(std::is_aggregate_v<CallOptions> && at_once.timeout == std::chrono::seconds(1));
static_assert(same<decltype(CallOptions::timeout), nanoseconds> && same<decltype(CallOptions::slot_wait), nanoseconds>);
static_assert(CallOptions{}.timeout == default_timeout && CallOptions{}.slot_wait == (nanoseconds::max)());

static_assert(!std::is_default_constructible_v<RawClient> && !std::is_copy_constructible_v<RawClient>);
static_assert(std::is_nothrow_move_constructible_v<RawClient> && std::is_nothrow_move_assignable_v<RawClient>);
static_assert(std::is_constructible_v<RawClient, std::string_view> &&
              std::is_constructible_v<RawClient, std::string_view, const ClientOptions&> &&
              std::is_constructible_v<RawClient, std::string_view, const ChannelShape&> &&
              std::is_constructible_v<RawClient, std::string_view, const ChannelShape&, const ClientOptions&>);
static_assert(same<decltype(RawClient::create("name")), Result<RawClient>> &&
              same<decltype(RawClient::create("name", ChannelShape{}, ClientOptions{})), Result<RawClient>>);
static_assert(same<decltype(std::declval<const RawClient&>().connected()), bool>);

using RequestBytes = std::span<const std::byte>;
using ReplyRoom = std::span<std::byte>;

// What takes CallOptions takes a timeout instead.
template <class Limits>
concept LimitsRawCalls = requires(RawClient& client, Limits limits, RequestBytes request, ReplyRoom room,
                                  std::stop_token token, std::size_t (&fill)(ReplyRoom), void (&read)(RequestBytes),
                                  void (&done)(Result<RawReply>)) {
  { client.call(request, room, limits) } -> std::same_as<Result<std::size_t>>;
  { client.call(request, room, limits, token) } -> std::same_as<Result<std::size_t>>;
  { client.call_in_place(fill, read, limits) } -> std::same_as<Result<void>>;
  { client.call_in_place(fill, read, limits, token) } -> std::same_as<Result<void>>;
  { client.call_async(request, limits) } -> std::same_as<RawPendingCall>;
  { client.call_async(request, limits, done) } -> std::same_as<Result<void>>;
  { client.call_async(request, limits, done, token) } -> std::same_as<Result<void>>;
  { client.draft(limits) } -> std::same_as<Result<RawDraft>>;
  { client.shape(limits) } -> std::same_as<Result<ChannelShape>>;
  { client.wait_for_server(limits) } -> std::same_as<Result<void>>;
  { client.wait_for_server(limits, token) } -> std::same_as<Result<void>>;
};
static_assert(LimitsRawCalls<CallOptions> && LimitsRawCalls<const CallOptions&>);
static_assert(LimitsRawCalls<nanoseconds> && LimitsRawCalls<const std::chrono::milliseconds&>);
static_assert(!LimitsRawCalls<int> && !LimitsRawCalls<double> && !LimitsRawCalls<std::chrono::duration<double>>);

template <class Asking>
concept TakesOptionsInBraces = requires(Asking& client, RequestBytes request, ReplyRoom room) {
  client.call(request, room);
  client.call(request, room, {});
  client.call(request, room, {nanoseconds(1)});
  client.call(request, room, {nanoseconds(1), nanoseconds(1)});
  client.call(request, room, {.slot_wait = nanoseconds(0)});
  client.call_async(request, {.slot_wait = nanoseconds(0)});
};
static_assert(TakesOptionsInBraces<RawClient>);

static_assert(!std::is_default_constructible_v<RawServer> && !std::is_copy_constructible_v<RawServer>);
static_assert(std::is_nothrow_move_constructible_v<RawServer> && std::is_nothrow_move_assignable_v<RawServer>);
static_assert(std::is_constructible_v<RawServer, std::string_view, const ChannelShape&> &&
              std::is_constructible_v<RawServer, std::string_view, const ChannelShape&, const ServerOptions&>);
static_assert(same<decltype(RawServer::create("name", ChannelShape{})), Result<RawServer>>);
template <class Answering>
concept ServesRawCalls = requires(Answering& server, std::size_t (&answer)(RequestBytes, ReplyRoom),
                                  void (&answer_later)(RawRequest, RawResponder)) {
  { server.serve(answer) } -> std::same_as<Result<void>>;
  { server.serve(answer_later, std::stop_token{}) } -> std::same_as<Result<void>>;
  { server.start(answer_later) } -> std::same_as<Result<void>>;
  { server.serve_one(answer, nanoseconds(1)) } -> std::same_as<Result<bool>>;
  { server.next(nanoseconds(1)) } -> std::same_as<Result<std::optional<RawCall>>>;
  { server.native_handle() } -> std::same_as<NativeHandle>;
  { server.stats() } -> std::same_as<ServerStats>;
  { server.stop() } -> std::same_as<void>;
};
static_assert(ServesRawCalls<RawServer>);
static_assert(same<decltype(std::declval<const RawReply&>().bytes()), RequestBytes>);

// Channels seen from outside
static_assert(same<decltype(list_channels()), Result<std::vector<std::string>>> &&
              same<decltype(list_channels(Scope::machine)), Result<std::vector<std::string>>>);
static_assert(same<decltype(inspect("name")), Result<ChannelInfo>> &&
              same<decltype(inspect("name", Scope::machine)), Result<ChannelInfo>>);

}  // namespace

TEST_CASE("public names: options have their defaults") {
  const ServerOptions server;
  CHECK(server.max_calls == 16);
  CHECK(server.threads == 1);
  CHECK(server.access.kind() == Access::Kind::current_user);
  CHECK((server.scope == Scope::session && Scope::session != Scope::machine));
  const ClientOptions client;
  CHECK((client.scope == Scope::session));
  CHECK_FALSE(client.wait_for_server);
  CHECK((client.wait == WaitPolicy{} && server.wait == WaitPolicy{}));
  CHECK(WaitPolicy{}.spin > nanoseconds::zero());
}

TEST_CASE("public names: options are aggregates with designated initializers") {
  const ServerOptions server{
      .max_calls = 1, .threads = 2, .access = Access::everyone(), .scope = Scope::machine, .wait = WaitPolicy::sleep()};
  CHECK((server.max_calls == 1 && server.threads == 2 && server.wait == WaitPolicy::sleep()));
  const ClientOptions client{.scope = Scope::machine, .wait = WaitPolicy::spin_only(), .wait_for_server = true};
  CHECK((client.wait_for_server && client.wait == WaitPolicy::spin_only()));
}

TEST_CASE("public names: every error code has a name of its own") {
  std::set<std::string_view> names;
  const auto codes = test_support::error_codes();
  for (const Errc code : codes) names.insert(to_string(code));
  CHECK(names.size() == codes.size());
  CHECK((codes.front() == Errc::invalid_name && codes.at(18) == Errc::system_error));  // the numbers travel
  CHECK(to_string(Errc::timed_out) == "timed_out");
}

TEST_CASE("public names: a server and a client as a user writes them") {
  const auto name = test_support::unique_name("contract");
  Server server(name);
  CHECK(server.start(add).has_value());

  Client client(name);
  CHECK(client.wait_for_server(std::chrono::seconds(60)).has_value());
  CHECK(client.connected());
  const auto sum = client.call({2, 3}, std::chrono::seconds(60));
  REQUIRE(sum);
  CHECK(sum->value == 5);
  int seen = 0;
  CHECK(client
            .call_in_place(
                ask_two_and_three, [&](const Sum& reply) { seen = reply.value; }, std::chrono::seconds(60))
            .has_value());
  CHECK(seen == 5);
  server.stop();
}

TEST_CASE("public names: constructors throw what create returns") {
  CHECK_THROWS_AS(Server("no/name"), ChannelException);
  CHECK_THROWS_AS(Client("no/name"), ChannelException);
  try {
    Client client("no/name");
  } catch (const ChannelException& exception) {
    CHECK((exception.error().code() == Errc::invalid_name));
    CHECK(exception.what() == exception.error().message());
    CHECK(exception.error().message() == Client::create("no/name").error().message());
  }
}

TEST_CASE("public names: the version is one number and three") {
  CHECK(SHARED_CHANNEL_VERSION ==
        SHARED_CHANNEL_VERSION_MAJOR * 10000 + SHARED_CHANNEL_VERSION_MINOR * 100 + SHARED_CHANNEL_VERSION_PATCH);
}

}  // namespace public_names_test
