// TerminateThread of a thread that is in the library's hands, which no C++ and no system call can notice: what it held
// stays held, and the others go on.
#ifdef _WIN32
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <string>

#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"
#include "support/windows.hpp"

#include <tlhelp32.h>

namespace terminated_thread_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

Answer terminate_at_seven(const Ask& ask) {
  if (ask.id == 7) TerminateThread(GetCurrentThread(), 0);
  return {ask.id, 0};
}

std::set<DWORD> threads_here() {
  std::set<DWORD> found;
  const detail::platform::Handle all(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0));
  THREADENTRY32 entry{};
  entry.dwSize = sizeof entry;
  for (BOOL more = Thread32First(all.get(), &entry); more != 0; more = Thread32Next(all.get(), &entry)) {
    if (entry.th32OwnerProcessID == GetCurrentProcessId()) found.insert(entry.th32ThreadID);
  }
  return found;
}

}  // namespace

TEST_CASE("terminated thread: a caller's slot comes back with the end of its process; others are answered") {
  GatedChannel channel(2);
  Process caller = peer("terminated_caller", channel.name);
  REQUIRE(eventually([&] { return channel.gate.runs == 1; }));
  caller.write_line("terminate");
  REQUIRE(caller.read_line() == "terminated");
  channel.gate.open();
  CHECK(channel.client.call(echo(1), amply).value().id == 1);
  {
    const auto other = channel.client.call_async(nap(300), amply);
    CHECK(error_of(channel.client.call(echo(1), 0s)) == Errc::busy);  // the one slot is lost as yet
  }
  caller.write_line("leave");
  CHECK(caller.wait() == ExitStatus{});
  const auto other = channel.client.call_async(nap(300), amply);
  CHECK(channel.client.call(echo(1), amply).value().id == 1);
}

TEST_CASE("terminated thread: a handler's call times out, and other threads of the server answer") {
  const auto name = unique_name("terminated");
  ServerOptions options;
  options.threads = 2;
  std::optional<Channel::Server> server(std::in_place, name, options);
  server->start(terminate_at_seven).value();
  Channel::Client caller(name);
  const auto lost = caller.call(echo(7), 100ms);
  CHECK(error_of(lost) == Errc::timed_out);
  for (std::uint64_t id = 100; id < 150; ++id) CHECK(caller.call(echo(id), amply).value().id == id);
  server.reset();
  server.emplace(name);
  server->start(terminate_at_seven).value();
  CHECK(caller.call(echo(1), amply).value().id == 1);
}

TEST_CASE("terminated thread: without the thread of its callbacks a client calls on, and ends") {
  const auto name = unique_name("terminated");
  Channel::Server server(name);
  server.start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  std::atomic<HANDLE> thread{nullptr};
  std::optional<Channel::Client> client(std::in_place, name);
  client
      ->call_async(echo(1), amply,
                   [&](const auto&) {
                     HANDLE own = nullptr;
                     DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &own, SYNCHRONIZE,
                                     FALSE, 0);
                     thread = own;
                     TerminateThread(GetCurrentThread(), 0);
                   })
      .value();
  REQUIRE(eventually([&] { return thread.load() != nullptr; }));
  CHECK(WaitForSingleObject(thread, 10'000) == WAIT_OBJECT_0);
  CloseHandle(thread);
  CHECK(client->call(echo(2), amply).value().id == 2);
  CHECK(client->call_async(echo(3), amply).get().value().id == 3);
  client.reset();
  std::atomic<bool> called_back{false};
  Channel::Client other(name);
  other.call_async(echo(4), amply, [&](const auto& reply) { called_back = reply.has_value(); }).value();
  CHECK(eventually([&] { return called_back.load(); }));
}

TEST_CASE("terminated thread: without the one that holds its name a server stops, and the next one has the name") {
  const auto name = unique_name("terminated");
  const std::set<DWORD> before = threads_here();
  std::optional<Channel::Server> server(std::in_place, name);
  for (const DWORD id : threads_here()) {
    if (before.count(id) != 0) continue;
    const detail::platform::Handle keeper(OpenThread(THREAD_TERMINATE | SYNCHRONIZE, FALSE, id));
    REQUIRE(TerminateThread(keeper.get(), 0) != 0);
    REQUIRE(WaitForSingleObject(keeper.get(), 10'000) == WAIT_OBJECT_0);
  }
  server->start([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
  const auto ended = server->wait();
  REQUIRE(error_of(ended) == Errc::server_stopped);
  CHECK(ended.error().message().find("the thread that holds its name") != std::string::npos);
  Channel::Server next(name);
  next.start([](const Ask& ask) { return Answer{ask.id + 1, 0}; }).value();
  server.reset();
  CHECK(Channel::Client(name).call(echo(1), amply).value().id == 2);
}

}  // namespace terminated_thread_test
#endif
