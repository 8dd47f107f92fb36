// Arguments that are wrong are errors, structs of other versions are understood, and the codes are the library's.
#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include <shared_channel/inspect.hpp>
#include <shared_channel/shared_channel.hpp>

#include "handles.hpp"
#include "support/gated_channel.hpp"
#include "support/names.hpp"

namespace c_interface_test {

using namespace c_test;
using namespace test_support;
using shared_channel::Errc;

TEST_CASE("c interface: its codes are the library's, each with its name") {
  CHECK(std::string(sc_code_name(SC_OK)) == "ok");
  int codes = 0;
  for (int code = 1; shared_channel::to_string(static_cast<Errc>(code)) != "unknown"; ++code) ++codes;
  CHECK(codes == SC_SYSTEM_ERROR);
  const std::pair<Errc, sc_code> pairs[] = {{Errc::invalid_name, SC_INVALID_NAME},
                                            {Errc::invalid_argument, SC_INVALID_ARGUMENT},
                                            {Errc::name_in_use, SC_NAME_IN_USE},
                                            {Errc::access_denied, SC_ACCESS_DENIED},
                                            {Errc::not_owner, SC_NOT_OWNER},
                                            {Errc::layout_mismatch, SC_LAYOUT_MISMATCH},
                                            {Errc::no_server, SC_NO_SERVER},
                                            {Errc::server_stopped, SC_SERVER_STOPPED},
                                            {Errc::server_died, SC_SERVER_DIED},
                                            {Errc::busy, SC_BUSY},
                                            {Errc::timed_out, SC_TIMED_OUT},
                                            {Errc::cancelled, SC_CANCELLED},
                                            {Errc::handler_failed, SC_HANDLER_FAILED},
                                            {Errc::message_too_large, SC_MESSAGE_TOO_LARGE},
                                            {Errc::would_deadlock, SC_WOULD_DEADLOCK},
                                            {Errc::forked, SC_FORKED},
                                            {Errc::corrupt, SC_CORRUPT},
                                            {Errc::out_of_memory, SC_OUT_OF_MEMORY},
                                            {Errc::system_error, SC_SYSTEM_ERROR}};
  CHECK(std::size(pairs) == static_cast<std::size_t>(codes));
  for (const auto& [errc, code] : pairs) {
    CHECK(static_cast<int>(errc) == code);
    CHECK(shared_channel::to_string(errc) == sc_code_name(code));
  }
  for (const sc_code none : {-1, SC_SYSTEM_ERROR + 1, INT32_MAX, INT32_MIN})
    CHECK(std::string(sc_code_name(none)) == "unknown");
  CHECK(sc_version() == SHARED_CHANNEL_VERSION);
  CHECK(SC_STATE_OPEN == static_cast<int>(shared_channel::ChannelState::open));
  CHECK(SC_STATE_STOPPING == static_cast<int>(shared_channel::ChannelState::stopping));
  CHECK(SC_STATE_STARTING == static_cast<int>(shared_channel::ChannelState::starting));
  CHECK(SC_STATE_DEAD == static_cast<int>(shared_channel::ChannelState::dead));
  CHECK(SC_STATE_NO_ACCESS == static_cast<int>(shared_channel::ChannelState::no_access));
  CHECK(SC_STATE_UNREADABLE == static_cast<int>(shared_channel::ChannelState::unreadable));
  CHECK(SC_CALL_PREPARING == static_cast<int>(shared_channel::CallState::preparing));
  CHECK(SC_CALL_QUEUED == static_cast<int>(shared_channel::CallState::queued));
  CHECK(SC_CALL_RUNNING == static_cast<int>(shared_channel::CallState::running));
  CHECK(SC_CALL_ABANDONED == static_cast<int>(shared_channel::CallState::abandoned));
  CHECK(SC_CALL_ANSWERED == static_cast<int>(shared_channel::CallState::answered));
}

TEST_CASE("c interface: NULL where something is needed is an error, and where nothing is needed nothing") {
  GatedChannel channel;
  const auto client = open_client(channel.name);
  const auto server = open_server(unique_name("c"));
  const auto call = send(client.get(), echo(1));
  sc_client* no_client = nullptr;
  sc_server* no_server = nullptr;
  sc_call* no_call = nullptr;
  sc_request* no_request = nullptr;
  const sc_shape* no_shape = nullptr;
  const sc_info* no_info = nullptr;
  sc_stats stats{};
  stats.size = sizeof stats;
  const void* data = nullptr;
  size_t size = 7;
  char room[16];
  for (const bool wants_words : {true, false}) {
    Failure failure;
    sc_error* const error = wants_words ? &failure : nullptr;
    const auto is_refused = [&](sc_code code) {
      if (code != SC_INVALID_ARGUMENT) return false;
      const bool has_words = !wants_words || (failure.code == code && std::strlen(failure.message) > 10);
      failure = Failure();
      return has_words;
    };
    CHECK(is_refused(sc_client_open(nullptr, nullptr, &no_client, error)));
    CHECK(is_refused(sc_client_open("x", nullptr, nullptr, error)));
    CHECK(is_refused(sc_client_call(nullptr, room, 1, room, 1, nullptr, 0, nullptr, error)));
    CHECK(is_refused(sc_client_call(client.get(), nullptr, 1, room, 1, nullptr, 0, nullptr, error)));
    CHECK(is_refused(sc_client_call(client.get(), room, 1, nullptr, 1, nullptr, 0, nullptr, error)));
    CHECK(is_refused(sc_client_wait_for_server(nullptr, 0, nullptr, error)));
    CHECK(is_refused(sc_client_describe(nullptr, 0, nullptr, &no_shape, error)));
    CHECK(is_refused(sc_client_describe(client.get(), 0, nullptr, nullptr, error)));
    CHECK(is_refused(sc_client_begin(nullptr, 0, nullptr, &no_call, error)));
    CHECK(is_refused(sc_client_begin(client.get(), 0, nullptr, nullptr, error)));
    CHECK(is_refused(sc_client_call_async(nullptr, room, 1, 0, nullptr, &no_call, error)));
    CHECK(is_refused(sc_client_call_async(client.get(), nullptr, 1, 0, nullptr, &no_call, error)));
    CHECK(is_refused(sc_client_call_async(client.get(), room, 1, 0, nullptr, nullptr, error)));
    CHECK(is_refused(sc_call_send(nullptr, 0, error)));
    CHECK(is_refused(sc_call_wait(nullptr, 0, nullptr, error)));
    CHECK(is_refused(sc_call_reply(nullptr, &data, &size, error)));
    CHECK(is_refused(sc_call_reply(call.get(), nullptr, &size, error)));
    CHECK(is_refused(sc_call_reply(call.get(), &data, nullptr, error)));
    CHECK(is_refused(sc_server_open(nullptr, nullptr, nullptr, nullptr, &no_server, error)));
    CHECK(is_refused(sc_server_open("x", nullptr, nullptr, nullptr, nullptr, error)));
    CHECK(is_refused(sc_server_next(nullptr, 0, nullptr, &no_request, error)));
    CHECK(is_refused(sc_server_next(server.get(), 0, nullptr, nullptr, error)));
    CHECK(is_refused(sc_server_serve(nullptr, nullptr, nullptr, error)));
    CHECK(is_refused(sc_server_serve(server.get(), nullptr, nullptr, error)));
    CHECK(is_refused(sc_server_stats(nullptr, &stats, error)));
    CHECK(is_refused(sc_server_stats(server.get(), nullptr, error)));
    CHECK(is_refused(sc_request_reply(nullptr, room, 1, error)));
    CHECK(is_refused(sc_request_send(nullptr, 1, error)));
    CHECK(is_refused(sc_request_fail(nullptr, "x", error)));
    CHECK(is_refused(sc_request_relay(nullptr, error, error)));
    CHECK(is_refused(sc_inspect(nullptr, 0, &no_info, error)));
    CHECK(is_refused(sc_inspect("x", 0, nullptr, error)));
    CHECK(is_refused(sc_list_channels(0, nullptr, error)));
  }
  CHECK(!no_client);
  CHECK(!no_server);
  CHECK(!no_call);
  CHECK(!no_request);
  CHECK(sc_client_is_connected(nullptr) == 0);
  CHECK(sc_call_is_ready(nullptr) == 0);
  CHECK(sc_call_native_handle(nullptr) == SC_NO_HANDLE);
  CHECK(sc_server_native_handle(nullptr) == SC_NO_HANDLE);
  CHECK(sc_call_room(nullptr, &size) == nullptr);
  CHECK(size == 0);
  CHECK(sc_request_room(nullptr, nullptr) == nullptr);
  CHECK(sc_request_data(nullptr, &size) == nullptr);
  CHECK(sc_request_is_cancelled(nullptr) == 1);
  CHECK(sc_request_time_left(nullptr) == 0);
  CHECK(sc_request_caller(nullptr) == 0);
  sc_call_cancel(nullptr);
  sc_server_stop(nullptr);
  sc_client_close(nullptr);
  sc_call_release(nullptr);
  sc_server_close(nullptr);
  sc_request_release(nullptr);
  sc_shape_free(nullptr);
  sc_info_free(nullptr);
  sc_list_free(nullptr);

  auto pending = channel.client.call_async(echo(1), std::chrono::seconds(1));
  const auto other_name = unique_name("c");
  const auto other = open_server(other_name);
  const auto asking = send(open_client(other_name).get(), 'x');
  const auto request = take(other.get());
  Failure failure;
  CHECK(sc_request_reply(request.get(), nullptr, 1, &failure) == SC_INVALID_ARGUMENT);
  CHECK(sc_request_fail(request.get(), nullptr, &failure) == SC_INVALID_ARGUMENT);
  CHECK(sc_request_relay(request.get(), nullptr, &failure) == SC_INVALID_ARGUMENT);
  CHECK(sc_request_reply(request.get(), "y", 1, &failure) == SC_OK);
}

TEST_CASE("c interface: structs of other sizes") {
  const auto name = unique_name("c");
  sc_client* client = nullptr;
  const auto opens = [&](const void* options) {
    const sc_code code = sc_client_open(name.c_str(), static_cast<const sc_client_options*>(options), &client, nullptr);
    if (code == SC_OK) sc_client_close(client);
    return code;
  };
  struct {
    sc_client_options options;
    std::uint64_t more[2];
  } newer{};
  // What was compiled with a later header, and says nothing that this library does not know.
  newer.options.size = sizeof newer;
  CHECK(opens(&newer) == SC_OK);
  newer.more[1] = 1;
  CHECK(opens(&newer) == SC_INVALID_ARGUMENT);
  // With an earlier one: what lies behind its struct is not looked at.
  newer.options.size = offsetof(sc_client_options, wait_for_server);
  newer.options.server_user = 99;
  CHECK(opens(&newer) == SC_OK);
  newer.options.size = sizeof newer.options;
  CHECK(opens(&newer) == SC_INVALID_ARGUMENT);
  for (const std::uint32_t size : {0u, 1u, 3u, 17u, 4097u, 0x4000'0000u, 0xFFFF'FFFFu}) {
    newer.options.size = size;
    CHECK(opens(&newer) == SC_INVALID_ARGUMENT);
  }
  sc_server* server = nullptr;
  const sc_message wrong_message{3, 0, 0, 0, nullptr};
  const sc_server_options wrong_options{};
  CHECK(sc_server_open(name.c_str(), &wrong_message, nullptr, nullptr, &server, nullptr) == SC_INVALID_ARGUMENT);
  CHECK(sc_server_open(name.c_str(), nullptr, &wrong_message, nullptr, &server, nullptr) == SC_INVALID_ARGUMENT);
  CHECK(sc_server_open(name.c_str(), nullptr, nullptr, &wrong_options, &server, nullptr) == SC_INVALID_ARGUMENT);
  const auto good = open_client(name);
  const auto serving = open_server(name);
  const sc_wait wrong_wait{};
  sc_request* request = nullptr;
  char byte = 0;
  CHECK(ask(good.get(), byte, byte, 0, &wrong_wait) == SC_INVALID_ARGUMENT);
  CHECK(sc_server_next(serving.get(), 0, &wrong_wait, &request, nullptr) == SC_INVALID_ARGUMENT);
  sc_stats stats{};
  CHECK(sc_server_stats(serving.get(), &stats, nullptr) == SC_INVALID_ARGUMENT);
  stats.failed = 77;
  stats.size = offsetof(sc_stats, failed);
  CHECK(sc_server_stats(serving.get(), &stats, nullptr) == SC_OK);
  CHECK(stats.failed == 77);
  struct {
    sc_stats stats;
    std::uint64_t more[2];
  } later{};
  later.stats.size = sizeof later;
  later.more[0] = later.more[1] = 77;
  CHECK(sc_server_stats(serving.get(), &later.stats, nullptr) == SC_OK);
  CHECK(later.stats.size == sizeof later);
  CHECK(later.more[0] == 0);
  CHECK(later.more[1] == 0);
}

TEST_CASE("c interface: an error struct of another size gets what it has room for") {
  sc_client* client = nullptr;
  Failure failure;
  failure.size = offsetof(sc_error, message) + 8;
  std::memset(failure.message, '#', sizeof failure.message);
  CHECK(sc_client_open("no/name", nullptr, &client, &failure) == SC_INVALID_NAME);
  CHECK(failure.text() == "shared ");
  CHECK(failure.message[8] == '#');
  for (const std::uint32_t size : {0u, 4u, 20u, 5000u, 0xFFFF'FFFFu}) {
    failure.size = size;
    failure.code = 99;
    CHECK(sc_client_open("name", nullptr, &client, &failure) == SC_INVALID_ARGUMENT);
    CHECK(failure.code == 99);
    CHECK(client == nullptr);
  }
  const std::string long_name(400, 'n');
  Failure whole;
  CHECK(sc_client_open((long_name + long_name).c_str(), nullptr, &client, &whole) == SC_INVALID_NAME);
  CHECK(std::memchr(whole.message, 0, sizeof whole.message) != nullptr);
}

TEST_CASE("c interface: options out of their ranges") {
  const auto name = unique_name("c");
  const auto client_code = [&](auto change) {
    sc_client_options options{};
    options.size = sizeof options;
    change(options);
    sc_client* client = nullptr;
    const sc_code code = sc_client_open(name.c_str(), &options, &client, nullptr);
    sc_client_close(client);
    return code;
  };
  const auto server_code = [&](auto change) {
    sc_server_options options{};
    options.size = sizeof options;
    change(options);
    sc_server* server = nullptr;
    const sc_code code = sc_server_open(name.c_str(), nullptr, nullptr, &options, &server, nullptr);
    sc_server_close(server);
    return code;
  };
  const sc_message bytes{sizeof(sc_message), 0, 0, 1, nullptr};
  CHECK(client_code([](auto&) {}) == SC_OK);
  CHECK(client_code([](auto& options) { options.spin = SC_SPIN_NEVER; }) == SC_OK);
  CHECK(client_code([](auto& options) { options.spin = SC_FOREVER; }) == SC_OK);
  CHECK(client_code([&](auto& options) { options.request = options.reply = &bytes; }) == SC_OK);
  CHECK(client_code([&](auto& options) { options.request = &bytes; }) == SC_INVALID_ARGUMENT);
  CHECK(client_code([](auto& options) { options.spin = -2; }) == SC_INVALID_ARGUMENT);
  CHECK(client_code([](auto& options) { options.scope = 2; }) == SC_INVALID_ARGUMENT);
  CHECK(client_code([](auto& options) { options.server_user = 4; }) == SC_INVALID_ARGUMENT);
  CHECK(client_code([](auto& options) { options.server_user = SC_USER_SID; }) == SC_INVALID_ARGUMENT);
  CHECK(client_code([](auto& options) { options.server_user = SC_USER_ANY; }) == SC_OK);
  CHECK(server_code([](auto&) {}) == SC_OK);
  CHECK(server_code([](auto& options) { options.max_calls = 4097; }) == SC_INVALID_ARGUMENT);
  CHECK(server_code([](auto& options) { options.threads = 257; }) == SC_INVALID_ARGUMENT);
  CHECK(server_code([](auto& options) { options.access = 4; }) == SC_INVALID_ARGUMENT);
  CHECK(server_code([](auto& options) { options.access = SC_ACCESS_SDDL; }) == SC_INVALID_ARGUMENT);
  CHECK(server_code([](auto& options) { options.scope = -1; }) == SC_INVALID_ARGUMENT);
  CHECK(server_code([](auto& options) { options.spin = INT64_MIN; }) == SC_INVALID_ARGUMENT);
#ifdef __linux__
  CHECK(server_code([](auto& options) { options.access = SC_ACCESS_MODE, options.access_mode = 0600; }) == SC_OK);
#endif
}

}  // namespace c_interface_test
