// pthread_cancel() of a thread that is in the library: the call goes on to its end, and nothing is lost or terminated.
#ifndef _WIN32
#include "support/catch.hpp"

#include <shared_channel/inspect.hpp>
#include <shared_channel/shared_channel.hpp>

#include <pthread.h>

#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>

#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/time.hpp"

namespace thread_cancelled_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

// Runs `work` on a thread whose cancellation is pending from the start: the first cancellation point that it comes to
// with cancellation enabled would end it. Whether it came to its end.
template <class Work>
bool is_joined_after_cancel(Work work) {
  pthread_t thread{};
  const auto body = [](void* argument) -> void* {
    pthread_cancel(pthread_self());
    (*static_cast<Work*>(argument))();
    return argument;
  };
  void* ended = nullptr;
  return pthread_create(&thread, nullptr, body, &work) == 0 && pthread_join(thread, &ended) == 0 && ended == &work;
}

// What a server leaves that has not yet published its generation: whoever waits for it opens and closes this file again
// and again, and close() is a cancellation point.
class Unpublished {
 public:
  explicit Unpublished(const std::string& channel) : path_("/dev/shm/shared_channel." + channel) {
    std::ofstream(path_) << std::string(4096, '\0');
  }
  Unpublished(const Unpublished&) = delete;
  Unpublished& operator=(const Unpublished&) = delete;
  ~Unpublished() { std::filesystem::remove(path_); }

 private:
  std::string path_;
};

// Whose observer comes to a cancellation point.
struct Observed {
  int value = 0;
};
using ObservedChannel = SharedChannel<Observed>;

template <class>
struct Cancellable {
  static void client_done(const CallRecord&) { pthread_testcancel(); }
  static void server_done(const CallRecord&) { pthread_testcancel(); }
};

Observed same(Observed request) { return request; }

Answer answer(const Ask& ask) { return {ask.id, 0}; }

}  // namespace

}  // namespace thread_cancelled_test

template <>
struct shared_channel::ObserverOf<thread_cancelled_test::Observed>
    : thread_cancelled_test::Cancellable<thread_cancelled_test::Observed> {};

namespace thread_cancelled_test {

TEST_CASE("thread cancelled: while it waits for a server") {
  const auto name = unique_name("cancelled");
  const Unpublished record(name);
  Channel::Client client(name);
  CHECK(is_joined_after_cancel([&] { static_cast<void>(client.wait_for_server(100ms)); }));
  CHECK(error_of(client.call(nap(1), 1s)) == Errc::no_server);
}

TEST_CASE("thread cancelled: in a call that waits for a server") {
  ClientOptions options;
  options.wait_for_server = true;
  const auto name = unique_name("cancelled");
  const Unpublished record(name);
  Channel::Client client(name, options);
  CHECK(is_joined_after_cancel([&] { static_cast<void>(client.call(nap(1), 100ms)); }));
  CHECK(error_of(client.call(nap(1), 10ms)) == Errc::no_server);
}

TEST_CASE("thread cancelled: while it waits for its reply") {
  GatedChannel channel;
  CHECK(is_joined_after_cancel([&] { static_cast<void>(channel.client.call(nap(1), 300ms)); }));
  channel.gate.open();
  CHECK_FALSE(error_of(channel.client.call(nap(1), amply)));
}

TEST_CASE("thread cancelled: in a call of a client that it makes and destroys") {
  GatedChannel channel;
  channel.gate.open();
  CHECK(is_joined_after_cancel([&] {
    Channel::Client client(channel.name);
    CHECK_FALSE(error_of(client.call(nap(1), amply)));
  }));
  CHECK_FALSE(error_of(channel.client.call(nap(1), amply)));
}

TEST_CASE("thread cancelled: while it ends a client with a call in flight") {
  GatedChannel channel;
  Errc told{};
  CHECK(is_joined_after_cancel([&] {
    Channel::Client client(channel.name);
    CHECK_FALSE(error_of(client.call_async(nap(1), amply, [&](Result<Answer> reply) { told = *error_of(reply); })));
  }));
  CHECK(told == Errc::timed_out);
}

TEST_CASE("thread cancelled: while it makes a server and destroys it") {
  const auto name = unique_name("cancelled");
  const auto serve_shortly = [&] {
    Channel::Server server(name);
    CHECK_FALSE(error_of(server.start(answer)));
    CHECK(server.native_handle() != -1);
  };
  CHECK(is_joined_after_cancel(serve_shortly));
  Process killed = peer("serve", name);
  REQUIRE(killed.read_line() == "ready");
  killed.kill();
  killed.wait();
  CHECK(is_joined_after_cancel(serve_shortly));
  CHECK(error_of(Channel::Client(name).call(nap(1), 1s)) == Errc::no_server);
}

TEST_CASE("thread cancelled: while it serves") {
  const auto name = unique_name("cancelled");
  ServerOptions options;
  options.threads = 2;
  Channel::Server server(name, options);
  std::stop_source stop;
  stop.request_stop();
  CHECK(is_joined_after_cancel([&] { CHECK_FALSE(error_of(server.serve(answer, stop.get_token()))); }));
}

TEST_CASE("thread cancelled: while it waits for the end of a server") {
  const auto name = unique_name("cancelled");
  Channel::Server server(name);
  server.start(answer).value();
  CHECK(is_joined_after_cancel([&] { CHECK_FALSE(server.wait(100ms)); }));
  CHECK_FALSE(error_of(Channel::Client(name).call(nap(1), amply)));
}

TEST_CASE("thread cancelled: while its calls are observed") {
  const auto name = unique_name("cancelled");
  ObservedChannel::Server server(name);
  ObservedChannel::Client client(name);
  auto asked = client.call_async(Observed{7}, amply);
  CHECK(is_joined_after_cancel([&] { CHECK(server.serve_one(same, amply).value()); }));
  CHECK(asked.get().value().value == 7);
  CHECK_FALSE(error_of(server.start(same)));
  CHECK(is_joined_after_cancel([&] { CHECK(client.call(Observed{8}, amply).value().value == 8); }));
}

TEST_CASE("thread cancelled: while it looks at channels") {
  GatedChannel channel;
  CHECK(is_joined_after_cancel([&] {
    CHECK_FALSE(error_of(list_channels()));
    CHECK(inspect(channel.name).value().state == ChannelState::open);
  }));
}

}  // namespace thread_cancelled_test
#endif
