// Calls from C in place and without waiting.
#include "support/catch.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "handles.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace c_call_test {

using namespace c_test;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

Handle<sc_call> begin(sc_client* client, const sc_wait* wait = nullptr) {
  sc_call* call = nullptr;
  Failure failure;
  if (sc_client_begin(client, amply_ns, wait, &call, &failure) != SC_OK) throw std::runtime_error(failure.message);
  return Handle<sc_call>(call);
}

std::string reply_of(sc_call* call) {
  const void* data = nullptr;
  size_t size = 0;
  Failure failure;
  if (sc_call_reply(call, &data, &size, &failure) != SC_OK) return sc_code_name(failure.code);
  return {static_cast<const char*>(data), size};
}

sc_code end_of(sc_call* call, sc_error* failure) {
  const void* data = nullptr;
  size_t size = 0;
  return sc_call_reply(call, &data, &size, failure);
}

std::uint64_t id_in(sc_call* call) {
  Answer answer;
  const std::string bytes = reply_of(call);
  if (bytes.size() != sizeof answer) return ~std::uint64_t{0};
  std::memcpy(&answer, bytes.data(), sizeof answer);
  return answer.id;
}

bool is_signalled(sc_handle handle, std::chrono::milliseconds time) {
#ifdef _WIN32
  return test_support::is_signalled(reinterpret_cast<void*>(handle), time);
#else
  return test_support::is_signalled(static_cast<int>(handle), time);
#endif
}

}  // namespace

TEST_CASE("c call: in place, request and reply are where the server sees them") {
  const auto name = unique_name("c");
  auto server = peer("serve_text", name, "9000", "9000");
  REQUIRE(server.read_line() == "ready");
  const auto client = open_client(name);
  for (const std::size_t length : {1u, 112u, 113u, 4097u, 9000u}) {
    const auto call = begin(client.get());
    size_t room_size = 0;
    char* const room = static_cast<char*>(sc_call_room(call.get(), &room_size));
    REQUIRE(room_size == 9000);
    std::memset(room, 'x', length);
    room[length - 1] = 'y';
    REQUIRE(sc_call_send(call.get(), length, nullptr) == SC_OK);
    CHECK(sc_call_room(call.get(), &room_size) == nullptr);
    CHECK(room_size == 0);
    CHECK(sc_call_send(call.get(), length, nullptr) == SC_INVALID_ARGUMENT);
    REQUIRE(sc_call_wait(call.get(), amply_ns, nullptr, nullptr) == SC_OK);
    std::string reversed(length, 'x');
    reversed.front() = 'y';
    CHECK(reply_of(call.get()) == reversed);
  }
}

TEST_CASE("c call: what is not sent, or has the wrong size") {
  GatedChannel channel(1);
  const auto client = open_client(channel.name);
  auto call = begin(client.get());
  Failure failure;
  CHECK(end_of(call.get(), &failure) == SC_INVALID_ARGUMENT);
  CHECK(sc_call_wait(call.get(), 0, nullptr, nullptr) == SC_INVALID_ARGUMENT);
  CHECK(sc_call_is_ready(call.get()) == 0);
  CHECK(sc_call_native_handle(call.get()) == SC_NO_HANDLE);
  CHECK(sc_call_send(call.get(), sizeof(Ask) - 1, &failure) == SC_INVALID_ARGUMENT);
  CHECK(failure.text().find("exactly") != std::string_view::npos);
  CHECK(end_of(call.get(), &failure) == SC_INVALID_ARGUMENT);
  CHECK(sc_call_wait(call.get(), 0, nullptr, nullptr) == SC_OK);
  call = nullptr;
  CHECK(channel.gate.runs == 0);

  sc_wait at_once{};
  at_once.size = sizeof at_once;
  at_once.slot_wait = -1;
  call = begin(client.get(), &at_once);  // its slot was given back
  sc_call* other = nullptr;
  CHECK(sc_client_begin(client.get(), amply_ns, &at_once, &other, nullptr) == SC_BUSY);
  call = nullptr;
  Answer reply;
  CHECK(ask(client.get(), echo(1), reply, amply_ns, &at_once) == SC_OK);
}

TEST_CASE("c call: an asynchronous call is waited for, polled, and tells its answer more than once") {
  GatedChannel channel;
  const auto client = open_client(channel.name);
  const auto call = send(client.get(), nap(1, 7));
  Failure failure;
  CHECK(sc_call_wait(call.get(), 5 * ms, nullptr, &failure) == SC_TIMED_OUT);
  CHECK(failure.text() == "the call has not ended yet, and goes on");
  CHECK(sc_call_is_ready(call.get()) == 0);
  const sc_handle handle = sc_call_native_handle(call.get());
  REQUIRE(handle != SC_NO_HANDLE);
  CHECK_FALSE(is_signalled(handle, 0ms));
  Question question{2};
  const sc_wait wait = question.wait();
  CHECK(sc_call_wait(call.get(), SC_FOREVER, &wait, &failure) == SC_CANCELLED);  // the wait, not the call
  CHECK(question.asked == 2);
  channel.gate.open();
  CHECK(is_signalled(handle, promptly));
  CHECK(sc_call_wait(call.get(), SC_FOREVER, &wait, nullptr) == SC_OK);
  CHECK(sc_call_is_ready(call.get()) == 1);
  CHECK(id_in(call.get()) == 7);
  CHECK(id_in(call.get()) == 7);
}

TEST_CASE("c call: cancelled before it was taken it never runs, and later it may have run") {
  const auto name = unique_name("c");
  Gate gate;
  Channel::Server server(name);
  const auto client = open_client(name);
  const auto waiting = send(client.get(), echo(1));
  sc_call_cancel(waiting.get());
  Failure failure;
  CHECK(end_of(waiting.get(), &failure) == SC_CANCELLED);
  CHECK(failure.not_executed == 1);

  server.start(std::ref(gate)).value();
  const auto running = send(client.get(), nap(1));
  REQUIRE(eventually([&] { return gate.runs == 1; }));
  sc_call_cancel(running.get());
  CHECK(end_of(running.get(), &failure) == SC_CANCELLED);
  CHECK(failure.not_executed == 0);
  sc_call_cancel(running.get());
  gate.open();
}

TEST_CASE("c call: cancelled before it was sent it has ended, has no slot, and is not sent") {
  GatedChannel channel(1);
  const auto client = open_client(channel.name);
  const auto call = begin(client.get());
  sc_call_cancel(call.get());
  sc_call_cancel(call.get());
  size_t room_size = 1;
  CHECK(sc_call_room(call.get(), &room_size) == nullptr);
  CHECK(room_size == 0);
  CHECK(sc_call_is_ready(call.get()) == 1);
  CHECK(sc_call_wait(call.get(), 0, nullptr, nullptr) == SC_OK);
  const sc_handle handle = sc_call_native_handle(call.get());
  REQUIRE(handle != SC_NO_HANDLE);
  CHECK(is_signalled(handle, promptly));
  Failure failure;
  CHECK(sc_call_send(call.get(), sizeof(Ask), &failure) == SC_CANCELLED);
  CHECK(failure.not_executed == 1);
  CHECK(end_of(call.get(), &failure) == SC_CANCELLED);
  CHECK(failure.text() == "the call was cancelled before it was sent");
  sc_wait at_once{};
  at_once.size = sizeof at_once;
  at_once.slot_wait = -1;
  Answer reply;
  CHECK(ask(client.get(), echo(1), reply, amply_ns, &at_once) == SC_OK);
  CHECK(channel.gate.runs == 1);
}

TEST_CASE("c call: the reply holds its slot until it is released, also after its client") {
  GatedChannel channel(1);
  auto client = open_client(channel.name);
  auto call = send(client.get(), echo(5));
  CHECK(id_in(call.get()) == 5);
  sc_wait at_once{};
  at_once.size = sizeof at_once;
  at_once.slot_wait = -1;
  Answer reply;
  CHECK(ask(client.get(), echo(6), reply, amply_ns, &at_once) == SC_BUSY);
  client = nullptr;
  CHECK(id_in(call.get()) == 5);
  call = nullptr;
  client = open_client(channel.name);
  CHECK(ask(client.get(), echo(6), reply, amply_ns, &at_once) == SC_OK);
}

TEST_CASE("c call: one that nobody polls goes on without its client, and one that is polled ends with it") {
  GatedChannel channel(2);
  auto client = open_client(channel.name);
  const auto plain = send(client.get(), nap(1, 7));
  const auto polled = send(client.get(), nap(1, 8));
  const sc_handle handle = sc_call_native_handle(polled.get());
  REQUIRE(handle != SC_NO_HANDLE);
  client = nullptr;
  CHECK(is_signalled(handle, promptly));
  Failure failure;
  CHECK(end_of(polled.get(), &failure) == SC_TIMED_OUT);
  CHECK(sc_call_is_ready(plain.get()) == 0);
  channel.gate.open();
  CHECK(id_in(plain.get()) == 7);
}

TEST_CASE("c call: what cannot be sent says so at once") {
  const auto client = open_client(unique_name("c"));
  const Ask request = echo(1);
  sc_call* call = nullptr;
  Failure failure;
  CHECK(sc_client_call_async(client.get(), &request, sizeof request, amply_ns, nullptr, &call, &failure) ==
        SC_NO_SERVER);
  CHECK(failure.safe_to_retry == 1);
  CHECK(sc_client_begin(client.get(), amply_ns, nullptr, &call, nullptr) == SC_NO_SERVER);
  CHECK(call == nullptr);
}

}  // namespace c_call_test
