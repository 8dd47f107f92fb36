// Servers in C: they pull requests, or have a handler called.
#include "support/catch.hpp"

#include <array>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include "faults/segment.hpp"
#include "handles.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/native_wait.hpp"
#include "support/process.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>
#endif

namespace c_server_test {

using namespace c_test;
using namespace test_support;
using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::RawClient;

namespace {

struct Numbers {
  std::int32_t a, b;
};
struct Sum {
  std::int32_t value;
};
using Adder = shared_channel::SharedChannel<Numbers, Sum>;

std::string text_in(const sc_request* request) {
  size_t size = 0;
  const void* const data = sc_request_data(request, &size);
  return {static_cast<const char*>(data), size};
}

sc_code reply_with(sc_request* request, std::string_view text) {
  return sc_request_reply(request, text.data(), text.size(), nullptr);
}

// What a program in C says, which ends its lines as the system does.
std::string line_of(Process& process) {
  std::string line = process.read_line();
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

shared_channel::RawPendingCall send_text(RawClient& client, std::string_view text) {
  return client.call_async(bytes_of(text), amply);
}

}  // namespace

TEST_CASE("c server: a typed client in C++ calls it") {
  const auto name = unique_name("c");
  const sc_message numbers = described("{i32 i32}"), sum = described("{i32}");
  const auto server = open_server(name, &numbers, &sum);
  Adder::Client client(name);
  auto call = client.call_async({2, 3}, amply);
  const auto request = take(server.get());
  Numbers asked{};
  REQUIRE(text_in(request.get()).size() == sizeof asked);
  std::memcpy(&asked, text_in(request.get()).data(), sizeof asked);
  const Sum answer{asked.a + asked.b};
  CHECK(sc_request_caller(request.get()) != 0);
  CHECK(sc_request_is_cancelled(request.get()) == 0);
  CHECK(sc_request_time_left(request.get()) > 0);
  CHECK(sc_request_time_left(request.get()) <= amply_ns);
  REQUIRE(sc_request_reply(request.get(), &answer, sizeof answer, nullptr) == SC_OK);
  CHECK(call.get().value().value == 5);
  CHECK(sc_request_is_cancelled(request.get()) == 1);
}

TEST_CASE("c server: one in C serves, is killed, and is started again") {
  const auto name = unique_name("c");
  Adder::Client client(name);
  for (int round = 0; round < 2; ++round) {
    auto server = start_peer("shared_channel_c_peer", "serve", {name});
    REQUIRE(line_of(server) == "ready");
    CHECK(client.call({2, 3}, amply).value().value == 5);
    auto asker = start_peer("shared_channel_c_peer", "ask", {name, "4", "5"});
    CHECK(line_of(asker) == "9");
    CHECK(asker.wait().code == 0);
    server.kill();
    server.wait();
    CHECK(client.call({2, 3}, amply).error().safe_to_retry());
  }
  auto server = start_peer("shared_channel_c_peer", "serve", {name});
  REQUIRE(line_of(server) == "ready");
  CHECK(client.call({0, 0}, amply).value().value == 0);  // which stops it
  CHECK(line_of(server) == "stopped");
  CHECK(server.wait().code == 0);
}

TEST_CASE("c server: requests are pulled one by one and answered in any order, by any thread") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  sc_request* none = nullptr;
  Failure failure;
  const Stopwatch watch;
  CHECK(sc_server_next(server.get(), 20 * ms, nullptr, &none, &failure) == SC_TIMED_OUT);
  CHECK(watch.elapsed() >= 20ms);
  RawClient client(name);
  std::vector<shared_channel::RawPendingCall> calls;
  std::vector<Handle<sc_request>> requests;
  const std::string texts[] = {"", "short", std::string(200, 'm'), std::string(60000, 'l')};
  for (const std::string& text : texts) {
    calls.push_back(send_text(client, text));
    requests.push_back(take(server.get()));
    CHECK(text_in(requests.back().get()) == text);
  }
  std::thread([&] {
    for (std::size_t i = 4; i-- > 0;) reply_with(requests[i].get(), text_in(requests[i].get()) + "!");
  }).join();
  for (std::size_t i = 0; i < 4; ++i) CHECK(text_of(calls[i].get().value().bytes()) == texts[i] + "!");
  CHECK(reply_with(requests[0].get(), "again") == SC_INVALID_ARGUMENT);
  CHECK(sc_request_fail(requests[0].get(), "again", nullptr) == SC_INVALID_ARGUMENT);
}

TEST_CASE("c server: behind a request that cannot be read one is found that can, also without waiting") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  RawClient client(name);
  auto bad = send_text(client, "bad");
  auto good = send_text(client, "good");
  faults::LiveSegment(name).slot_array()[0].length.store(~std::uint32_t{0});
  sc_request* next = nullptr;
  REQUIRE(sc_server_next(server.get(), 0, nullptr, &next, nullptr) == SC_OK);
  const Handle<sc_request> request(next);
  CHECK(text_in(request.get()) == "good");
  CHECK(error_of(bad.get()) == Errc::corrupt);
  reply_with(request.get(), "answer");
  CHECK(text_of(good.get().value().bytes()) == "answer");
}

TEST_CASE("c server: a caller cannot change a pulled request of up to 4096 bytes") {
  for (const std::size_t length : {8u, 112u, 136u, 4096u}) {
    const auto name = unique_name("c");
    const std::string words = "{u64[" + std::to_string(length / 8) + "]}";
    const sc_message message = described(words.c_str());
    const auto server = open_server(name, &message, &message);
    const auto client = open_client(name);
    sc_call* begun = nullptr;
    REQUIRE(sc_client_begin(client.get(), amply_ns, nullptr, &begun, nullptr) == SC_OK);
    const Handle<sc_call> call(begun);
    std::size_t size = 0;
    void* const room = sc_call_room(call.get(), &size);
    REQUIRE(size == length);
    std::memset(room, 'a', length);
    REQUIRE(sc_call_send(call.get(), length, nullptr) == SC_OK);
    const auto request = take(server.get());
    std::memset(room, 'b', length);
    const void* const data = sc_request_data(request.get(), &size);
    CHECK(std::string(static_cast<const char*>(data), size) == std::string(length, 'a'));
    CHECK(reinterpret_cast<std::uintptr_t>(data) % 16 == 0);
    CHECK(sc_request_reply(request.get(), data, size, nullptr) == SC_OK);
  }
}

TEST_CASE("c server: an answer in place") {
  const auto name = unique_name("c");
  const sc_message large{sizeof(sc_message), 100000, 0, 1, nullptr};
  const auto server = open_server(name, &large, &large);
  RawClient client(name);
  for (const std::size_t length : {1u, 200u, 100000u}) {
    auto call = send_text(client, std::string(length, 'a'));
    const auto request = take(server.get());
    size_t room_size = 0;
    char* const room = static_cast<char*>(sc_request_room(request.get(), &room_size));
    REQUIRE(room_size == 100000);
    std::memset(room, 'b', length);
    REQUIRE(sc_request_send(request.get(), length, nullptr) == SC_OK);
    CHECK(sc_request_room(request.get(), &room_size) == nullptr);
    CHECK(room_size == 0);
    CHECK(text_of(call.get().value().bytes()) == std::string(length, 'b'));
  }
  auto call = send_text(client, "x");
  CHECK(sc_request_send(take(server.get()).get(), 100001, nullptr) == SC_OK);
  CHECK(error_of(call.get()) == Errc::message_too_large);
}

TEST_CASE("c server: failures, errors of other channels, and requests that nobody answers") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  RawClient client(name);
  auto failed = send_text(client, "1");
  CHECK(sc_request_fail(take(server.get()).get(), "the ink ran out", nullptr) == SC_OK);
  auto error = failed.get().error();
  CHECK(error.code() == Errc::handler_failed);
  CHECK(error.message().find("the ink ran out") != std::string::npos);

  for (const int not_executed : {0, 1}) {
    auto relayed = send_text(client, "2");
    sc_error busy SC_ERROR_INIT;
    busy.code = SC_BUSY;
    busy.not_executed = not_executed;
    std::strcpy(busy.message, "too much to do");
    const auto request = take(server.get());
    sc_error nothing SC_ERROR_INIT;
    CHECK(sc_request_relay(request.get(), &nothing, nullptr) == SC_INVALID_ARGUMENT);
    CHECK(sc_request_relay(request.get(), &busy, nullptr) == SC_OK);
    error = relayed.get().error();
    CHECK(error.code() == Errc::busy);
    CHECK(error.not_executed() == (not_executed == 1));
    CHECK(error.message().find("too much to do") != std::string::npos);
  }

  auto dropped = send_text(client, "3");
  take(server.get()).reset();
  CHECK(error_of(dropped.get()) == Errc::handler_failed);
}

TEST_CASE("c server: every code of an error is passed on, and no other number") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  RawClient client(name);
  sc_code code = 1;
  for (; shared_channel::to_string(static_cast<Errc>(code)) != "unknown"; ++code) {
    auto relayed = send_text(client, "1");
    sc_error failure SC_ERROR_INIT;
    failure.code = code;
    REQUIRE(sc_request_relay(take(server.get()).get(), &failure, nullptr) == SC_OK);
    CHECK(error_of(relayed.get()) == static_cast<Errc>(code));
  }
  auto dropped = send_text(client, "2");
  const auto request = take(server.get());
  for (const sc_code none : {INT32_MIN, -1, 0, code, code + 256, INT32_MAX}) {
    sc_error failure SC_ERROR_INIT;
    failure.code = none;
    CHECK(sc_request_relay(request.get(), &failure, nullptr) == SC_INVALID_ARGUMENT);
  }
  CHECK(sc_request_fail(request.get(), "", nullptr) == SC_OK);
  CHECK(error_of(dropped.get()) == Errc::handler_failed);
}

TEST_CASE("c server: a check, a stop and a close end the wait for requests") {
  const auto name = unique_name("c");
  auto server = open_server(name);
  sc_request* request = nullptr;
  Failure failure;
  Question question{2};
  const sc_wait wait = question.wait();
  const Stopwatch watch;
  CHECK(sc_server_next(server.get(), SC_FOREVER, &wait, &request, &failure) == SC_CANCELLED);
  CHECK(watch.elapsed() >= 100ms);
  CHECK(watch.elapsed() < promptly);
  std::thread stopper([&] {
    std::this_thread::sleep_for(20ms);
    sc_server_stop(server.get());
  });
  CHECK(sc_server_next(server.get(), SC_FOREVER, nullptr, &request, &failure) == SC_SERVER_STOPPED);
  stopper.join();
  CHECK(sc_server_next(server.get(), SC_FOREVER, nullptr, &request, &failure) == SC_SERVER_STOPPED);
  CHECK(request == nullptr);
  server = nullptr;
  open_server(name);
}

#ifdef __linux__
TEST_CASE("c server: what a check throws is a code, without a text and of another language too") {
  struct Wordless : std::exception {
    [[nodiscard]] const char* what() const noexcept override { return nullptr; }
  };
  static _Unwind_Exception foreign;
  foreign = {};
  foreign.exception_cleanup = [](_Unwind_Reason_Code, _Unwind_Exception*) {};
  auto server = open_server(unique_name("c"));
  sc_request* request = nullptr;
  Failure failure;
  sc_wait wait{};
  wait.size = sizeof wait;
  wait.check = [](void*) -> int { throw Wordless(); };
  CHECK(sc_server_next(server.get(), SC_FOREVER, &wait, &request, &failure) == SC_SYSTEM_ERROR);
  CHECK(std::string(failure.message).find("without a text") != std::string::npos);
  wait.check = [](void*) -> int { return _Unwind_RaiseException(&foreign); };
  CHECK(sc_server_next(server.get(), SC_FOREVER, &wait, &request, &failure) == SC_SYSTEM_ERROR);
}
#endif

TEST_CASE("c server: a request that is out when the server is closed can be answered, and then the name is free") {
  const auto name = unique_name("c");
  auto server = open_server(name);
  RawClient client(name);
  auto call = send_text(client, std::string(9000, 'q'));
  auto request = take(server.get());
  server = nullptr;
  CHECK(text_in(request.get()) == std::string(9000, 'q'));
  sc_server* next = nullptr;
  CHECK(sc_server_open(name.c_str(), nullptr, nullptr, nullptr, &next, nullptr) == SC_NAME_IN_USE);
  CHECK(reply_with(request.get(), "late") == SC_OK);
  CHECK(text_of(call.get().value().bytes()) == "late");
  request = nullptr;
  open_server(name);
}

TEST_CASE("c server: a loop waits for its handle") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  const sc_handle handle = sc_server_native_handle(server.get());
  REQUIRE(handle != SC_NO_HANDLE);
#ifdef _WIN32
  const auto wait = [&] { return is_signalled(reinterpret_cast<void*>(handle), promptly); };
#else
  const auto wait = [&] { return is_signalled(static_cast<int>(handle), promptly); };
#endif
  RawClient client(name);
  auto call = send_text(client, "x");
  CHECK(wait());
  sc_request* request = nullptr;
  REQUIRE(sc_server_next(server.get(), 0, nullptr, &request, nullptr) == SC_OK);
  reply_with(request, "y");
  sc_request_release(request);
  CHECK(text_of(call.get().value().bytes()) == "y");
  CHECK(sc_server_next(server.get(), 0, nullptr, &request, nullptr) == SC_TIMED_OUT);
  sc_server_stop(server.get());
  CHECK(wait());
}

TEST_CASE("c server: a handler answers in place, fails, and may throw where C is C++") {
  const auto name = unique_name("c");
  sc_server_options options{};
  options.size = sizeof options;
  options.threads = 2;
  const auto server = open_server(name, nullptr, nullptr, &options);
  const sc_handler handler = [](void* context, const void* data, size_t size, void* reply, size_t room,
                                sc_error* failure) -> std::int64_t {
    const std::string_view text(static_cast<const char*>(data), size);
    if (text == "stop") sc_server_stop(static_cast<sc_server*>(context));
    if (text == "throw") throw std::runtime_error("thrown");
    if (text == "fail") return -1;
    if (text == "busy") {
      failure->code = SC_BUSY;
      failure->not_executed = 1;
      std::strcpy(failure->message, "later");
      return -1;
    }
    if (size > room) return static_cast<std::int64_t>(size);
    if (size != 0) std::memcpy(reply, data, size);
    return static_cast<std::int64_t>(size);
  };
  Failure failure;
  std::thread serving([&] { sc_server_serve(server.get(), handler, server.get(), &failure); });
  RawClient client(name);
  for (const std::size_t length : {0u, 5u, 5000u, 65536u})
    CHECK(ask_raw(client, std::string(length, 'z'), amply).value() == std::string(length, 'z'));
  CHECK(error_of(ask_raw(client, "fail", amply)) == Errc::handler_failed);
  const auto thrown = ask_raw(client, "throw", amply);
  CHECK(error_of(thrown) == Errc::handler_failed);
  CHECK(thrown.error().message().find("thrown") != std::string::npos);
  const auto busy = ask_raw(client, "busy", amply);
  REQUIRE(error_of(busy) == Errc::busy);
  CHECK(busy.error().safe_to_retry());
  sc_request* request = nullptr;
  CHECK(sc_server_next(server.get(), 0, nullptr, &request, nullptr) == SC_INVALID_ARGUMENT);
  sc_stats stats{};
  stats.size = sizeof stats;
  CHECK(sc_server_stats(server.get(), &stats, nullptr) == SC_OK);
  CHECK(stats.done == 4);
  CHECK(stats.failed == 3);
  CHECK(ask_raw(client, "stop", amply).value() == "stop");
  serving.join();
  CHECK(failure.code == SC_OK);
}

TEST_CASE("c server: its request knows that its caller gave up") {
  const auto name = unique_name("c");
  const auto server = open_server(name);
  RawClient client(name);
  auto call = client.call_async(bytes_of("x"), (std::chrono::nanoseconds::max)());
  const auto request = take(server.get());
  CHECK(sc_request_time_left(request.get()) == SC_FOREVER);
  call.cancel();
  CHECK(sc_request_is_cancelled(request.get()) == 1);
}

TEST_CASE("c server: a description says how large a message is") {
  const auto name = unique_name("c");
  const auto shape_of = [&](sc_message request, sc_message reply) {
    const auto server = open_server(name, &request, &reply);
    return RawClient(name).shape(amply).value();
  };
  const sc_message nothing{sizeof(sc_message), 0, 0, 0, nullptr};
  auto shape = shape_of(described("{i8 f64}"), described("string"));
  CHECK(shape.request == fixed_message(16, 8, "{i8 f64}"));
  CHECK(shape.reply == variable_message(65536, "string"));
  shape = shape_of(nothing, {sizeof(sc_message), 12, 4, 0, nullptr});
  CHECK(shape.request == variable_message(65536, "bytes"));
  CHECK(shape.reply == fixed_message(12, 4, "opaque(12,4)"));

  Failure failure;
  sc_server* server = nullptr;
  for (const sc_message wrong :
       {described("{i32"), sc_message{sizeof(sc_message), 8, 3, 0, nullptr},
        sc_message{sizeof(sc_message), 9, 4, 0, "{i32 i32}"}, sc_message{sizeof(sc_message), 0, 4, 0, nullptr}}) {
    CHECK(sc_server_open(name.c_str(), &wrong, nullptr, nullptr, &server, &failure) == SC_INVALID_ARGUMENT);
    CHECK(failure.text().find("the request ") != std::string_view::npos);
  }
}

#ifdef __linux__
TEST_CASE("c server: a forked child answers nothing of its parent's, and closes what it got") {
  const auto name = unique_name("c");
  auto server = open_server(name);
  RawClient client(name);
  auto call = send_text(client, "x");
  auto request = take(server.get());
  const pid_t child = ::fork();
  if (child == 0) {
    sc_request* other = nullptr;
    sc_stats stats{};
    stats.size = sizeof stats;
    const bool is_forked = reply_with(request.get(), "child") == SC_FORKED &&
                           sc_request_room(request.get(), nullptr) == nullptr &&
                           sc_server_next(server.get(), 0, nullptr, &other, nullptr) == SC_FORKED &&
                           sc_server_stats(server.get(), &stats, nullptr) == SC_FORKED;
    request.reset();
    server.reset();
    ::_exit(is_forked ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(reply_with(request.get(), "parent") == SC_OK);
  CHECK(text_of(call.get().value().bytes()) == "parent");
}
#endif

}  // namespace c_server_test
