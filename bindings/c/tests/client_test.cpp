// Calls from C to servers in other processes, which are killed and started again.
#include "support/catch.hpp"

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "handles.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace c_client_test {

using namespace c_test;
using namespace test_support;
using namespace std::chrono_literals;

TEST_CASE("c client: a typed server in another process answers") {
  const auto name = unique_name("c");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  const auto client = open_client(name);
  const Ask request = echo(42);
  Answer reply;
  size_t size = 0;
  Failure failure;
  REQUIRE(sc_client_call(client.get(), &request, sizeof request, &reply, sizeof reply, &size, amply_ns, nullptr,
                         &failure) == SC_OK);
  CHECK(size == sizeof reply);
  CHECK(reply.id == 42);
  CHECK(failure.code == SC_OK);
  CHECK(failure.native == 0);
  CHECK(failure.text().empty());
  CHECK(sc_client_is_connected(client.get()) == 1);
}

TEST_CASE("c client: a server that is killed and started again is found, and the errors tell what ran") {
  const auto name = unique_name("c");
  const auto client = open_client(name);
  Answer reply;
  Failure failure;
  CHECK(ask(client.get(), echo(1), reply, amply_ns, nullptr, &failure) == SC_NO_SERVER);
  CHECK(failure.code == SC_NO_SERVER);
  CHECK(failure.not_executed == 1);
  CHECK(failure.safe_to_retry == 1);
  CHECK(failure.text().starts_with("shared channel '" + name + "': no server is running"));
  CHECK(sc_client_is_connected(client.get()) == 0);
  for (int round = 0; round < 2; ++round) {
    auto server = peer("serve", name);
    REQUIRE(server.read_line() == "ready");
    REQUIRE(ask(client.get(), echo(2), reply) == SC_OK);
    CHECK(reply.id == 2);
    const auto call = send(client.get(), hang);
    REQUIRE(server.read_line() == "taken");
    server.kill();
    const void* data = nullptr;
    size_t size = 0;
    CHECK(sc_call_reply(call.get(), &data, &size, &failure) == SC_SERVER_DIED);
    CHECK(failure.not_executed == 0);
    CHECK(failure.safe_to_retry == 0);
    CHECK(sc_call_reply(call.get(), &data, &size, nullptr) == SC_SERVER_DIED);
    server.wait();
  }
}

TEST_CASE("c client: deadlines and failures of handlers") {
  const auto name = unique_name("c");
  auto server = peer("serve", name);
  REQUIRE(server.read_line() == "ready");
  const auto client = open_client(name);
  Answer reply;
  Failure failure;
  const Stopwatch watch;
  CHECK(ask(client.get(), nap(500), reply, 50 * ms, nullptr, &failure) == SC_TIMED_OUT);
  CHECK(watch.elapsed() >= 50ms);
  CHECK(failure.not_executed == 0);
  CHECK(ask(client.get(), fail, reply, amply_ns, nullptr, &failure) == SC_HANDLER_FAILED);
  CHECK(failure.text().find("as asked") != std::string_view::npos);
}

TEST_CASE("c client: a check ends a wait soon, wherever it waits") {
  const auto name = unique_name("c");
  shared_channel::ServerOptions one;
  one.max_calls = 1;
  Channel::Server server(name, one);  // and nobody serves
  const auto client = open_client(name);
  sc_client_options patient{};
  patient.size = sizeof patient;
  patient.wait_for_server = 1;
  const auto waiting = open_client(unique_name("c"), &patient);
  const auto check_ended = [](const auto& wait_for) {
    for (const int patience : {1, 2}) {
      Question question{patience};
      const sc_wait wait = question.wait();
      Failure failure;
      const Stopwatch watch;
      CHECK(wait_for(&wait, &failure) == SC_CANCELLED);
      CHECK(watch.elapsed() >= patience * 50ms);
      CHECK(watch.elapsed() < promptly);
      CHECK(question.asked == patience);
      CHECK(failure.not_executed == 1);
    }
  };
  Answer reply;
  const sc_shape* shape = nullptr;
  check_ended(
      [&](const sc_wait* wait, sc_error* error) { return ask(client.get(), echo(1), reply, SC_FOREVER, wait, error); });
  check_ended([&](const sc_wait* wait, sc_error* error) {
    return ask(waiting.get(), echo(1), reply, SC_FOREVER, wait, error);
  });
  check_ended([&](const sc_wait* wait, sc_error* error) {
    return sc_client_wait_for_server(waiting.get(), SC_FOREVER, wait, error);
  });
  check_ended([&](const sc_wait* wait, sc_error* error) {
    return sc_client_describe(waiting.get(), SC_FOREVER, wait, &shape, error);
  });
  const auto occupying = send(client.get(), echo(1));
  sc_call* call = nullptr;
  check_ended([&](const sc_wait* wait, sc_error* error) {
    return sc_client_begin(client.get(), SC_FOREVER, wait, &call, error);
  });
  const Ask request = echo(1);
  check_ended([&](const sc_wait* wait, sc_error* error) {
    return sc_client_call_async(client.get(), &request, sizeof request, SC_FOREVER, wait, &call, error);
  });
  CHECK(call == nullptr);
  CHECK(shape == nullptr);

  sc_wait at_once{};
  at_once.size = sizeof at_once;
  at_once.slot_wait = -1;
  CHECK(ask(client.get(), echo(1), reply, SC_FOREVER, &at_once) == SC_BUSY);
}

TEST_CASE("c client: it is told what the server takes, and may insist on it") {
  GatedChannel channel;
  const auto client = open_client(channel.name);
  const sc_shape* told = nullptr;
  REQUIRE(sc_client_describe(client.get(), amply_ns, nullptr, &told, nullptr) == SC_OK);
  const Handle<const sc_shape> shape(told);
  CHECK(shape->size == sizeof(sc_shape));
  CHECK(shape->request->bytes == sizeof(Ask));
  CHECK(shape->request->align == 8);
  CHECK(shape->request->is_variable == 0);
  CHECK(shape->request->description == std::string("{u32 u32 u64}"));
  CHECK(shape->reply->description == std::string("{u64 u64}"));

  sc_client_options options{};
  options.size = sizeof options;
  options.request = shape->request;
  options.reply = shape->reply;
  Answer reply;
  CHECK(ask(open_client(channel.name, &options).get(), echo(3), reply) == SC_OK);
  const sc_message other = described("{u64 i64}");
  options.reply = &other;
  Failure failure;
  CHECK(ask(open_client(channel.name, &options).get(), echo(3), reply, amply_ns, nullptr, &failure) ==
        SC_LAYOUT_MISMATCH);
  CHECK(failure.text().find("{u64 i64}") != std::string_view::npos);
}

TEST_CASE("c client: a reply for which there is no room, and requests of the wrong size") {
  GatedChannel channel;
  const auto client = open_client(channel.name);
  const Ask request = echo(1);
  char small[sizeof(Answer) - 1];
  Failure failure;
  CHECK(sc_client_call(client.get(), &request, sizeof request, small, sizeof small, nullptr, amply_ns, nullptr,
                       &failure) == SC_MESSAGE_TOO_LARGE);
  CHECK(failure.not_executed == 0);
  for (const std::size_t size : {std::size_t{0}, sizeof request - 1, ~std::size_t{0}}) {
    Answer reply;
    CHECK(sc_client_call(client.get(), &request, size, &reply, sizeof reply, nullptr, amply_ns, nullptr, &failure) ==
          SC_INVALID_ARGUMENT);
    CHECK(failure.not_executed == 1);
  }
  CHECK(channel.gate.runs == 1);
}

TEST_CASE("c client: many threads use one client") {
  GatedChannel channel;
  const auto client = open_client(channel.name);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 200; ++i) {
        Answer reply;
        if (ask(client.get(), echo(thread << 32 | i), reply) != SC_OK || reply.id != (thread << 32 | i)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

#ifdef __linux__
TEST_CASE("c client: a forked child may close what its parent made, and use nothing of it") {
  GatedChannel channel;
  auto client = open_client(channel.name);
  auto call = send(client.get(), echo(1));
  sc_call* begun = nullptr;
  REQUIRE(sc_client_begin(client.get(), amply_ns, nullptr, &begun, nullptr) == SC_OK);
  Handle<sc_call> draft(begun);
  Answer reply;
  const pid_t child = ::fork();
  if (child == 0) {
    const void* data;
    size_t size;
    const bool is_forked = ask(client.get(), echo(1), reply) == SC_FORKED &&
                           sc_call_reply(call.get(), &data, &size, nullptr) == SC_FORKED &&
                           sc_call_room(draft.get(), &size) == nullptr &&
                           sc_call_send(draft.get(), sizeof(Ask), nullptr) == SC_FORKED;
    draft.reset();
    call.reset();
    client.reset();
    ::_exit(is_forked ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  const void* data = nullptr;
  size_t size = 0;
  CHECK(sc_call_reply(call.get(), &data, &size, nullptr) == SC_OK);
  CHECK(ask(client.get(), echo(2), reply) == SC_OK);
}
#endif

}  // namespace c_client_test
